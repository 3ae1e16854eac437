"""A connection of HTTP/1.1 whose sender may have closed its half of it."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """uvicorn's, but that a request which came whole is answered even if nothing more can come."""

    def eof_received(self) -> Any:
        """Keep the sender's end open for the answers it waits for; true if there are any."""
        waiting = [cycle for cycle, _ in self.pipeline]
        if self.cycle is not None and not self.cycle.response_complete and self.cycle not in waiting:
            waiting.insert(0, self.cycle)
        if not waiting or self.config.is_ssl:
            return None
        newest = waiting[0] if len(waiting) == 1 else self.pipeline[0][0]
        if newest.more_body:
            return None
        newest.keep_alive = False
        return True
