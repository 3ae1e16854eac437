"""What the store answers to an insert that it does not take: of the bytes, of itself, or of this moment alone."""

import contextlib
from collections.abc import Iterator
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, Error, ProgrammingError

from thinkmeter.collector.wire import NOT_FLAT
from thinkmeter.schema.errors import PermanentError, RetryableError
from thinkmeter.schema.store.failure import reason

REFUSED_CODES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        11,  # POSITION_OUT_OF_BOUND
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        306,  # TOO_DEEP_RECURSION
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        407,  # DECIMAL_OVERFLOW
        436,  # PROTOBUF_BAD_CAST
        437,  # PROTOBUF_FIELD_NOT_REPEATED
        444,  # UNKNOWN_PROTOBUF_FORMAT
    }
)
"""Errors of ClickHouse that are about the bytes, so that the same bytes fail again."""

MALFORMED: Final = "Invalid protobuf data"
"""What ClickHouse says of some of them under a code that says it of other things as well."""

PASSING_CODES: Final = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        164,  # READONLY
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        394,  # QUERY_WAS_CANCELLED
        497,  # ACCESS_DENIED
        999,  # KEEPER_EXCEPTION
    }
)
"""Errors that say nothing about how a store decodes, so that its canary has to be tried again."""


class NotFlat(PermanentError):
    """A request that was taken for flat is not, as `wire` means it."""


@contextlib.contextmanager
def told(what: str, refuses: bool = True) -> Iterator[None]:
    """Turns what the store answers into the two kinds of failure.

    Args:
        what: what failed, the beginning of a sentence.
        refuses: whether errors about the bytes are permanent.

    Raises:
        NotFlat: the bytes were taken for what they are not.
        PermanentError: the same bytes would fail again.
        RetryableError: anything else.
    """
    try:
        yield
    except ClickHouseError as error:
        if NOT_FLAT in str(error):
            raise NotFlat(f"{what}: {NOT_FLAT}") from error
        if refuses and (_code(error) in REFUSED_CODES or MALFORMED in str(error) or isinstance(error, DataError)):
            raise PermanentError(f"{what}: {reason(error)}") from error
        raise RetryableError(f"{what}: {reason(error)}") from error


def is_passing(error: BaseException) -> bool:
    """Whether it says nothing about how the store decodes: no answer at all, or one that may differ later."""
    if isinstance(error, ProgrammingError):
        return False
    return not isinstance(error, Error) or error.code is None or error.code in PASSING_CODES


def _code(error: Exception) -> int | None:
    """ClickHouse's code of an error; None if it came from elsewhere."""
    return error.code if isinstance(error, Error) else None
