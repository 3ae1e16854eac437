"""The file format of the spool: records that check themselves, so that any prefix of a file can be trusted.

    record: PREFIX, HEADER, frame
    frame:  tag of its body, length of its body, body

To the store the same bytes are protobuf messages, each behind its length, so that it can read a file by itself: before
a body stands a message with one field, which its schema does not have, and the tag is the last byte of that field.
"""

import dataclasses
import errno
import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from io import BufferedReader, FileIO
from pathlib import Path
from typing import NamedTuple, overload

from isal import isal_zlib

from thinkmeter.collector.segment import Signal

PREFIX = bytes((24, 0xDA, 0x3E, 21))
"""What a record begins with, but not in files of versions whose store did not read them: a message of 24 bytes with the
field 1003, whose 21 bytes are the header and the frame's tag."""
HEADER = struct.Struct("<8sIII")
"""Marker of the file, bytes of the frame, items in it, CRC-32 of the two numbers and the frame."""
HEADER_BYTES = len(PREFIX) + HEADER.size
NUMBERS = struct.Struct("<II")
BUFFER_BYTES = 256 * 1024


class Place(NamedTuple):
    """Where a frame lies in a file, in bytes."""

    offset: int
    size: int


class Frames(Sequence[bytes]):
    """Frames of a file that will not change, read anew whenever they are asked for, one after the other.

    A segment is larger than whatever else is in memory, and is looked through, sent, and perhaps sent again.
    """

    def __init__(self, path: Path, places: Sequence[Place], whole: bool = False) -> None:
        """Name the file and the places.

        Args:
            path: the file.
            places: of the frames.
            whole: whether the file holds nothing but the records of these.
        """
        self._path = path
        self._places = places
        self._whole = whole

    @property
    def file(self) -> Path | None:
        """The file, if it holds nothing but the records of these."""
        return self._path if self._whole else None

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
            places = self._places[index]
            return Frames(self._path, places, self._whole and len(places) == len(self._places))
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


def file_of(frames: Sequence[bytes]) -> Path | None:
    """The file that holds the records of these frames and nothing else, if there is one."""
    return frames.file if isinstance(frames, Frames) else None


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
    return PREFIX + HEADER.pack(file_marker, len(frame), items, _checksum(frame, len(frame), items)), frame


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
            if len(data) < HEADER_BYTES or not data.startswith(PREFIX + file_marker):
                return None
            _, length, count, checksum = HEADER.unpack_from(data, len(PREFIX))
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
        nothing_more = os.fstat(file.fileno()).st_size == size
    return Contents(Frames(path, places, nothing_more), items, [])


def read_records(data: bytes, file_marker: bytes) -> Contents:
    """All whole records of a file, and what lies damaged between them; a torn end is left out.

    Also those of versions whose records had no prefix.
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
        if position > expected + len(PREFIX):
            damaged.append(data[expected:position])
        frames.append(whole[0])
        items.append(whole[1])
        expected = position + HEADER.size + len(whole[0])
        position = data.find(file_marker, expected)
    return Contents(frames, items, damaged)


def _read_one(data: bytes, position: int) -> tuple[bytes, int] | None:
    if position + HEADER.size > len(data):
        return None
    _, length, items, checksum = HEADER.unpack_from(data, position)
    frame = data[position + HEADER.size : position + HEADER.size + length]
    if len(frame) != length or checksum != _checksum(frame, length, items):
        return None
    return frame, items


def _checksum(frame: bytes | memoryview, length: int, items: int) -> int:
    return isal_zlib.crc32(frame, isal_zlib.crc32(NUMBERS.pack(length, items)))
