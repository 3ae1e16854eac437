"""A segment: OTLP export requests of any number of projects, framed so that one insert decodes them all.

On the wire it is one protobuf message, and so is any number of its frames:

    Segment { repeated Body bodies = 1; }
    Body { repeated ResourceSpans resource_spans = 1; string project = 1001; fixed64 received_unix_nano = 1002; }

(`resource_logs` in a segment of logs). The client's own bytes are the body's field 1, unchanged.
"""

import struct
from collections.abc import Iterator
from enum import StrEnum

from thinkmeter.schema.errors import PermanentError

BODIES = 1
EXPORTED = 1
PROJECT = 1001
RECEIVED = 1002
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""


class Signal(StrEnum):
    """What a segment carries: spans or log records, never both."""

    TRACES = "traces"
    LOGS = "logs"


def frame(body: bytes, project: str, received_unix_nano: int) -> bytes:
    """One export request with the project it belongs to and the time it came, ready to be appended to a segment.

    Only the request's field 1 goes in: whatever else a client sends beside it could pass for ours.

    Raises:
        PermanentError: the body is no protobuf message.
    """
    body = _exported(body)
    name = project.encode()
    size = len(body) + len(_PROJECT_TAG) + len(_varint(len(name))) + len(name) + len(_RECEIVED_TAG) + 8
    return b"".join(
        (
            _BODIES_TAG,
            _varint(size),
            body,
            _PROJECT_TAG,
            _varint(len(name)),
            name,
            _RECEIVED_TAG,
            struct.pack("<Q", received_unix_nano),
        )
    )


def delimited(frame: bytes) -> memoryview:
    """The body of a frame behind its length: what is left of it without its tag."""
    return memoryview(frame)[len(_BODIES_TAG) :]


def body_of(frame: bytes) -> tuple[bytes, str, int]:
    """The client's export request, its project, and when it was received, in nanoseconds since 1970.

    Raises:
        PermanentError: the bytes are no frame.
    """
    whole = list(_fields(frame))
    if [(number, wire_type) for number, wire_type, *_ in whole] != [(BODIES, LENGTH)]:
        raise PermanentError("these bytes are not one frame of a segment")
    body = frame[whole[0][3] :]
    project, received, length = "", 0, 0
    for number, wire_type, start, value, end in _fields(body):
        if number == PROJECT and wire_type == LENGTH:
            project = body[value:end].decode()
        elif number == RECEIVED and wire_type == FIXED64:
            (received,) = struct.unpack("<Q", body[value:end])
        else:
            length = max(length, end)
            if number != EXPORTED:
                raise PermanentError(f"a frame has no field {number} (at byte {start})")
    return body[:length], project, received


def _exported(body: bytes) -> bytes:
    """The body without anything but its field 1; the same object where there is nothing else."""
    fields = list(_fields(body))
    if all(number == EXPORTED for number, *_ in fields):
        return body
    return b"".join(body[start:end] for number, _, start, _, end in fields if number == EXPORTED)


def _fields(message: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Top-level fields: number, wire type, and where in the message tag, value and next field begin."""
    position, size = 0, len(message)
    while position < size:
        start = position
        tag, position = _read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        value = position
        if wire_type == LENGTH:
            length, value = _read_varint(message, position)
            position = value + length
        elif wire_type == VARINT:
            _, position = _read_varint(message, position)
        elif wire_type in (FIXED64, FIXED32):
            position += 8 if wire_type == FIXED64 else 4
        else:
            raise PermanentError(f"byte {start} is no protobuf tag: wire type {wire_type}")
        if number == 0 or position > size:
            raise PermanentError(f"field {number} at byte {start} reaches beyond the end at byte {size}")
        yield number, wire_type, start, value, position


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    result, shift = 0, 0
    for position in range(position, min(position + 10, len(message))):  # noqa: B020  # goes on from where it was
        byte = message[position]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position + 1
        shift += 7
    raise PermanentError(f"a number is cut off at byte {position}")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_BODIES_TAG = _varint(BODIES << 3 | LENGTH)
_PROJECT_TAG = _varint(PROJECT << 3 | LENGTH)
_RECEIVED_TAG = _varint(RECEIVED << 3 | FIXED64)
