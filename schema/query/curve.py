"""The stretches of time that a curve has a point for."""

import datetime as dt
from typing import Any, Final

from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.settings import Settings

CURVE_STEPS_S: Final = (60, 300, 900, 3_600, 10_800, 21_600, 86_400)
CURVE_POINTS: Final = 100
"""A curve has about as many points at most, unless a day is too short for that."""


def curve_step_s(filters: Filters) -> int:
    """Length of a stretch, in seconds, that gives a window a readable curve."""
    window_s = (filters.until - filters.since).total_seconds()
    return next((step for step in CURVE_STEPS_S if window_s / step <= CURVE_POINTS), CURVE_STEPS_S[-1])


def stretch(key: dict[str, Any], name: str, step_s: int, settings: Settings) -> tuple[dt.datetime, bool]:
    """Take the begin of the stretch out of a key; whether the stretch is over."""
    time = dt.datetime.fromisoformat(key.pop(name))
    return time, time + dt.timedelta(seconds=step_s) <= settings.as_of
