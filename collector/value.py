"""The text of an OTLP value, in Python. `wire` says the same in ClickHouse's SQL, and what it means in words."""

import base64
import math
import re
from collections.abc import Iterable
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

ESCAPES: Final = {
    **{chr(code): f"\\u{code:04X}" for code in (*range(0x20), 0x2028, 0x2029)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}
"""As ClickHouse escapes them in JSON."""

_ESCAPED: Final = re.compile(f"[{re.escape(''.join(ESCAPES))}]")


def attributes_of(pairs: Iterable[KeyValue], depth: int) -> list[tuple[str, str]]:
    """Names and texts in the order in which they were sent; a name may stand twice, then the first counts."""
    return [(pair.key, text_of(pair.value, depth)) for pair in pairs]


def text_of(value: AnyValue, depth: int) -> str:
    """The text of a value with that many levels of lists and maps."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "double_value":
            return double_text(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None | "string_value_strindex":
            return ""
        case _:
            return json_of(value, depth)


def json_of(value: AnyValue, depth: int) -> str:
    """The value as JSON; lists and maps below that many levels are null."""
    match value.WhichOneof("value"):
        case "string_value":
            return json_string(value.string_value)
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value" if math.isfinite(value.double_value):
            return double_text(value.double_value)
        case "bytes_value":
            return f'"{base64.b64encode(value.bytes_value).decode()}"'
        case "array_value" if depth:
            return f"[{','.join(json_of(item, depth - 1) for item in value.array_value.values)}]"
        case "kvlist_value" if depth:
            pairs = value.kvlist_value.values
            return f"{{{','.join(f'{json_string(pair.key)}:{json_of(pair.value, depth - 1)}' for pair in pairs)}}}"
        case _:
            return "null"


def json_string(text: str) -> str:
    """A JSON string."""
    return f'"{_ESCAPED.sub(lambda match: ESCAPES[match[0]], text)}"'


def double_text(number: float) -> str:
    """The shortest text that reads back as the same number, laid out as ClickHouse and JavaScript do."""
    if not math.isfinite(number):
        return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
    sign = "-" if math.copysign(1, number) < 0 else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # the value is 0.digits times ten to the power of `point`
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    if not -6 < point <= 21:
        rest = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{point - 1}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"
