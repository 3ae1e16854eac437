"""The spool: what was accepted, on disk, until the store has it.

One thread writes. Requests that arrive while it waits for the disk share the next fsync, and each is answered
after its own. A file is a segment: it holds one signal, is only ever appended to, and once closed never changes,
so that its name can be the token under which the store takes it once.
"""

import logging
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
from thinkmeter.collector.spool_files import Append, OpenFile, Segment, left_segments, sync_directory, take_hold
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

FULL_RETRY_S = 10.0
LARGE_BYTES = 12 * 1024 * 1024
"""A segment that has grown to this is worth an insert, however young it is."""
BESIDE = 3
"""How many times as large or old it has to be for one beside another: both take longer then, and each is planned."""
PAUSE_AGES, GAP_AGES = 0.5, 0.1
"""After a pause of so many ages of a segment the first one waits for company only until nothing came for so many."""
WORTH_BYTES = 3 * 1024 * 1024
"""So does what has grown to this, the rest of a burst: planning it takes no longer than reading it."""
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
        self._open: dict[Signal, OpenFile] = {}
        self._closed: dict[Signal, deque[Segment]] = {signal: deque() for signal in Signal}
        self._taken: dict[Signal, list[Segment]] = {signal: [] for signal in Signal}
        self._hungry = dict.fromkeys(Signal, 0)
        self._stopping = False
        self._next_complaint_s = 0.0
        self._bytes = 0
        self._removed_s = dict.fromkeys(Signal, time.monotonic())
        for signal, segment in left_segments(directory):
            self._closed[signal].append(segment)
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

        It stays in the spool until it is removed. Several may take at once, each another.
        """
        hungry = False
        with self._changed:
            try:
                while not self._closed[signal]:
                    if self._stopping and not self._thread.is_alive():
                        return None
                    if not hungry:  # told once: takers that told each other on every waking would never rest
                        self._hungry[signal] += 1
                        hungry = True
                        self._changed.notify_all()
                    self._changed.wait()
                segment = self._closed[signal].popleft()
                self._taken[signal].append(segment)
                return segment
            finally:
                self._hungry[signal] -= hungry

    def waits(self, signal: Signal) -> int:
        """How many segments wait that will grow no more, and that nobody took."""
        return len(self._closed[signal])

    def underway(self, signal: Signal) -> int:
        """How many were taken and not removed."""
        return len(self._taken[signal])

    def remove(self, signal: Signal, segment: Segment) -> None:
        """Delete a segment that was taken, and that the store has."""
        with self._changed:
            self._taken[signal].remove(segment)
            self._bytes -= segment.size
            self._removed_s[signal] = time.monotonic()
            self._changed.notify_all()
        try:
            segment.path.unlink()
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
                lambda: not self._pending and not self._open and not any(map(self._held, Signal)), timeout_s
            )

    def lag_s(self, signal: Signal) -> float:
        """Age of the oldest request that the store does not have, in seconds; 0 if it has all."""
        with self._changed:
            return self._lag_s(signal)

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
        limit_s, lag_s = self._settings.max_spool_age_s, self._lag_s(signal)
        idle_s = min(lag_s, time.monotonic() - self._removed_s[signal])
        if idle_s > limit_s:
            raise Deferred(
                Reason.SPOOL_OLD,
                f"the store has taken nothing for {idle_s:.0f} s, longer than the {limit_s:.0f} s of"
                " collector.max_spool_age_s; what is in the spool is kept",
                FULL_RETRY_S,
            )

    def _lag_s(self, signal: Signal) -> float:
        opened = [segment.opened_s for segment in [*self._taken[signal], *list(self._closed[signal])[:1]]]
        if signal in self._open:
            opened.append(self._open[signal].opened_s)
        return time.monotonic() - min(opened) if opened else 0.0

    def _held(self, signal: Signal) -> int:
        """How many segments the store may not have, the one that grows left out."""
        return len(self._closed[signal]) + len(self._taken[signal])

    # --- the writing thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._pending and not self._stopping and not self._ripe():
                    self._changed.wait(self._ripe_in_s())
                batch, self._pending = self._pending, []
                stopping = self._stopping
            for signal in Signal:
                appends = [append for append in batch if append.signal is signal]
                if appends:
                    self._commit(signal, appends)
            for signal in list(self._open) if stopping else self._ripe():
                self._hand_over(signal)
            if stopping:
                return

    def _ripe(self) -> list[Signal]:
        # Only while the writer waits: as long as it is busy, or the store is away, the file had better grow.
        return [s for s in self._open if self._hungry[s] and self._remaining_s(s) <= 0]

    def _ripe_in_s(self) -> float | None:
        remaining = [self._remaining_s(s) for s in self._open if self._hungry[s]]
        return max(0.0, min(remaining)) if remaining else None

    def _remaining_s(self, signal: Signal) -> float:
        file, age_s = self._open[signal], self._settings.segment_age_s
        beside = BESIDE if self._taken[signal] else 1
        if file.size >= beside * LARGE_BYTES:
            return 0.0
        due_s = file.opened_s + beside * age_s
        after_pause = beside == 1 and file.opened_s - self._removed_s[signal] >= PAUSE_AGES * age_s
        if after_pause or file.size >= beside * WORTH_BYTES:
            due_s = min(due_s, file.written_s + GAP_AGES * age_s)
        return due_s - time.monotonic()

    def _commit(self, signal: Signal, appends: Sequence[Append]) -> None:
        waiting = deque(appends)
        try:
            while waiting:
                file = self._open.get(signal) or self._create(signal)
                while waiting and self._has_room(file, waiting[0]):
                    file.write(waiting[0])
                    waiting.popleft()
                self._sync(file)
                if waiting or file.items >= self._settings.segment_spans or file.size >= self._settings.segment_bytes:
                    self._hand_over(signal)
        except Exception as error:  # noqa: BLE001  # whatever it is, the senders must not wait for ever
            unsynced = self._cut(signal)
            self._put_off([*unsynced, *waiting], error)

    def _has_room(self, file: OpenFile, append: Append) -> bool:
        return file.size == 0 or (
            file.items + append.items <= self._settings.segment_spans
            and file.size + append.size <= self._settings.segment_bytes
        )

    def _create(self, signal: Signal) -> OpenFile:
        file = OpenFile.create(self._directory, signal)
        with self._changed:
            self._open[signal] = file
        sync_directory(self._directory)
        return file

    def _sync(self, file: OpenFile) -> None:
        if file.synced == file.size:
            return
        started_s = time.monotonic()
        done = file.sync()
        self._telemetry.fsync_s.observe(time.monotonic() - started_s)
        for append in done:
            append.done.set_result(None)

    def _hand_over(self, signal: Signal) -> None:
        with self._changed:
            file = self._open.pop(signal)
            if file.synced:
                self._closed[signal].append(file.as_segment())
            self._changed.notify_all()
        file.close()

    def _cut(self, signal: Signal) -> list[Append]:
        """End the open file where it was last safe; the appends that are not in it."""
        file = self._open.get(signal)
        if file is None:
            return []
        unsynced = file.cut()
        self._hand_over(signal)
        return unsynced

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
