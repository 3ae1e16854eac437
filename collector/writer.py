"""From the spool into the store: every segment in order, exactly once, however often it has to be tried."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.client import Client

from thinkmeter.collector.insertion import Insertion, install
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.quarantine import Quarantine
from thinkmeter.collector.record import Contents
from thinkmeter.collector.segment import Signal, closing
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import Segment
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.errors import PermanentError, RetryableError, ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0
COMPLAINT_INTERVAL_S = 60.0
T = TypeVar("T")

_installing = threading.Lock()


class _Stopped(Exception):
    """The writer is to end; what it has not written stays in the spool, and so do the tokens."""


class Writer:
    """Writes the segments of one signal, on a thread of its own.

    Attributes:
        problem: why nothing can be written now; empty if it can.
    """

    def __init__(
        self,
        signal: Signal,
        spool: Spool,
        address: StoreAddress,
        quarantine: Quarantine,
        telemetry: Telemetry,
        privacy: Privacy = NOTHING_KEPT,
    ) -> None:
        """Begin to write; the store may come later."""
        self._signal = signal
        self._spool = spool
        self._address = address
        self._quarantine = quarantine
        self._telemetry = telemetry
        self._privacy = privacy
        self._store: tuple[Client, Insertion] | None = None
        self._stop = threading.Event()
        self._next_complaint_s = 0.0
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name=f"writer-{signal}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the insert underway, or leave it behind after a time; it can be repeated at the next start."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._until_done(self._connected)  # whatever is wrong with the store shows before the first segment
            while not self._stop.is_set() and (segment := self._spool.take(self._signal)) is not None:
                self._write(segment)
                self._spool.remove(self._signal)
        except _Stopped:
            log.info(
                "%s that the store has not taken stay in the spool",
                self._signal,
                extra=event("writer.stopped", signal=self._signal),
            )
        finally:
            self._disconnect()

    # --- one segment ----------------------------------------------------------------------------------

    def _write(self, segment: Segment) -> None:
        contents = self._until_done(segment.read)
        for number, stretch in enumerate(contents.damaged):
            self._keep_damaged(stretch, f"{segment.segment_id}/damaged-{number}")
        if contents.frames:
            self._insert(segment.segment_id, contents, 0, len(contents.frames))
            self._telemetry.segments_written.labels(self._signal).inc()

    def _insert(self, segment_id: str, contents: Contents, first: int, end: int) -> None:
        """Insert frames [first, end). Those that the store refuses are found by halving and go their own way.

        Tokens follow from the segment alone, so that after a crash in the middle the same inserts are repeated under
        the same tokens.
        """
        whole = end - first == len(contents.frames)
        token = segment_id if whole else f"{segment_id}/{first}-{end}"
        data = b"".join(contents.frames[first:end]) + closing(token)
        try:
            self._in_store(lambda client, insertion: insertion.insert_segment(client, self._signal, data, token))
        except PermanentError as refused:
            if whole:
                log.warning(
                    "the store refuses segment %s as a whole: %s",
                    segment_id,
                    refused,
                    extra=event("writer.segment_split", signal=self._signal, segment=segment_id, reason=str(refused)),
                )
                self._telemetry.segments_split.labels(self._signal).inc()
        else:
            self._telemetry.written.labels(self._signal).inc(sum(contents.items[first:end]))
            return
        if end - first == 1:
            self._insert_alone(contents.frames[first], contents.items[first], f"{segment_id}/{first}")
        else:
            middle = (first + end) // 2
            self._insert(segment_id, contents, first, middle)
            self._insert(segment_id, contents, middle, end)

    def _insert_alone(self, frame: bytes, items: int, token: str) -> None:
        try:
            self._in_store(lambda client, insertion: insertion.insert_frame(client, self._signal, frame, token))
        except PermanentError as refused:
            self._keep_refused(frame, token, str(refused))
        else:
            self._telemetry.written.labels(self._signal).inc(items)
            self._telemetry.decoded_apart.labels(self._signal).inc(items)

    def _keep_refused(self, frame: bytes, token: str, reason: str) -> None:
        self._until_done(lambda: self._quarantine.put_request(self._signal, frame, token, reason))

    def _keep_damaged(self, stretch: bytes, token: str) -> None:
        self._until_done(lambda: self._quarantine.put_damaged(self._signal, stretch, token))

    # --- trying until it works ------------------------------------------------------------------------

    def _in_store(self, insert: Callable[[Client, Insertion], None]) -> None:
        def attempt() -> None:
            client, insertion = self._connected()
            started_s = time.monotonic()
            insert(client, insertion)
            self._telemetry.insert_s.observe(time.monotonic() - started_s)

        self._until_done(attempt)

    def _until_done(self, work: Callable[[], T]) -> T:
        """Do the work, again and again while it fails in a way that may pass.

        Raises:
            PermanentError: the work was refused for good.
            _Stopped: the writer is to end.
        """
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                done = work()
            except PermanentError:
                self._recovered()
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, the segment is safe and is tried again
                self._failed(error)
            else:
                self._recovered()
                return done
            if self._stop.wait(pause_s):
                raise _Stopped
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _failed(self, error: Exception) -> None:
        self._telemetry.store_failures.labels(self._signal).inc()
        self._disconnect()
        self.problem = reason(error)
        if time.monotonic() >= self._next_complaint_s:
            self._next_complaint_s = time.monotonic() + COMPLAINT_INTERVAL_S
            expected = isinstance(error, ThinkmeterError | OSError)
            log.warning(
                "%s wait in the spool: %s",
                self._signal,
                self.problem,
                exc_info=not expected,
                extra=event("writer.waiting", signal=self._signal, reason=self.problem),
            )

    def _recovered(self) -> None:
        if self.problem:
            log.warning(
                "%s go into the store again", self._signal, extra=event("writer.recovered", signal=self._signal)
            )
        self.problem = ""
        self._next_complaint_s = 0.0

    def _connected(self) -> tuple[Client, Insertion]:
        if self._store is None:
            client = connect(self._address)
            try:
                with _installing:
                    self._store = client, install(client, self._address.embedded, self._privacy)
            except PermanentError as error:
                # Of the store, not of any segment.
                raise RetryableError(f"the store cannot take segments: {error}") from error
            finally:
                if self._store is None:
                    client.close()
        return self._store

    def _disconnect(self) -> None:
        if self._store is not None:
            self._store[0].close()
            self._store = None
