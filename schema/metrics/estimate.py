"""What a metric comes to: a value with its interval, the sample behind it, and whether it may be relied on."""

import dataclasses
from enum import StrEnum
from typing import Any, Self


class State(StrEnum):
    """What may be said about a value."""

    OK = "ok"
    INSUFFICIENT_DATA = "insufficient_data"
    INCONCLUSIVE = "inconclusive"
    NO_GAIN = "no_gain"
    WORSE = "worse"


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """One number of one metric.

    Attributes:
        value: in the metric's unit; None unless the state is `ok` (or `inconclusive`).
        low: lower end of the 95 % interval, None where there is none.
        high: upper end.
        n: size of the sample that `value` speaks of.
        state: whether there is enough data, and what it says.
        detail: every ingredient by name, so that the arithmetic can be redone; `reason` where there is no value.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    state: State
    detail: dict[str, Any]

    @classmethod
    def insufficient(cls, n: int, reason: str, detail: dict[str, Any]) -> Self:
        """No value, and in one clause why."""
        return cls(None, None, None, n, State.INSUFFICIENT_DATA, {**detail, "reason": reason})
