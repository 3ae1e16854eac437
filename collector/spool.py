"""The spool: what was accepted, on disk, until the store has it.

One thread writes. Requests that arrive while it waits for the disk share the next fsync, and each is answered
after its own. A file is a segment: it holds one signal, is only ever appended to, and once closed never changes,
so that its name can be the token under which the store takes it once.
"""

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from thinkmeter.collector.refusal import Deferred, Reason
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool_files import Append, GrowingFrames, OpenFile, Segment, left_segments, take_hold
from thinkmeter.collector.spool_queue import SignalQueue
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

FULL_RETRY_S = 10.0
COMPLAINT_INTERVAL_S = 60.0


class Spool:
    """Segments of a directory, those that an earlier process left included."""

    def __init__(self, directory: Path, settings: CollectorSettings, telemetry: Telemetry) -> None:
        """Take hold of the directory and begin to write.

        Raises:
            ThinkmeterError: the directory cannot be used, or another collector uses it.
        """
        self._directory = directory
        self._settings = settings
        self._telemetry = telemetry
        self._lock_file = take_hold(directory)
        self._changed = threading.Condition()
        self._pending: list[Append] = []
        self._queues = {signal: SignalQueue(directory, signal, settings.segment_age_s) for signal in Signal}
        self._stopping = False
        self._next_complaint_s = 0.0
        self._bytes = 0
        for signal, segment in left_segments(directory):
            self._queues[signal].add(segment)
            self._bytes += segment.size
        telemetry.spool_bytes.set_function(lambda: self._bytes)
        for signal in Signal:
            telemetry.spool_segments.labels(signal).set_function(partial(self._held, signal))
            telemetry.lag_s.labels(signal).set_function(partial(self.lag_s, signal))
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def append(self, signal: Signal, frame: bytes, items: int) -> Future[None]:
        """Put a frame on disk; the future is done once it is there.

        The future's exception, if any, is a Deferred: nothing of the frame was kept.

        Raises:
            Deferred: the spool or the disk is full, the store has taken nothing for too long, or the collector stops.
        """
        append = Append(signal, frame, items, Future())
        append.done.set_running_or_notify_cancel()  # a sender that hangs up cannot take it back
        with self._changed:
            if self._stopping:
                raise Deferred(Reason.STOPPING, "the collector is stopping")
            try:
                self._refuse_if_full(append.size)
                self._refuse_if_old(signal)
            except Deferred as refusal:
                self._complain("requests are put off", "spool.puts_off", str(refusal), signal=signal)
                raise
            self._bytes += append.size
            self._pending.append(append)
            self._changed.notify_all()
        return append.done

    def take(self, signal: Signal) -> Segment | None:
        """The oldest segment that nobody took; blocks until there is one. None once the spool is closed and holds none.

        It may still grow, and after a large one it may be one into which nothing came yet, and perhaps never does. It
        stays in the spool until it is removed. Several may take at once, each another.
        """
        queue, hungry = self._queues[signal], False
        with self._changed:
            try:
                while (segment := queue.take(may_begin=not self._stopping)) is None:
                    if self._stopping and not self._thread.is_alive():
                        return None
                    if not hungry:  # told once: takers that told each other on every waking would never rest
                        queue.hungry += 1
                        hungry = True
                        self._changed.notify_all()
                    self._changed.wait()
                return segment
            finally:
                queue.hungry -= hungry

    def growing(self, segment: Segment) -> GrowingFrames:
        """The frames of a segment that grows."""
        return GrowingFrames(segment, self._wait_for_more)

    def wait_for_end(self, segment: Segment) -> None:
        """Wait until a segment has grown as far as it will."""
        while self._wait_for_more(segment, len(segment.places)):
            pass

    def is_behind(self, signal: Signal) -> bool:
        """Whether more comes than is read."""
        with self._changed:
            return self._queues[signal].is_behind

    def underway(self, signal: Signal) -> int:
        """How many were taken and not removed, those left out that hold nothing."""
        with self._changed:
            return self._queues[signal].underway

    def remove(self, signal: Signal, segment: Segment) -> None:
        """Delete a segment that was taken, and that the store has."""
        with self._changed:
            self._queues[signal].remove(segment)
            self._bytes -= segment.size
            self._changed.notify_all()
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            # It will be sent again at the next start, under the same token.
            log.warning(
                "the segment %s is stored but cannot be deleted: %s",
                segment.path,
                error.strerror,
                extra=event("spool.undeleted", file=segment.path.name, reason=error.strerror),
            )

    def close(self) -> None:
        """Refuse what comes from now on, put what is underway on disk, and hand over every segment."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            self._changed.notify_all()
        self._lock_file.close()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until the store has everything; whether it does."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._pending and all(queue.is_empty for queue in self._queues.values()), timeout_s
            )

    def lag_s(self, signal: Signal) -> float:
        """Age of the oldest request that the store does not have, in seconds; 0 if it has all."""
        with self._changed:
            return self._queues[signal].lag_s

    @property
    def waiting_bytes(self) -> int:
        """On disk, or about to be."""
        return self._bytes

    def refusal(self) -> str:
        """Why a request would be put off now; empty if it would not."""
        with self._changed:
            try:
                self._refuse_if_full(0)
                for signal in Signal:
                    self._refuse_if_old(signal)
            except Deferred as full:
                return str(full)
        return ""

    def _refuse_if_full(self, size: int) -> None:
        if self._bytes + size > self._settings.max_spool_bytes:
            raise Deferred(
                Reason.SPOOL_FULL,
                f"the spool is full: {self._bytes} of {self._settings.max_spool_bytes} bytes wait for the store",
                FULL_RETRY_S,
            )
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize
        reserve = self._settings.min_free_disk_bytes
        if free < reserve + size:
            problem = f"the disk of the spool is full: {free} bytes are free, {reserve} of them for the store"
            raise Deferred(Reason.DISK, problem, FULL_RETRY_S)

    def _refuse_if_old(self, signal: Signal) -> None:
        # What an earlier run left counts from the start of this one: how old it is, a clock says that may have jumped.
        limit_s, idle_s = self._settings.max_spool_age_s, self._queues[signal].idle_s
        if idle_s > limit_s:
            raise Deferred(
                Reason.SPOOL_OLD,
                f"the store has taken nothing for {idle_s:.0f} s, longer than the {limit_s:.0f} s of"
                " collector.max_spool_age_s; what is in the spool is kept",
                FULL_RETRY_S,
            )

    def _held(self, signal: Signal) -> int:
        with self._changed:
            return self._queues[signal].held

    def _wait_for_more(self, segment: Segment, frames: int) -> bool:
        with self._changed:
            while len(segment.places) <= frames and segment.ended_s is None:
                if not segment.is_awaited:
                    segment.is_awaited = True
                    self._changed.notify_all()
                self._changed.wait()
            segment.is_awaited = False
        return len(segment.places) > frames

    # --- the writing thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._pending and not self._stopping and (ripe_in_s := self._ripe_in_s()) > 0:
                    self._changed.wait(ripe_in_s if ripe_in_s < math.inf else None)
                batch, self._pending = self._pending, []
                stopping = self._stopping
            for signal in Signal:
                appends = [append for append in batch if append.signal is signal]
                if appends:
                    self._commit(signal, appends)
            for queue in self._queues.values():
                with self._changed:
                    ended = queue.growing if stopping else queue.ripe()
                for file in ended:
                    self._hand_over(queue, file)
            if stopping:
                return

    def _ripe_in_s(self) -> float:
        return min(queue.ripe_in_s() for queue in self._queues.values())

    def _commit(self, signal: Signal, appends: Sequence[Append]) -> None:
        queue, waiting = self._queues[signal], deque(appends)
        file = None
        try:
            while waiting:
                with self._changed:
                    file = queue.open_file()
                while waiting and self._has_room(file, waiting[0]):
                    file.write(waiting[0])
                    waiting.popleft()
                self._sync(file)
                if waiting or file.items >= self._settings.segment_spans or file.size >= self._settings.segment_bytes:
                    self._hand_over(queue, file)
                    file = None
        except Exception as error:  # noqa: BLE001  # whatever it is, the senders must not wait for ever
            unsynced = []
            if file is not None:
                unsynced = file.cut()
                self._hand_over(queue, file)
            self._put_off([*unsynced, *waiting], error)

    def _has_room(self, file: OpenFile, append: Append) -> bool:
        return file.size == 0 or (
            file.items + append.items <= self._settings.segment_spans
            and file.size + append.size <= self._settings.segment_bytes
        )

    def _sync(self, file: OpenFile) -> None:
        if file.segment.size == file.size:
            return
        started_s = time.monotonic()
        done = file.sync()
        self._telemetry.fsync_s.observe(time.monotonic() - started_s)
        with self._changed:
            self._changed.notify_all()
        for append in done:
            append.done.set_result(None)

    def _hand_over(self, queue: SignalQueue, file: OpenFile) -> None:
        with self._changed:
            queue.end(file)
            self._changed.notify_all()
        file.close()

    def _put_off(self, appends: Sequence[Append], error: Exception) -> None:
        why = reason(error)
        self._complain(f"the spool in {self._directory} cannot be written", "spool.unwritable", why)
        with self._changed:
            self._bytes -= sum(append.size for append in appends)
        for append in appends:
            append.done.set_exception(Deferred(Reason.DISK, f"the spool cannot be written: {why}", FULL_RETRY_S))

    def _complain(self, sentence: str, name: str, why: str, **fields: object) -> None:
        if time.monotonic() >= self._next_complaint_s:  # once, and not for every sender that tries again
            self._next_complaint_s = time.monotonic() + COMPLAINT_INTERVAL_S
            log.error("%s: %s", sentence, why, extra=event(name, reason=why, **fields))
