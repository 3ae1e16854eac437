"""Reads spans as other libraries send them.

Names and values in the tests of this folder are those that the sources named in `collector/dialects/` write; counts are
chosen so that reading one convention for another shows.
"""

from typing import Any, cast

from tests.collector.otlp import RECEIVED, span_of, traces
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.segment import Signal

COLUMNS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "thinking_tokens")


def read(scope: str, attributes: dict[str, Any], *, failed: bool = False) -> Row:
    span = span_of(attributes)
    span.status.code = cast(Any, 2 if failed else 0)
    [row] = decode(Signal.TRACES, traces([span], scope), "default", RECEIVED)["spans"]
    return row


def counts(row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in COLUMNS)
