"""HTTP bodies that the caller reads by itself (raw and streaming responses): read over the caller's shoulder."""

import functools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from thinkmeter.sdk.call import Call
from thinkmeter.sdk.health import contained

LONGEST: Final = 32 * 1024 * 1024
"""Bytes of an unstreamed body, or of one line of a stream, that are kept; more is passed on unread."""


class Reader:
    """Gathers what passes, as one JSON document or as a stream of them, and ends the call with it."""

    __slots__ = ("_buffer", "_call", "_started", "_streamed")

    def __init__(self, call: Call, *, streamed: bool) -> None:
        """Read a body of that kind for that call."""
        self._call = call
        self._streamed = streamed
        self._buffer = bytearray()
        self._started = False

    def begin(self) -> None:
        """Reading has begun: from now on its end is the end of the call, not the closing of the connection."""
        self._started = True

    def feed(self, data: bytes) -> None:
        """A piece of the decoded body."""
        with contained("reading a body"):
            if len(self._buffer) + len(data) > LONGEST:
                self._buffer.clear()
                self._streamed = True  # the rest of a document this long would not parse either
                return
            self._buffer += data
            if self._streamed:
                *lines, rest = self._buffer.split(b"\n")
                self._buffer = bytearray(rest)
                for line in lines:
                    self._line(line)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will pass."""
        with contained("reading a body"):
            if self._buffer and error is None:
                if self._streamed:
                    self._line(self._buffer)
                else:
                    self._call.whole(_document(self._buffer))
                self._buffer.clear()
        self._call.end(error)

    def closed(self) -> None:
        """The connection is closed: the end, unless a reader is still emptying its decoder."""
        if not self._started:
            self._call.end()

    def __del__(self) -> None:
        """The caller dropped the response."""
        self._call.end()

    def _line(self, line: bytes | bytearray) -> None:
        """One line: of an event stream, or a document by itself (Cohere, where JSON was asked for)."""
        field, _, value = line.partition(b":")
        value = line.strip() if line.startswith(b"{") else value.strip() if field == b"data" else b""
        if value.startswith(b"{"):
            document = _document(value)
            if document is not None:
                self._call.chunk(document)


class EventStream(Reader):
    """Amazon's binary streams: an event's name in its headers, its members in JSON."""

    __slots__ = ("_events",)

    def __init__(self, call: Call, *, streamed: bool) -> None:
        """Read a body of that kind for that call."""
        super().__init__(call, streamed=streamed)
        self._events: Any = None

    def feed(self, data: bytes) -> None:
        """A piece of the body."""
        if not self._streamed:
            super().feed(data)
            return
        with contained("reading a body"):
            if self._events is None:
                from botocore.eventstream import EventStreamBuffer  # there, as the request was signed with it

                self._events = EventStreamBuffer()
            self._events.add_data(data)
            for event in self._events:
                members = _document(event.payload)
                if members is not None:
                    self._call.chunk({event.headers.get(":event-type"): members})


def watch(response: Any, call: Call, *, streamed: bool, reader: type[Reader] = Reader) -> None:
    """End the call with what that HTTP response says, now if it was read already, else as the caller reads it."""
    if not streamed and hasattr(response, "_content"):
        call.whole(_document(response.content))
        call.end()
        return
    response._thinkmeter_reader = reader(call, streamed=streamed)
    kind: Any = type(response)
    response.__class__ = _watched(kind)


@functools.cache
def _watched(kind: Any) -> type[Any]:
    """A subclass of an HTTP client's response class that lets a reader see what passes."""

    def iter_bytes(self: Any, chunk_size: int | None = None) -> Iterator[bytes]:
        reader: Reader = self._thinkmeter_reader
        reader.begin()
        try:
            for data in kind.iter_bytes(self, chunk_size):
                reader.feed(data)
                yield data
        except GeneratorExit:
            reader.end()
            raise
        except BaseException as error:
            reader.end(error)
            raise
        reader.end()

    async def aiter_bytes(self: Any, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        reader: Reader = self._thinkmeter_reader
        reader.begin()
        try:
            async for data in kind.aiter_bytes(self, chunk_size):
                reader.feed(data)
                yield data
        except GeneratorExit:
            reader.end()
            raise
        except BaseException as error:
            reader.end(error)
            raise
        reader.end()

    def close(self: Any) -> None:
        kind.close(self)
        self._thinkmeter_reader.closed()

    async def aclose(self: Any) -> None:
        await kind.aclose(self)
        self._thinkmeter_reader.closed()

    overridden = {"iter_bytes": iter_bytes, "aiter_bytes": aiter_bytes, "close": close, "aclose": aclose}
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, **overridden})


def _document(data: bytes | bytearray) -> dict[str, Any] | None:
    """A JSON object; None for anything else, as gateways answer with pages of their own."""
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
