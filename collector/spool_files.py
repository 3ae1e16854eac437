"""The files of the spool: a segment that is written, one that is closed, and the directory that they lie in."""

import dataclasses
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Self

from thinkmeter.collector.record import (
    HEADER_BYTES,
    Contents,
    Frames,
    Place,
    marker,
    new_segment_id,
    read_records,
    read_whole,
    record,
)
from thinkmeter.collector.segment import Signal
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.hold import hold

log = logging.getLogger(__name__)

SUFFIX = ".segment"
FRESH_S = 30.0
"""So long after a segment was begun the kernel has in memory what was written, whatever the disk makes of it."""
FILE_NAME = re.compile(r"(?P<id>(?P<signal>traces|logs)-(?P<time_ns>\d{20})-[0-9a-f]{32})\.segment")


@dataclasses.dataclass(slots=True, eq=False)
class Segment:
    """A file of the spool as its readers know it: it grows until it ends, and does not change any more after that.

    Attributes:
        path: of the file, which is there once there is something in it.
        segment_id: unique for ever; the token of its insert.
        opened_s: when its first request was received, and before that, when it was begun, by a clock that only goes
            forward, so that no jump of the other one makes it old.
        ended_s: when it ended, by that clock; None while it grows.
        size: bytes of it that are on disk.
        places: of the frames that this process wrote and that are on disk.
        items: spans or log records in each of these.
        is_known: whether there is nothing else in the file.
        read_bytes: how far it was read while it grew.
        is_awaited: whether its reader has all that is on disk, and waits for more.
    """

    path: Path
    segment_id: str
    opened_s: float
    ended_s: float | None = None
    size: int = 0
    places: list[Place] = dataclasses.field(default_factory=list)
    items: list[int] = dataclasses.field(default_factory=list)
    is_known: bool = False
    read_bytes: int = 0
    is_awaited: bool = False

    def read(self) -> Contents:
        """What is in it, once it has ended; each frame is checked, unless it was written a moment ago.

        Raises:
            OSError: the disk fails.
        """
        if not self.size:  # there is no file
            return Contents([], [], [])
        if self.is_known and time.monotonic() - self.opened_s < FRESH_S:
            return Contents(Frames(self.path, self.places), self.items, [])
        own = marker(self.segment_id)
        if contents := read_whole(self.path, self.size, own):
            return contents
        with self.path.open("rb") as file:
            return read_records(file.read(self.size), own)


class GrowingFrames:
    """Frames of a segment that grows, as they come until it ends. To go through them again is to begin at the first."""

    def __init__(self, segment: Segment, wait_for_more: Callable[[Segment, int], bool]) -> None:
        """Begin with what is there.

        Args:
            segment: which one.
            wait_for_more: waits until it has more than so many frames, or ends; whether it has.
        """
        self._segment = segment
        self._wait_for_more = wait_for_more

    def __iter__(self) -> Iterator[bytes]:
        """All of them, to the end of the segment.

        Raises:
            OSError: the disk fails.
        """
        segment, gone = self._segment, 0
        segment.read_bytes = 0
        while self._wait_for_more(segment, gone):
            there = segment.places[gone:]
            for place, frame in zip(there, Frames(segment.path, there), strict=True):
                yield frame
                segment.read_bytes = place.offset + place.size
            gone += len(there)


@dataclasses.dataclass(frozen=True, slots=True)
class Append:
    """A frame that is to be put on disk; `done` once it is there."""

    signal: Signal
    frame: bytes
    items: int
    done: Future[None]

    @property
    def size(self) -> int:
        """Bytes that it takes in a file."""
        return HEADER_BYTES + len(self.frame)


@dataclasses.dataclass(slots=True, eq=False)
class OpenFile:
    """A segment that grows, as the spool knows it.

    Attributes:
        segment: what is on disk of it.
        descriptor: of its file; None as long as there is none.
        written_s: when its last request was received.
        size: bytes that were written, on disk or not.
        items: spans or log records in them.
    """

    segment: Segment
    descriptor: int | None = None
    written_s: float = 0.0
    size: int = 0
    items: int = 0
    _unsynced: list[tuple[Append, Place]] = dataclasses.field(default_factory=list)

    @classmethod
    def begin(cls, directory: Path, signal: Signal) -> Self:
        """A new one, of which nothing is on disk yet."""
        segment_id = new_segment_id(signal)
        path = directory / f"{segment_id}{SUFFIX}"
        return cls(Segment(path, segment_id, time.monotonic(), is_known=True))

    @property
    def unread(self) -> int:
        """Bytes that were written and that nobody read."""
        return self.size - self.segment.read_bytes

    def write(self, append: Append) -> None:
        """Add a frame, which is safe after the next `sync`.

        Raises:
            OSError: the disk fails, perhaps in the middle of it.
        """
        if self.descriptor is None:
            self.descriptor = os.open(self.segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.segment.opened_s = time.monotonic()
        own = marker(self.segment.segment_id)
        rest = [memoryview(piece) for piece in record(own, append.frame, append.items)]
        while rest:
            written = os.writev(self.descriptor, rest)
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if written:
                rest[0] = rest[0][written:]
        self.written_s = time.monotonic()
        self._unsynced.append((append, Place(self.size + HEADER_BYTES, len(append.frame))))
        self.size += append.size
        self.items += append.items

    def sync(self) -> list[Append]:
        """Put on disk what was written; the appends that are there now.

        Raises:
            OSError: the disk fails: nothing is known of what was not synced before.
        """
        if self.descriptor is None:
            return []
        if not self.segment.size:
            sync_directory(self.segment.path.parent)
        os.fdatasync(self.descriptor)
        done, self._unsynced = self._unsynced, []
        self.segment.items += [append.items for append, _ in done]
        self.segment.places += [place for _, place in done]
        self.segment.size = self.size
        return [append for append, _ in done]

    def cut(self) -> list[Append]:
        """End it where it was last safe; the appends that are not in it."""
        self.segment.is_known = False
        try:
            if self.descriptor is not None and self.segment.size:
                # After a failed fsync nothing is known of the pages, so that the file is not used any further.
                os.ftruncate(self.descriptor, self.segment.size)
                os.fdatasync(self.descriptor)
            else:
                self.segment.path.unlink(missing_ok=True)
        except OSError as error:
            # Its size bounds what this process reads; a later one may find frames whose senders were put off.
            log.warning(
                "the end of %s cannot be cut: %s",
                self.segment.path,
                error.strerror,
                extra=event("spool.uncut", file=self.segment.path.name, reason=error.strerror),
            )
        unsynced, self._unsynced = self._unsynced, []
        return [append for append, _ in unsynced]

    def close(self) -> None:
        """Let the file go."""
        try:
            if self.descriptor is not None:
                os.close(self.descriptor)
        except OSError as error:  # its bytes were synced before
            log.warning(
                "%s: %s",
                self.segment.path,
                error.strerror,
                extra=event("spool.unclosed", file=self.segment.path.name, reason=error.strerror),
            )


def left_segments(directory: Path) -> Iterator[tuple[Signal, Segment]]:
    """What an earlier process left in a spool, the oldest first."""
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        name = FILE_NAME.fullmatch(path.name)
        if name is None:
            log.warning(
                "%s is not a segment of this spool and is left alone",
                path,
                extra=event("spool.stray_file", file=path.name),
            )
            continue
        now_s = time.monotonic()
        opened_s = now_s - max(0.0, time.time() - int(name["time_ns"]) / 1e9)
        yield Signal(name["signal"]), Segment(path, name["id"], opened_s, ended_s=now_s, size=path.stat().st_size)


def take_hold(directory: Path) -> IO[str]:
    """Make the directory if there is none, and lock it for this process until the file that comes out is closed.

    Raises:
        ThinkmeterError: it cannot be used, or another collector uses it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_directory(directory.parent)
        lock = (directory / "lock").open("a+")
    except OSError as error:
        raise ThinkmeterError(
            f"the spool directory {directory} cannot be used: {error.strerror}; name another with --data"
        ) from None
    return hold(lock, f"the spool {directory}", "collector")


def sync_directory(directory: Path) -> None:
    """Put the names in a directory on disk.

    Raises:
        OSError: the disk fails.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
