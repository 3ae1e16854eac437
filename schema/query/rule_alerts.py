"""What rules on metrics see and saw: their newest readings, and the alerts that fired."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from clickhouse_connect.driver.query import QueryResult

from thinkmeter.schema.alerting.records import RuleReading, Silence, metric_of
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.store.statement import statement


@dataclasses.dataclass(frozen=True, slots=True)
class Telling:
    """What became of telling a channel that an alert fired."""

    channel: str
    state: str
    """`pending`, `sending`, `sent`, `retrying` or `failed`."""
    last_error: str


@dataclasses.dataclass(frozen=True, slots=True)
class RuleAlert:
    """An alert of a rule on a metric, from when it fired until it ended.

    Attributes:
        project: whose.
        rule: its name.
        key: what it is known by: the metric, the group and the instant.
        task: task class of the group; '' where it is not told apart by that.
        fired: when.
        ended: None while it fires.
        value: what was seen when it fired.
        threshold: what that was compared with.
        n: size of the sample.
        said: the same in a sentence, with the interval.
        end_said: what was seen when it ended.
        muted: why nobody was told; '' where somebody was to be.
        told: channel by channel.
    """

    project: str
    rule: str
    key: str
    task: str
    fired: dt.datetime
    ended: dt.datetime | None
    value: float
    threshold: float
    n: int
    said: str
    end_said: str
    muted: str
    told: Sequence[Telling]

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return metric_of(self.key)

    @property
    def group(self) -> str:
        """What it is told apart by: `task=sql`."""
        return self.key.partition(" ")[2].rpartition(" ")[0]


@dataclasses.dataclass(frozen=True, slots=True)
class RuleAlerts:
    """Rules on metrics, as the alert engine last saw them.

    Attributes:
        readings: of its last look, what fires first; empty where there are no rules, or no engine has looked for a day.
        alerts: those that fire, then those that ended in the window.
        silences: those that are not over.
    """

    readings: Sequence[RuleReading]
    alerts: Sequence[RuleAlert]
    silences: Sequence[Silence]

    @property
    def looked(self) -> dt.datetime | None:
        """When the rules were last looked at."""
        return max((reading.time for reading in self.readings), default=None)

    @property
    def firing(self) -> list[RuleAlert]:
        """The alerts that fire."""
        return [alert for alert in self.alerts if alert.ended is None]

    def silence(self, project: str, rule: str, task: str, group: str, at: dt.datetime) -> Silence | None:
        """The silence that covers an alert which would fire at that time."""
        return next((one for one in self.silences if one.covers(project, rule, task, group, at)), None)


def read_rule_alerts(query: Callable[[str, dict[str, Any]], QueryResult], filters: Filters, limit: int) -> RuleAlerts:
    """What rules on metrics see, and their alerts that fire or did in a window.

    Args:
        query: runs a statement, column by column.
        filters: of the project and the task class, and the window.
        limit: of readings and of alerts.
    """

    def rows(sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return list(zip(*query(sql, values).result_columns, strict=True))

    asked = {"project": filters.project or "", "task": filters.where.get("task", ""), "most": limit}
    readings = rows(statement(__package__, "rule_readings"), **asked)
    alerts = rows(statement(__package__, "rule_alerts"), **asked, since=filters.since, until=filters.until)
    silences = rows(statement("thinkmeter.schema.alerting", "silences"), now=dt.datetime.now(dt.UTC))
    return RuleAlerts(
        [RuleReading(*row) for row in readings],
        [RuleAlert(*(*row[:-1], [Telling(*one) for one in row[-1]])) for row in alerts],
        [Silence(*row) for row in silences],
    )
