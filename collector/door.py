"""The door: whatever comes in, over HTTP or gRPC, is checked here, so that what is acknowledged can be stored."""

import dataclasses
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final

from thinkmeter.collector.compression import decompress
from thinkmeter.collector.export import Export, Limits
from thinkmeter.collector.keys import Keys
from thinkmeter.collector.otlp import protobuf_from_json
from thinkmeter.collector.refusal import Deferred, Reason, Refused
from thinkmeter.collector.segment import frame
from thinkmeter.collector.settings import CollectorSettings, Scope
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.telemetry import Telemetry

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"


@dataclasses.dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request.

    Attributes:
        accepted: items that will be stored.
        rejected: items that will not be, by reason.
        stored: done once the accepted ones are on disk, and only then may they be acknowledged; its exception is a
            Deferred. None if there are none.
    """

    accepted: int
    rejected: Mapping[Reason, int]
    stored: Future[None] | None


class Room:
    """Bytes that one request holds in memory, out of what all may hold together."""

    def __init__(self, door: "Door") -> None:
        """Hold nothing yet."""
        self._door = door
        self.held = 0

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            Deferred: all requests together hold too much.
        """
        self._door.hold(size)
        self.held += size


class Door:
    """Takes export requests; any thread may call it."""

    def __init__(self, keys: Keys, spool: Spool, settings: CollectorSettings, telemetry: Telemetry) -> None:
        """Put a door in front of a spool."""
        self._keys = keys
        self._spool = spool
        self._settings = settings
        self._telemetry = telemetry
        self._limits = Limits(settings.max_attributes, settings.max_attribute_bytes)
        self._lock = threading.Lock()
        self._held = 0

    def admit(self, name: str, authorization: str | None, api_key: str | None, *scopes: Scope) -> str:
        """The project of a sender, before anything of its request is read.

        Args:
            name: of the export or endpoint, for the counters.
            authorization: the header `Authorization`.
            api_key: the header `x-api-key`.
            scopes: what the sender wants to do; a key that may do one of these opens the door.

        Raises:
            Refused: the key is absent, unknown, or lacks the scope.
        """
        with self.counting(name):
            return self._keys.project(authorization, api_key, *scopes)

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Room in memory for one request, given back at the end of the block."""
        room = Room(self)
        try:
            yield room
        finally:
            self.hold(-room.held)

    def hold(self, size: int) -> None:
        """Count bytes in memory; see `Room`.

        Raises:
            Deferred: all requests together hold too much.
        """
        with self._lock:
            if size > 0 and self._held + size > self._settings.max_inflight_bytes:
                raise Deferred(Reason.BUSY, "too many requests at once")
            self._held += size

    def accept(
        self, export: Export, body: bytes, content_type: str, encoding: str, project: str, room: Room
    ) -> Receipt:
        """Check a request and hand it to the spool.

        Args:
            export: which one it is.
            body: as received.
            content_type: the header `Content-Type`; decides between protobuf and JSON.
            encoding: the header `Content-Encoding`.
            project: of the sender, from `admit`.
            room: to be given back once the receipt's future is done.

        Raises:
            Refused: the request is malformed, too large, or of a type or encoding that is not spoken here.
            Deferred: the memory, the spool or the disk is full.
        """
        with self.counting(export.name):
            limits = self._settings
            plain = decompress(body, encoding, limits.max_decompressed_bytes, limits.max_compression_ratio)
            if plain is not body:
                room.take(len(plain))
            if media_type(content_type) == JSON:
                plain = protobuf_from_json(plain, export.request)
            return self._keep(export, plain, project)

    @contextmanager
    def counting(self, name: str) -> Iterator[None]:
        """Count a request that is refused or put off within the block."""
        try:
            yield
        except (Refused, Deferred) as refusal:
            self._telemetry.refused.labels(name, refusal.reason).inc()
            raise

    def _keep(self, export: Export, body: bytes, project: str) -> Receipt:
        checked = export.check(body, self._limits)
        self._telemetry.received.labels(export.name).inc(checked.items + sum(checked.rejected.values()))
        for reason, number in checked.rejected.items():
            self._telemetry.rejected.labels(export.name, reason).inc(number)
        for kind, number in checked.odd.items():
            self._telemetry.odd.labels(export.name, kind).inc(number)
        if export.signal is None or not checked.items:
            return Receipt(0, checked.rejected, None)
        framed = frame(checked.body, project, time.time_ns())
        stored = self._spool.append(export.signal, framed, checked.items)
        stored.add_done_callback(lambda done: self._count(export.name, checked.items, done))
        return Receipt(checked.items, checked.rejected, stored)

    def _count(self, name: str, accepted: int, stored: Future[None]) -> None:
        failure = stored.exception()
        if failure is None:
            self._telemetry.accepted.labels(name).inc(accepted)
        elif isinstance(failure, Deferred):
            self._telemetry.refused.labels(name, failure.reason).inc()


def media_type(content_type: str) -> str:
    """`application/x-protobuf` or `application/json`.

    Raises:
        Refused: the header names another.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media in (PROTOBUF, "application/protobuf"):
        return PROTOBUF
    if media != JSON:
        raise Refused(Reason.UNSUPPORTED_TYPE, f"Content-Type {content_type!r} is neither {PROTOBUF} nor {JSON}")
    return JSON
