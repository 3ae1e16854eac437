"""From the spool into the store: every segment exactly once, however often it has to be tried."""

import logging
import os
import threading
import time
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.lane import Lane, Stopped
from thinkmeter.collector.merges import Merges
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.quarantine import Quarantine
from thinkmeter.collector.record import Contents
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import Segment
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.errors import PermanentError, ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

LANES: Final = {Signal.TRACES: min(4, max(2, os.cpu_count() or 1)), Signal.LOGS: 1}
"""How many segments are inserted at a time, each by one core; more than one only as far as that one is behind."""


class Writer:
    """Writes the segments of one signal, on threads of its own."""

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
        self._lanes = [Lane(signal, address, telemetry, privacy, self._stop) for _ in range(LANES[signal])]
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"writer-{signal}-{number}", daemon=True)
            for number, lane in enumerate(self._lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def problem(self) -> str:
        """Why nothing can be written now; empty if it can."""
        return next((lane.problem for lane in self._lanes if lane.problem), "")

    def stop(self, timeout_s: float) -> None:
        """End after the inserts underway, or leave them behind after a time; the next start repeats them."""
        self._stop.set()
        end_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _run(self, lane: Lane) -> None:
        try:
            # whatever is wrong with the store shows before the first segment
            lane.until_done(lane.connected)
            lane.until_done(lambda: self._look_at_merges(lane))
            while not self._stop.is_set() and (segment := self._spool.take(self._signal)) is not None:
                self._write(lane, segment)
                self._spool.remove(self._signal, segment)
                lane.until_done(lambda: self._look_at_merges(lane))
        except Stopped:
            log.info(
                "%s that the store has not taken stay in the spool",
                self._signal,
                extra=event("writer.stopped", signal=self._signal),
            )
        finally:
            self._let_merges_go_on(lane)
            lane.close()

    def _look_at_merges(self, lane: Lane) -> None:
        if self._merges is not None:
            behind, underway = self._spool.is_behind(self._signal), self._spool.underway(self._signal) > 0
            self._merges.look(behind, underway, lambda: lane.connected()[0])

    def _let_merges_go_on(self, lane: Lane) -> None:
        """At the end, where the store answers; the next writer begins with that in any case."""
        if self._merges is None or not self._merges.wait or not lane.is_open:
            return
        try:
            self._merges.look(False, False, lambda: lane.connected()[0])
        except (ClickHouseError, ThinkmeterError, OSError) as error:
            why = reason(error)
            log.warning(
                "merges of spans wait until a collector starts again, as the store does not answer: %s",
                why,
                extra=event("writer.merges_left", signal=self._signal, reason=why),
            )

    # --- one segment ----------------------------------------------------------------------------------

    def _write(self, lane: Lane, segment: Segment) -> None:
        if segment.ended_s is None and self._insert_growing(lane, segment):
            return
        contents = lane.until_done(segment.read)
        for number, stretch in enumerate(contents.damaged):
            self._keep_damaged(lane, stretch, f"{segment.segment_id}/damaged-{number}")
        if contents.frames:
            self._insert(lane, segment.segment_id, contents, 0, len(contents.frames))
            self._telemetry.segments_written.labels(self._signal).inc()

    def _insert_growing(self, lane: Lane, segment: Segment) -> bool:
        """Insert a segment as it grows; whether it is in. If not, something in it is refused, and it has ended."""

        def insert(client: Client, insertion: Insertion) -> None:
            self._look_at_merges(lane)
            insertion.insert_growing(client, self._signal, self._spool.growing(segment), segment.segment_id)

        try:
            lane.insert(insert, lambda: segment.ended_s or 0.0)
        except PermanentError:
            self._spool.wait_for_end(segment)
            return False
        if segment.size:
            self._telemetry.written.labels(self._signal).inc(sum(segment.items))
            self._telemetry.segments_written.labels(self._signal).inc()
        return True

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
            self._look_at_merges(lane)  # at every try, so that they never wait for one that fails again and again
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

    def _keep_damaged(self, lane: Lane, stretch: bytes, token: str) -> None:
        lane.until_done(lambda: self._quarantine.put_damaged(self._signal, stretch, token))
