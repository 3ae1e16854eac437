"""From the spool into the store: every segment in order, exactly once, however often it has to be tried."""

import logging
import threading
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.lane import Lane, Stopped
from thinkmeter.collector.merges import Merges
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.quarantine import Quarantine
from thinkmeter.collector.record import Contents, sizes
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import Segment
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.errors import PermanentError, ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

WHOLE_BYTES: Final = 32 * 1024 * 1024
"""Up to this size a segment is one insert. A larger one is two, side by side: an insert keeps one core busy, and so
little of it is planning then that it may be done twice."""


class Writer:
    """Writes the segments of one signal, on a thread of its own, large ones on two."""

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
        self._quarantine = quarantine
        self._telemetry = telemetry
        self._stop = threading.Event()
        # a server's merges are its operator's
        self._merges = Merges() if address.embedded and signal is Signal.TRACES else None
        self._lane, self._beside = (Lane(signal, address, telemetry, privacy, self._stop) for _ in range(2))
        self._thread = threading.Thread(target=self._run, name=f"writer-{signal}", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why nothing can be written now; empty if it can."""
        return self._lane.problem or self._beside.problem

    def stop(self, timeout_s: float) -> None:
        """End after the inserts underway, or leave them behind after a time; the next start repeats them."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            # whatever is wrong with the store shows before the first segment
            self._lane.until_done(self._lane.connected)
            self._lane.until_done(self._look_at_merges)
            while not self._stop.is_set() and (segment := self._spool.take(self._signal)) is not None:
                self._write(segment)
                self._spool.remove(self._signal)
                self._lane.until_done(self._look_at_merges)
        except Stopped:
            log.info(
                "%s that the store has not taken stay in the spool",
                self._signal,
                extra=event("writer.stopped", signal=self._signal),
            )
        finally:
            self._let_merges_go_on()
            self._lane.close()
            self._beside.close()

    def _look_at_merges(self, beside: int = 0) -> None:
        if self._merges is not None:
            self._merges.look(self._spool.waits(self._signal) > beside, lambda: self._lane.connected()[0])

    def _let_merges_go_on(self) -> None:
        """At the end, where the store answers; the next writer begins with that in any case."""
        if self._merges is None or not self._merges.wait or not self._lane.is_open:
            return
        try:
            self._merges.look(False, lambda: self._lane.connected()[0])
        except (ClickHouseError, ThinkmeterError, OSError) as error:
            why = reason(error)
            log.warning(
                "merges of spans wait until a collector starts again, as the store does not answer: %s",
                why,
                extra=event("writer.merges_left", signal=self._signal, reason=why),
            )

    # --- one segment ----------------------------------------------------------------------------------

    def _write(self, segment: Segment) -> None:
        contents = self._lane.until_done(segment.read)
        for number, stretch in enumerate(contents.damaged):
            self._keep_damaged(stretch, f"{segment.segment_id}/damaged-{number}")
        if contents.frames:
            middle = _middle(contents.frames)
            if middle:
                self._insert_halves(segment.segment_id, contents, middle)
            else:
                self._insert(self._lane, segment.segment_id, contents, 0, len(contents.frames))
            self._telemetry.segments_written.labels(self._signal).inc()

    def _insert_halves(self, segment_id: str, contents: Contents, middle: int) -> None:
        failures: list[BaseException] = []

        def second_half() -> None:
            try:
                self._insert(self._beside, segment_id, contents, middle, len(contents.frames))
            except BaseException as error:  # noqa: BLE001  # raised below, by the writer's own thread
                failures.append(error)

        beside = threading.Thread(target=second_half, name=f"writer-{self._signal}-beside", daemon=True)
        beside.start()
        try:
            self._insert(self._lane, segment_id, contents, 0, middle)
        finally:
            beside.join()
        if failures:
            raise failures[0]

    def _insert(
        self, lane: Lane, segment_id: str, contents: Contents, first: int, end: int, narrowing: bool = False
    ) -> None:
        """Insert frames [first, end). Those that the store refuses are found by halving and go their own way.

        Tokens follow from the segment alone, so that after a crash in the middle the same inserts are repeated under
        the same tokens.
        """
        token = segment_id if end - first == len(contents.frames) else f"{segment_id}/{first}-{end}"
        frames = contents.frames[first:end]

        def insert(client: Client, insertion: Insertion) -> None:
            if lane is self._lane:  # at every try, so that they never wait for one that fails again and again
                self._look_at_merges(beside=1)
            insertion.insert_segment(client, self._signal, frames, token)

        try:
            lane.insert(insert)
        except PermanentError as refused:
            if not narrowing:
                log.warning(
                    "the store refuses segment %s as a whole: %s",
                    token,
                    refused,
                    extra=event("writer.segment_split", signal=self._signal, segment=token, reason=str(refused)),
                )
                self._telemetry.segments_split.labels(self._signal).inc()
        else:
            self._telemetry.written.labels(self._signal).inc(sum(contents.items[first:end]))
            return
        if end - first == 1:
            frame = lane.until_done(lambda: contents.frames[first])
            self._insert_alone(lane, frame, contents.items[first], f"{segment_id}/{first}")
        else:
            middle = (first + end) // 2
            self._insert(lane, segment_id, contents, first, middle, narrowing=True)
            self._insert(lane, segment_id, contents, middle, end, narrowing=True)

    def _insert_alone(self, lane: Lane, frame: bytes, items: int, token: str) -> None:
        try:
            lane.insert(lambda client, insertion: insertion.insert_frame(client, self._signal, frame, token))
        except PermanentError as refused:
            why = str(refused)
            lane.until_done(lambda: self._quarantine.put_request(self._signal, frame, token, why))
        else:
            self._telemetry.written.labels(self._signal).inc(items)
            self._telemetry.decoded_apart.labels(self._signal).inc(items)

    def _keep_damaged(self, stretch: bytes, token: str) -> None:
        self._lane.until_done(lambda: self._quarantine.put_damaged(self._signal, stretch, token))


def _middle(frames: Sequence[bytes]) -> int:
    """Before which frame a segment is cut in two of about equal size; 0 for one that stays whole."""
    ends = list(accumulate(sizes(frames)))
    if ends[-1] <= WHOLE_BYTES or len(frames) == 1:
        return 0
    return max(1, sum(end <= ends[-1] / 2 for end in ends))
