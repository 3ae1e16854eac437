"""The file format of the spool: records that check themselves, so that any prefix of a file can be trusted."""

import dataclasses
import struct
import time
import uuid
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from thinkmeter.collector.segment import Signal

HEADER = struct.Struct("<8sIII")
"""Marker of the file, bytes of the frame, items in it, CRC-32 of the two numbers and the frame."""
NUMBERS = struct.Struct("<II")


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


def record(file_marker: bytes, frame: bytes, items: int) -> bytes:
    """One frame as a record."""
    return HEADER.pack(file_marker, len(frame), items, _checksum(frame, len(frame), items)) + frame


def read_whole(file: BinaryIO, size: int, file_marker: bytes) -> Contents | None:
    """All records of a file that is nothing but whole records, none of it in memory twice; None if it is not."""
    frames: list[bytes] = []
    items: list[int] = []
    left = size
    while left:
        data = file.read(min(HEADER.size, left))
        if len(data) < HEADER.size or not data.startswith(file_marker):
            return None
        _, length, count, checksum = HEADER.unpack(data)
        left -= HEADER.size + length
        frame = file.read(length) if left >= 0 else b""
        if len(frame) != length or checksum != _checksum(frame, length, count):
            return None
        frames.append(frame)
        items.append(count)
    return Contents(frames, items, [])


def read_records(data: bytes, file_marker: bytes) -> Contents:
    """All whole records of a file, and what lies damaged between them; a torn end is left out."""
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
        if position > expected:
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


def _checksum(frame: bytes, length: int, items: int) -> int:
    return zlib.crc32(frame, zlib.crc32(NUMBERS.pack(length, items)))
