"""The files of the spool: a segment that is written, one that is closed, and the directory that they lie in."""

import dataclasses
import logging
import os
import re
import time
from collections.abc import Iterator
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


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """A file that will not change any more.

    Attributes:
        segment_id: unique for ever; the token of its insert.
        size: bytes of it that are on disk.
        opened_s: when its first request was received, by a clock that only goes forward, so that no jump of the other
            one makes it old.
        written: what this process wrote, where all of that is in it and nothing else.
    """

    path: Path
    segment_id: str
    size: int
    opened_s: float
    written: Contents | None = None

    def read(self) -> Contents:
        """Its frames; each is checked, unless it was written a moment ago.

        Raises:
            OSError: the disk fails.
        """
        if self.written and time.monotonic() - self.opened_s < FRESH_S:
            return self.written
        own = marker(self.segment_id)
        if contents := read_whole(self.path, self.size, own):
            return contents
        with self.path.open("rb") as file:
            return read_records(file.read(self.size), own)


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


@dataclasses.dataclass(slots=True)
class OpenFile:
    """A segment that grows.

    Attributes:
        opened_s: when its first request was received, by a clock that only goes forward.
        written_s: when its last one was.
        size: bytes that were written, on disk or not.
        items: spans or log records in them.
        synced: bytes that are on disk for certain.
    """

    path: Path
    segment_id: str
    descriptor: int
    opened_s: float
    written_s: float
    size: int = 0
    items: int = 0
    synced: int = 0
    _unsynced: list[Append] = dataclasses.field(default_factory=list)
    _places: list[Place] = dataclasses.field(default_factory=list)
    _items: list[int] = dataclasses.field(default_factory=list)
    _is_cut: bool = False

    @classmethod
    def create(cls, directory: Path, signal: Signal) -> Self:
        """A new one; its name is on disk once the directory is synced.

        Raises:
            OSError: the disk fails.
        """
        segment_id = new_segment_id(signal)
        path = directory / f"{segment_id}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        now_s = time.monotonic()
        return cls(path, segment_id, descriptor, now_s, now_s)

    def write(self, append: Append) -> None:
        """Add a frame, which is safe after the next `sync`.

        Raises:
            OSError: the disk fails, perhaps in the middle of it.
        """
        rest = [memoryview(piece) for piece in record(marker(self.segment_id), append.frame, append.items)]
        while rest:
            written = os.writev(self.descriptor, rest)
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if written:
                rest[0] = rest[0][written:]
        self.written_s = time.monotonic()
        self._places.append(Place(self.size + HEADER_BYTES, len(append.frame)))
        self._items.append(append.items)
        self.size += append.size
        self.items += append.items
        self._unsynced.append(append)

    def sync(self) -> list[Append]:
        """Put on disk what was written; the appends that are there now.

        Raises:
            OSError: the disk fails: nothing is known of what was not synced before.
        """
        os.fdatasync(self.descriptor)
        self.synced = self.size
        done, self._unsynced = self._unsynced, []
        return done

    def cut(self) -> list[Append]:
        """End it where it was last safe; the appends that are not in it."""
        self._is_cut = True
        try:
            if self.synced:
                # After a failed fsync nothing is known of the pages, so that the file is not used any further.
                os.ftruncate(self.descriptor, self.synced)
                os.fdatasync(self.descriptor)
            else:
                self.path.unlink()
        except OSError as error:
            # Its size bounds what this process reads; a later one may find frames whose senders were put off.
            log.warning(
                "the end of %s cannot be cut: %s",
                self.path,
                error.strerror,
                extra=event("spool.uncut", file=self.path.name, reason=error.strerror),
            )
        unsynced, self._unsynced = self._unsynced, []
        return unsynced

    def close(self) -> None:
        """Let the file go."""
        try:
            os.close(self.descriptor)
        except OSError as error:  # its bytes were synced before
            log.warning(
                "%s: %s",
                self.path,
                error.strerror,
                extra=event("spool.unclosed", file=self.path.name, reason=error.strerror),
            )

    def as_segment(self) -> Segment:
        """What is safe of it."""
        if self._is_cut:
            return Segment(self.path, self.segment_id, self.synced, self.opened_s)
        written = Contents(Frames(self.path, self._places, whole=True), self._items, [])
        return Segment(self.path, self.segment_id, self.synced, self.opened_s, written)


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
        age_s = max(0.0, time.time() - int(name["time_ns"]) / 1e9)
        yield Signal(name["signal"]), Segment(path, name["id"], path.stat().st_size, time.monotonic() - age_s)


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
