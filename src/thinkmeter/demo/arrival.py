"""Waits for what was sent to be stored, priced and queryable."""

import dataclasses
import datetime as dt
import time
from typing import Final

from thinkmeter.demo.plan import PlannedRequest
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.statement import statement

STALLED_S: Final = 60.0
"""So long without anything new is a failure."""
POLL_S: Final = 0.2


@dataclasses.dataclass(slots=True)
class Tally:
    """How much was sent."""

    requests: int = 0
    calls: int = 0
    verdicts: int = 0
    labels: int = 0

    def add(self, request: PlannedRequest) -> None:
        """Count one request and all that belongs to it."""
        self.requests += 1
        self.calls += sum(len(attempt.calls) for attempt in request.attempts)
        self.verdicts += sum(attempt.verdict is not None for attempt in request.attempts)
        self.labels += len(request.labels)


def wait_until_queryable(address: StoreAddress, prefix: str, until: dt.datetime, sent: Tally) -> None:
    """Wait until all that was sent of the history can be queried.

    Args:
        address: of the store.
        prefix: what the ids of the history's requests begin with.
        until: when the history is over.
        sent: what to wait for.

    Raises:
        ThinkmeterError: for a minute nothing more of it has arrived.
    """
    wanted = (sent.calls, sent.verdicts, sent.labels)
    found, since = (-1, -1, -1), time.monotonic()
    with connect(address, read_only=True) as client:
        while found != wanted:
            begun = time.monotonic()
            rows = client.query(
                statement("thinkmeter.demo", "arrived"), parameters={"prefix": prefix, "until": until}
            ).result_rows
            if (now := tuple(rows[0])) != found:
                found, since = now, time.monotonic()
            elif time.monotonic() - since > STALLED_S:
                raise ThinkmeterError(
                    f"of {wanted[0]} calls, {wanted[1]} verdicts and {wanted[2]} labels that the demo sent, "
                    f"{found[0]}, {found[1]} and {found[2]} can be queried, and no more have come for {STALLED_S:.0f} s"
                )
            else:
                time.sleep(max(POLL_S, time.monotonic() - begun))
