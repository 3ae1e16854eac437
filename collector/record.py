"""The file format of the spool: records that check themselves, so that any prefix of a file can be trusted.

Each is a header and a frame.
"""

import dataclasses
import errno
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from io import BufferedReader, FileIO
from pathlib import Path
from typing import NamedTuple, overload

from isal import isal_zlib

from thinkmeter.collector.segment import Signal

HEADER = struct.Struct("<8sIII")
"""Marker of the file, bytes of the frame, items in it, CRC-32 of the two numbers and the frame."""
HEADER_BYTES = HEADER.size
NUMBERS = struct.Struct("<II")
FORMER_PREFIX_BYTES = 4
"""What versions whose store read the files by itself wrote before each header."""
BUFFER_BYTES = 256 * 1024


class Place(NamedTuple):
    """Where a frame lies in a file, in bytes."""

    offset: int
    size: int


class Frames(Sequence[bytes]):
    """Frames of a file that will not change, read anew whenever they are asked for, one after the other.

    A segment is larger than whatever else is in memory, and is looked through, sent, and perhaps sent again.
    """

    def __init__(self, path: Path, places: Sequence[Place]) -> None:
        """Name the file, and the places of the frames in it."""
        self._path = path
        self._places = places

    @property
    def sizes(self) -> list[int]:
        """Bytes of each."""
        return [place.size for place in self._places]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> "Frames": ...
    def __getitem__(self, index: int | slice) -> "bytes | Frames":
        """One, or those of a stretch, which are not read yet.

        Raises:
            OSError: the disk fails.
        """
        if isinstance(index, slice):
            return Frames(self._path, self._places[index])
        return next(iter(Frames(self._path, [self._places[index]])))

    def __iter__(self) -> Iterator[bytes]:
        """All of them.

        Raises:
            OSError: the disk fails.
        """
        with BufferedReader(FileIO(self._path), BUFFER_BYTES) as file:
            for offset, size in self._places:
                file.seek(offset)
                frame = file.read(size)
                if len(frame) != size:
                    raise OSError(errno.EIO, "the file became shorter", str(self._path))
                yield frame


def sizes(frames: Sequence[bytes]) -> list[int]:
    """Bytes of each frame."""
    return frames.sizes if isinstance(frames, Frames) else list(map(len, frames))


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """What a spool file holds.

    Attributes:
        frames: the frames that are whole, in order.
        items: spans or log records in each.
        damaged: stretches between whole records that are none: bytes that a disk changed, since what a crash
            cut off lies at the end.
    """

    frames: Sequence[bytes]
    items: Sequence[int]
    damaged: Sequence[bytes]


def new_segment_id(signal: Signal) -> str:
    """A name that no other segment has or will have, on any collector; names of one collector sort by age."""
    return f"{signal}-{time.time_ns():020d}-{uuid.uuid4().hex}"


def marker(segment_id: str) -> bytes:
    """What each record of a file begins with.

    It is random and of this file alone: neither what a sender sent nor what an older file left on the disk can
    pass for a record.
    """
    return bytes.fromhex(segment_id[-16:])


def record(file_marker: bytes, frame: bytes, items: int) -> tuple[bytes, bytes]:
    """One frame as a record: what stands before it, and itself, which is too large to be copied for nothing."""
    return HEADER.pack(file_marker, len(frame), items, _checksum(frame, len(frame), items)), frame


def read_whole(path: Path, size: int, file_marker: bytes) -> Contents | None:
    """All records of a file that is nothing but whole records, whose frames stay on the disk; None if it is not.

    Raises:
        OSError: the disk fails.
    """
    places: list[Place] = []
    items: list[int] = []
    buffer = bytearray()
    offset = 0
    with BufferedReader(FileIO(path), BUFFER_BYTES) as file:
        while offset < size:
            data = file.read(HEADER_BYTES)
            if len(data) < HEADER_BYTES or not data.startswith(file_marker):
                return None
            _, length, count, checksum = HEADER.unpack(data)
            start, offset = offset + HEADER_BYTES, offset + HEADER_BYTES + length
            if offset > size:
                return None
            if len(buffer) < length:
                buffer = bytearray(length)  # one for all: fresh memory for each costs more than reading
            with memoryview(buffer)[:length] as frame:
                if file.readinto(frame) != length or checksum != _checksum(frame, length, count):
                    return None
            places.append(Place(start, length))
            items.append(count)
    return Contents(Frames(path, places), items, [])


def read_records(data: bytes, file_marker: bytes) -> Contents:
    """All whole records of a file, and what lies damaged between them; a torn end is left out.

    Also those of versions whose records had a prefix.
    """
    frames: list[bytes] = []
    items: list[int] = []
    damaged: list[bytes] = []
    expected = 0
    position = data.find(file_marker)
    while position >= 0:
        whole = _read_one(data, position)
        if whole is None:
            position = data.find(file_marker, position + 1)
            continue
        if position > expected + FORMER_PREFIX_BYTES:
            damaged.append(data[expected:position])
        frames.append(whole[0])
        items.append(whole[1])
        expected = position + HEADER_BYTES + len(whole[0])
        position = data.find(file_marker, expected)
    return Contents(frames, items, damaged)


def _read_one(data: bytes, position: int) -> tuple[bytes, int] | None:
    if position + HEADER_BYTES > len(data):
        return None
    _, length, items, checksum = HEADER.unpack_from(data, position)
    frame = data[position + HEADER_BYTES : position + HEADER_BYTES + length]
    if len(frame) != length or checksum != _checksum(frame, length, items):
        return None
    return frame, items


def _checksum(frame: bytes | memoryview, length: int, items: int) -> int:
    return isal_zlib.crc32(frame, isal_zlib.crc32(NUMBERS.pack(length, items)))
