"""What rules on metrics see and saw: their newest readings, and the alerts that fired."""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from thinkmeter.schema.alerting.records import RuleReading, Silence, metric_of


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
