"""What a report says: a metric's rows over a window, and the form in which they are handed out."""

import dataclasses
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from thinkmeter.schema.metrics.catalogue import Metric
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.query.population import BUCKET, STEPS_S


@dataclasses.dataclass(frozen=True, slots=True)
class ReportRow:
    """One group of requests, with what the metric comes to there (see `Estimate`).

    Attributes:
        key: what the rows are told apart by -> this row's value; None where it is not known.
    """

    key: dict[str, Any]
    value: float | None
    low: float | None
    high: float | None
    n: int
    state: State
    detail: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """A metric over the window [since, until), as known at `as_of`; one row a group, in the order of their keys."""

    metric: Metric
    since: dt.datetime
    until: dt.datetime
    as_of: dt.datetime
    rows: tuple[ReportRow, ...]
    note: str = ""
    """What has to be said with them; mostly nothing."""

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return self.metric.unit

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, to be written as JSON; with `note` only where there is one."""
        return {
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "as_of": rfc3339(self.as_of),
            "rows": [{**dataclasses.asdict(row), "state": row.state.value} for row in self.rows],
            **({"note": self.note} if self.note else {}),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of a row's key: its name, and its value as people know it."""

    name: str
    zone: ZoneInfo

    def value(self, part: Any) -> Any:
        """The value as it is told: times as text, none for what is not said."""
        if self.name in STEPS_S or self.name.startswith(BUCKET):
            begun = dt.datetime.fromtimestamp(part, self.zone)
            return begun.date().isoformat() if self.name == "day" else begun.isoformat().replace("+00:00", "Z")
        return None if part == "" else part


def rfc3339(moment: dt.datetime) -> str:
    """An instant in UTC as `2026-11-22T00:00:07Z`; fractions of a second only where there are any."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
