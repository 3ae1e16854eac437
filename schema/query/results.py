"""What a reader hands out beside reports."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]
"""One row of a view: column -> value, instants in UTC."""


@dataclasses.dataclass(frozen=True, slots=True)
class Freshness:
    """How current what a reader shows is.

    Attributes:
        as_of: the store's clock.
        newest_inserted: when the newest span came into the store; None before the first.
        shown_until: everything that came in before then is shown.
        waiting_spans: spans that came in since and are not shown yet.
    """

    as_of: dt.datetime
    newest_inserted: dt.datetime | None
    shown_until: dt.datetime
    waiting_spans: int

    @property
    def lag_s(self) -> float:
        """How far behind the store's clock what is shown may be, in seconds."""
        return (self.as_of - self.shown_until).total_seconds()


@dataclasses.dataclass(frozen=True, slots=True)
class RollupState:
    """How far rollups are. What they lack is counted from requests: reports are right then, and slower.

    Attributes:
        in_use: whether the store has enough requests for them.
        requests: how many it has.
        quarters: quarters of an hour with requests that can be counted.
        waiting: those of them whose cells are absent or not those of now.
        waiting_since: when the first of these could have been counted; None where none waits.
    """

    in_use: bool
    requests: int
    quarters: int
    waiting: int
    waiting_since: dt.datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class ThinkingPoint:
    """Thinking tokens of the settled requests that began in [time, time + step)."""

    time: dt.datetime
    key: Mapping[str, Any]
    complete: bool
    """False while requests may still come to it."""
    n: int
    mean: float
    p50: float
    p95: float
    p99: float


@dataclasses.dataclass(frozen=True, slots=True)
class CostPoint:
    """Cost of the calls that began in [time, time + step): None where nothing of it has a price."""

    time: dt.datetime
    key: Mapping[str, Any]
    complete: bool
    cost_usd: float | None
    detail: Mapping[str, Any]
    """As of the metric `cost`: the buckets and what is not priced."""


@dataclasses.dataclass(frozen=True, slots=True)
class RequestRecord:
    """Everything known of one request; rows are named as the columns of the views."""

    request: Row
    attempts: Sequence[Row]
    calls: Sequence[Row]
    verdicts: Sequence[Row]
    labels: Sequence[Row]
    spans: Sequence[Row]
    """All spans of its traces, in time order."""


@dataclasses.dataclass(frozen=True, slots=True)
class Runaway:
    """A request that thought more than its task class allows, and what it was measured against."""

    project: str
    request_id: str
    task: str
    model: str
    """Of the call that thought most."""
    began: dt.datetime
    thinking_tokens: float
    """As last known."""
    cost_usd: float
    threshold_tokens: float
    """What had to be exceeded when it was."""
    baseline_task: str
    """Whose p95 that was made of: the class itself or one of its parents; '' where it was the policy's cap."""
    baseline_n: int
    baseline_p95_tokens: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Runaways:
    """The runaways of a window, the newest first.

    Attributes:
        found: at most as many as were asked for.
        judged_until: calls that were settled before then have been judged; None where no alert engine ever ran.
    """

    found: Sequence[Runaway]
    judged_until: dt.datetime | None
