"""SQL of OTLP's times: nanoseconds since 1970, of which some are none."""

from typing import Final

from thinkmeter.collector.sql import all_of

EARLIEST_NANO: Final = 946_684_800 * 10**9
"""2000-01-01: a time before it is no time."""
AHEAD_NS: Final = 86_400 * 10**9
"""A time that lies further ahead of the receipt than a day is none either."""


def is_time(nano: str) -> str:
    """Whether that is a time."""
    return all_of(f"{nano} >= {EARLIEST_NANO}", f"{nano} <= received_nano + {AHEAD_NS}")


def first_time(*nanos: str) -> str:
    """The first that is a time, else when it was received."""
    return f"multiIf({', '.join(f'{is_time(nano)}, {nano}' for nano in nanos)}, received_nano)"


def instant(nano: str) -> str:
    """A number of nanoseconds as the store's own type."""
    return f"fromUnixTimestamp64Nano(toInt64({nano}), 'UTC')"
