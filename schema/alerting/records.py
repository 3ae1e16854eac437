"""Rows of the alert tables, and what is read to make them; every time is aware, in UTC."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

RUNAWAY = "runaway"
"""The rule that judges single requests."""
TEST = "test"
"""Rule of the message by which a channel is tried."""

State = Literal["firing", "resolved"]
TryState = Literal["sending", "sent", "retrying", "failed"]
ReadingState = Literal["firing", "pending", "doubtful", "ok", "insufficient_data", "error"]
"""`pending`: it holds, not for long enough yet; `doubtful`: beyond the limit, but the interval reaches back to it."""
RequestKey = tuple[str, str]
"""Project and request id."""


def metric_key(metric: str, key: Mapping[str, Any]) -> str:
    """What a rule on a metric is about, by what its group is told apart by: `escr task=sql`."""
    told = [f"{name}={part}" for name, part in key.items() if part is not None]
    return " ".join([metric, *told])


def metric_of(key: str) -> str:
    """Name of the metric that a `metric_key` speaks of."""
    return key.partition(" ")[0]


@dataclasses.dataclass(frozen=True, slots=True)
class RunawayPolicy:
    """What the policy of a task class says of runaways."""

    p95_factor: float = 2.0
    floor_tokens: int = 1000
    cap_tokens: int | None = None
    parent: str = "default"


@dataclasses.dataclass(frozen=True, slots=True)
class Baseline:
    """What the requests of a task class that settled in [since, until) used, in thinking tokens."""

    task: str
    since: dt.datetime
    until: dt.datetime
    n: int
    p95: float
    bound: float | None
    """What the factor multiplies: the p95, or above it where n is small; None where n is too small for any."""


@dataclasses.dataclass(frozen=True, slots=True)
class RequestUse:
    """A request of which calls arrived, as it is now known."""

    project: str
    request_id: str
    task: str
    began: dt.datetime
    thinking_tokens: int
    """Of its answering calls; at least so many where the count of some is unknown."""
    arrived: dt.datetime
    """When the newest of its calls was settled."""

    @property
    def key(self) -> RequestKey:
        """Project and request id."""
        return self.project, self.request_id


@dataclasses.dataclass(frozen=True, slots=True)
class RequestTotals:
    """What a request did and cost so far."""

    project: str
    request_id: str
    model: str
    """Of the call that thought most."""
    ended: dt.datetime
    calls: int
    unknown_calls: int
    """Answering calls whose thinking is unknown."""
    uncosted_calls: int
    """Answering calls whose cost is unknown."""
    cost_usd: float
    thinking_tokens: int

    @property
    def key(self) -> RequestKey:
        """Project and request id."""
        return self.project, self.request_id


@dataclasses.dataclass(frozen=True, slots=True)
class AlertEvent:
    """A change of state of an alert, with all that is needed to judge it again; a row of `alert_events`.

    Of a rule on a metric: `key` is `metric_key` and the instant at which it fired, [began, ended) its window, `calls`
    the sample, `value` and `threshold` what was compared, `baseline_*` the time before, where a change is watched, and
    `baseline_task` what was seen, in a sentence.
    """

    project: str
    rule: str
    key: str
    state: State
    time: dt.datetime
    event: str
    dedup_key: str
    channels: tuple[str, ...]
    muted: str
    task: str
    request_id: str
    model: str
    began: dt.datetime
    ended: dt.datetime
    calls: int
    unknown_calls: int
    uncosted_calls: int
    cost_usd: float
    value: float
    threshold: float
    p95_factor: float
    floor_tokens: int
    cap_tokens: int | None
    baseline_task: str
    baseline_since: dt.datetime
    baseline_until: dt.datetime
    baseline_n: int
    baseline_p95: float | None
    baseline_bound: float | None

    @property
    def is_of_metric(self) -> bool:
        """Whether it is of a rule on a metric."""
        return self.rule not in (RUNAWAY, TEST)

    @property
    def metric(self) -> str:
        """Name of the metric, of a rule on one."""
        return metric_of(self.key)


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a channel is to be told, and what came of it so far."""

    event: AlertEvent
    attempts: int
    """Tries so far."""
    state: str
    """'' while nothing was tried; 'sending' of another process: nobody knows whether it arrived."""
    message: str
    """The message that it was tried in."""
    perhaps_sent: bool
    next_attempt: dt.datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class Opening:
    """How the start of an alert was told to a channel: the message, how many events it held, what came of it."""

    message: str
    members: int
    state: str


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """One try to tell a channel of one event; a row of `alert_attempts`."""

    time: dt.datetime
    project: str
    rule: str
    task: str
    event: str
    alert_state: State
    channel: str
    attempt: int
    state: TryState
    message: str
    members: int
    owner: str
    perhaps_sent: bool = False
    error: str = ""
    next_attempt: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RuleReading:
    """What a rule on a metric saw of a group when it looked; a row of `alert_readings`, for people alone.

    `key` is '' where it saw no group, and `said` why, or why it could not look. `since`: when it fired, or began to
    hold.
    """

    project: str
    rule: str
    key: str
    time: dt.datetime
    state: ReadingState
    since: dt.datetime | None
    task: str
    user_id: str
    session_id: str
    metric: str
    field: str
    value: float | None
    low: float | None
    high: float | None
    target: float | None
    n: int
    said: str


@dataclasses.dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that nobody is to be told of from `since` to `until`; an empty condition holds for all."""

    id: str
    since: dt.datetime
    until: dt.datetime
    project: str = ""
    rule: str = ""
    task: str = ""
    key: str = ""
    reason: str = ""
    created_by: str = ""

    def covers(self, project: str, rule: str, task: str, key: str, at: dt.datetime) -> bool:
        """Whether an alert that fires at that time is silenced."""
        return self.since <= at < self.until and all(
            wanted in ("", actual)
            for wanted, actual in (
                (self.project, project),
                (self.rule, rule),
                (self.task, task),
                (self.key, key),
            )
        )
