"""OTLP/JSON as OTLP protobuf.

Driven by the messages' own descriptors, so that every field of the protocol is known. The mapping is protobuf's, with
what OTLP changes about it: trace and span ids are hexadecimal, enums may be numbers, unknown fields are ignored.
The bytes are written directly, which is several times faster than filling messages one by one.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from thinkmeter.collector.refusal import Reason, Refused

HEXADECIMAL: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
INTEGER = re.compile(r"-?[0-9]{1,20}")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|NaN|-?Infinity")
DOUBLE = struct.Struct("<d")

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

_Encode = Callable[[Any], bytes]
_Fields = dict[str, _Encode]

_SHORT: Final = [bytes([number]) for number in range(128)]


class _Misfit(Exception):
    """A value that does not fit; the path to it grows on the way out."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []


def protobuf_from_json(body: bytes, message: type[Message]) -> bytes:
    """A message on the wire from its JSON.

    Args:
        body: a JSON object in OTLP's mapping, names in camelCase or snake_case.
        message: what the object describes.

    Raises:
        Refused: the body is not JSON, or a value does not fit; names the place.
    """
    try:
        return _message(orjson.loads(body), _fields(cast(Descriptor, message.DESCRIPTOR)))
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.MALFORMED, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Refused(Reason.MALFORMED, "the body is nested too deep") from None
    except _Misfit as misfit:
        place = "".join(reversed(misfit.path)).removeprefix(".") or "the body"
        raise Refused(Reason.MALFORMED, f"{place}: {misfit}") from None


def _message(value: Any, fields: _Fields) -> bytes:
    if type(value) is not dict:
        raise _Misfit(f"an object is expected, not {_kind(value)}")
    parts = []
    name = ""
    try:
        for name, item in value.items():
            if item is not None and name in fields:
                parts.append(fields[name](item))
    except _Misfit as misfit:
        misfit.path.append(f".{name}")
        raise
    return b"".join(parts)


@cache
def _fields(descriptor: Descriptor) -> _Fields:
    fields: _Fields = {}
    for field in descriptor.fields:
        fields[field.name] = fields[field.json_name] = _field(field)
    return fields


def _field(field: FieldDescriptor) -> _Encode:
    if field.message_type is not None:
        encode = _submessage(field.number, field.message_type)
    elif field.type == FieldDescriptor.TYPE_STRING:
        encode = _string(field.number)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        encode = _delimited(field.number, _hexadecimal if field.name in HEXADECIMAL else _base64)
    else:
        wire_type, scalar = _scalar(field)
        if field.is_repeated:  # such fields are packed
            return _delimited(field.number, _each(scalar))
        tag = _varint(field.number << 3 | wire_type)
        return lambda value: tag + scalar(value)
    return _each(encode) if field.is_repeated else encode


def _submessage(number: int, descriptor: Descriptor) -> _Encode:
    tag, short = _tags(number)
    fields: _Fields = {}

    def encode(value: Any) -> bytes:
        if not fields:  # found late, since messages contain themselves
            fields.update(_fields(descriptor))
        data = _message(value, fields)
        return short[len(data)] + data if len(data) < 128 else b"".join((tag, _varint(len(data)), data))

    return encode


def _string(number: int) -> _Encode:
    tag, short = _tags(number)

    def encode(value: Any) -> bytes:
        data = _text(value).encode()
        return short[len(data)] + data if len(data) < 128 else b"".join((tag, _varint(len(data)), data))

    return encode


def _delimited(number: int, convert: _Encode) -> _Encode:
    tag, _ = _tags(number)

    def encode(value: Any) -> bytes:
        data = convert(value)
        return b"".join((tag, _varint(len(data)), data))

    return encode


def _tags(number: int) -> tuple[bytes, list[bytes]]:
    """The tag of a length-delimited field, and the tag followed by each length that takes one byte, as most do."""
    tag = _varint(number << 3 | LENGTH_DELIMITED)
    return tag, [tag + length for length in _SHORT]


def _each(encode: _Encode) -> _Encode:
    def encode_each(values: Any) -> bytes:
        if type(values) is not list:
            raise _Misfit(f"an array is expected, not {_kind(values)}")
        parts: list[bytes] = []
        try:
            for value in values:
                parts.append(encode(value))  # the position of a misfit is the count so far
        except _Misfit as misfit:
            misfit.path.append(f"[{len(parts)}]")
            raise
        return b"".join(parts)

    return encode_each


def _scalar(field: FieldDescriptor) -> tuple[int, _Encode]:
    if field.enum_type is not None:
        return VARINT, _enum(field.enum_type)
    match field.type:
        case FieldDescriptor.TYPE_DOUBLE:
            return FIXED64, lambda value: DOUBLE.pack(_number(value))
        case FieldDescriptor.TYPE_BOOL:
            return VARINT, _bool
        case FieldDescriptor.TYPE_FIXED64:
            return FIXED64, _fixed(8, signed=False)
        case FieldDescriptor.TYPE_SFIXED64:
            return FIXED64, _fixed(8, signed=True)
        case FieldDescriptor.TYPE_FIXED32:
            return FIXED32, _fixed(4, signed=False)
        case FieldDescriptor.TYPE_UINT32:
            return VARINT, lambda value: _varint(_integer(value, 0, 2**32 - 1))
        case FieldDescriptor.TYPE_UINT64:
            return VARINT, lambda value: _varint(_integer(value, 0, 2**64 - 1))
        case FieldDescriptor.TYPE_INT32:
            return VARINT, lambda value: _varint(_integer(value, -(2**31), 2**31 - 1))
        case FieldDescriptor.TYPE_INT64:
            return VARINT, lambda value: _varint(_integer(value, -(2**63), 2**63 - 1))
        case FieldDescriptor.TYPE_SINT32:
            return VARINT, lambda value: _varint(_zigzag(_integer(value, -(2**31), 2**31 - 1)))
    raise NotImplementedError(f"{field.full_name} is of a type that OTLP did not use")


def _varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _SHORT[number]
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> int:
    return number << 1 ^ number >> 63


def _fixed(size: int, *, signed: bool) -> _Encode:
    lowest, highest = (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1) if signed else (0, 2 ** (8 * size) - 1)
    return lambda value: _integer(value, lowest, highest).to_bytes(size, "little", signed=signed)


def _integer(value: Any, lowest: int, highest: int) -> int:
    if type(value) is int:
        number = value
    elif (type(value) is str and INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
        number = int(value)
    else:
        raise _Misfit(f"an integer is expected, not {_kind(value)}")
    if not lowest <= number <= highest:
        raise _Misfit(f"an integer from {lowest} to {highest} is expected, not {number}")
    return number


def _number(value: Any) -> float:
    if type(value) is float or type(value) is int or (type(value) is str and NUMBER.fullmatch(value)):
        return float(value)
    raise _Misfit(f"a number is expected, not {_kind(value)}")


def _bool(value: Any) -> bytes:
    if type(value) is not bool:
        raise _Misfit(f"true or false is expected, not {_kind(value)}")
    return _SHORT[value]


def _enum(descriptor: EnumDescriptor) -> _Encode:
    numbers = {value.name: value.number for value in descriptor.values}

    def encode(value: Any) -> bytes:
        if type(value) is str and value in numbers:
            return _varint(numbers[value])
        try:
            return _varint(_integer(value, -(2**31), 2**31 - 1))
        except _Misfit:
            raise _Misfit(f"a name or number of {descriptor.name} is expected, not {_kind(value)}") from None

    return encode


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _Misfit(f"a string is expected, not {_kind(value)}")
    return value


def _hexadecimal(value: Any) -> bytes:
    try:
        return bytes.fromhex(_text(value))
    except ValueError:
        raise _Misfit(f"hexadecimal digits are expected, not {_kind(value)}") from None


def _base64(value: Any) -> bytes:
    text = _text(value).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _Misfit(f"base64 is expected, not {_kind(value)}") from None


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:40]}..."
