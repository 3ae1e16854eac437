"""Points in time as callers give them, as OpenTelemetry wants them: nanoseconds since the epoch."""

import datetime as dt
import time

from thinkmeter.sdk.health import contained

Time = dt.datetime | float
"""A point in time: a `datetime` (without a zone: local time, as everywhere in Python) or seconds since the epoch."""


def now_ns() -> int:
    """This moment, in nanoseconds since the epoch."""
    return time.time_ns()


def nanoseconds(moment: Time | None) -> int | None:
    """The same moment in nanoseconds since the epoch; None for None and for what is no time at all."""
    with contained("reading a time"):
        if isinstance(moment, dt.datetime):
            # Through whole microseconds: a float of seconds since 1970 has none to spare.
            since = moment.astimezone(dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
            return since // dt.timedelta(microseconds=1) * 1_000
        if moment is not None:
            return int(moment * 1e9)
    return None
