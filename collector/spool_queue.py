"""The segments of one signal, from their first request until the store has them: which grows, and how long.

The larger a segment is, the less its insert costs a span. So one grows while whoever took it reads, and ends once there
is nothing more to be read; and as long as nobody reads it grows on.
"""

import math
import time
from collections import deque
from pathlib import Path

from thinkmeter.collector.segment import Signal
from thinkmeter.collector.spool_files import OpenFile, Segment

ALONG_BYTES = 2 * 1024 * 1024
"""A segment that has grown to this is read as it grows; what is less takes the store longer to plan than to read."""
BEHIND_BYTES = 12 * 1024 * 1024
"""Once so many bytes of those that grow were not read, whoever waits gets another one beside them."""
PILE_BYTES = 2 * BEHIND_BYTES
"""Once so many bytes of all segments were not read, whatever can wait had better."""
AHEAD_S = 10.0
"""So long whoever took a segment ahead waits for the first that comes into it."""
PAUSE_AGES, GAP_AGES = 0.5, 0.1
"""After a pause of so many ages of a segment the first one waits for company only until nothing came for so many."""
WORTH_BYTES = 3 * 1024 * 1024
"""So does what has grown to this, a burst or its rest: planning it takes no longer than reading it."""
LASTING_BYTES, LASTING_AGES = 12 * 1024 * 1024, 2.0
"""What has grown to this without a gap lasts, and grows for so many ages: the fewer parts, the less is to be merged."""


class SignalQueue:
    """The segments of one signal; whoever calls holds the lock of the spool.

    Attributes:
        hungry: how many wait for one to take.
    """

    def __init__(self, directory: Path, signal: Signal, age_s: float) -> None:
        """Begin with none.

        Args:
            directory: where their files are.
            signal: what they carry.
            age_s: how old one grows while somebody waits for it.
        """
        self.hungry = 0
        self._directory = directory
        self._signal = signal
        self._age_s = age_s
        self._growing: list[OpenFile] = []
        self._closed: deque[Segment] = deque()
        self._taken: list[Segment] = []
        self._ahead = 0
        self._removed_s = time.monotonic()

    # --- what there is --------------------------------------------------------------------------------

    @property
    def growing(self) -> list[OpenFile]:
        """Those that still grow."""
        return [*self._growing]

    @property
    def held(self) -> int:
        """How many the store may not have, those that nobody took while they grow left out."""
        return len(self._closed) + self.underway

    @property
    def underway(self) -> int:
        """How many were taken and not removed, those left out that hold nothing."""
        return sum(segment.size > 0 for segment in self._taken)

    @property
    def is_behind(self) -> bool:
        """Whether more comes than is read."""
        unread = sum(file.unread for file in self._growing) + sum(segment.size for segment in self._closed)
        return unread >= PILE_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether the store has all that is in them."""
        return not self._opened()

    @property
    def lag_s(self) -> float:
        """Age of the oldest request that the store may not have, in seconds; 0 if it has all."""
        now_s = time.monotonic()
        return now_s - min(self._opened(), default=now_s)

    @property
    def idle_s(self) -> float:
        """How long the store has taken nothing although there was something, as far as this process has seen."""
        return min(self.lag_s, time.monotonic() - self._removed_s)

    def _opened(self) -> list[float]:
        """When those that hold something and that the store may not have were opened; of those that wait, the first."""
        growing = [file.segment for file in self._growing if file.size]
        taken = [segment for segment in self._taken if segment.size]
        return [segment.opened_s for segment in [*taken, *list(self._closed)[:1], *growing]]

    # --- whoever takes --------------------------------------------------------------------------------

    def take(self, may_begin: bool) -> Segment | None:
        """The oldest that nobody took, if it is worth an insert, or one ahead, into which nothing came yet.

        Args:
            may_begin: whether more may come.
        """
        segment = self._untaken(may_begin)
        if segment is not None:
            self._taken.append(segment)
        return segment

    def _untaken(self, may_begin: bool) -> Segment | None:
        if self._closed:
            return self._closed.popleft()
        for file in self._growing:
            if file.segment not in self._taken and (self._ahead or file.segment.size >= ALONG_BYTES):
                return file.segment
        if not self._ahead or not may_begin:
            return None
        self._ahead -= 1
        return self._begun().segment

    def remove(self, segment: Segment) -> None:
        """The store has it."""
        self._taken.remove(segment)
        self._removed_s = time.monotonic()

    # --- whoever writes -------------------------------------------------------------------------------

    def add(self, segment: Segment) -> None:
        """One that an earlier process left."""
        self._closed.append(segment)

    def open_file(self) -> OpenFile:
        """The one that grows next: the first whose reader is not behind, or else the one that is the least."""
        least = min(self._growing, key=lambda file: max(BEHIND_BYTES, file.unread), default=None)
        if least is None or (least.unread >= BEHIND_BYTES and self.hungry):
            return self._begun()
        return least

    def ripe(self) -> list[OpenFile]:
        """Those that are to end now."""
        return [file for file in self._growing if self._remaining_s(file) <= 0]

    def ripe_in_s(self) -> float:
        """How long the next of them still has, in seconds; infinity if nothing is to end."""
        return max(0.0, min(map(self._remaining_s, self._growing), default=math.inf))

    def end(self, file: OpenFile) -> None:
        """One grows no more."""
        segment = file.segment
        self._growing.remove(file)
        segment.ended_s = time.monotonic()
        if segment.size and segment not in self._taken:
            self._closed.append(segment)
        if segment.size >= ALONG_BYTES:  # another will soon be, for each of those who take
            self._ahead = len(self._taken) + self.hungry

    def _begun(self) -> OpenFile:
        file = OpenFile.begin(self._directory, self._signal)
        self._growing.append(file)
        return file

    def _remaining_s(self, file: OpenFile) -> float:
        segment = file.segment
        if not file.size:
            return segment.opened_s + AHEAD_S - time.monotonic()
        # As long as all are busy, or the store is away, it had better grow.
        if not (segment.is_awaited or (self.hungry and segment not in self._taken)):
            return math.inf
        due_s = segment.opened_s + self._age_s * (LASTING_AGES if file.size >= LASTING_BYTES else 1.0)
        alone = not any(taken.size for taken in self._taken if taken is not segment)
        after_pause = alone and segment.opened_s - self._removed_s >= PAUSE_AGES * self._age_s
        if after_pause or file.size >= WORTH_BYTES:
            due_s = min(due_s, file.written_s + GAP_AGES * self._age_s)
        return due_s - time.monotonic()
