"""What rules on metrics see of every group in the store."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from thinkmeter.alerts import trend
from thinkmeter.alerts.conditions import Reading, against_before, against_limit, day_of
from thinkmeter.alerts.settings import OF_A_CALENDAR, RuleSettings
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.query.report import ReportRow
from thinkmeter.schema.query.results import ThinkingPoint

HISTORY: Final = dt.timedelta(days=90)
"""What a forecast looks back on."""
COMPARED_WITH: Final = 4
"""So many windows are the time before, where the rule does not say."""
DAY: Final = dt.timedelta(days=1)
TREND_EVERY: Final = dt.timedelta(hours=1)
"""Whole days hardly change after they are over: late labels and calls may."""

Stretch = tuple[dt.datetime, dt.datetime]
"""Begin of the time before, where a change is watched, and of the window."""


class Readings:
    """Reads what rules look at; a trend, which is of whole days, once an hour."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._trends: dict[tuple[str, str], tuple[dt.datetime, list[Reading]]] = {}

    def of(
        self, reader: Reader, rule: RuleSettings, project: str, now: dt.datetime
    ) -> Iterator[tuple[Reading, Stretch]]:
        """What a rule sees of every group, with the begin of its window and of the time before."""
        if rule.trend is not None:
            yield from self._of_trend(reader, rule, project, now)
            return
        since = _since(reader, rule, now)
        before = since - (rule.against or COMPARED_WITH * rule.window) if rule.is_of_change and rule.window else since
        for by in splits(rule):
            rows = reader.report(rule.metric, since=since, until=now, by=by, project=project).rows
            for reading in _compared(reader, rule, project, rows, by, (before, since, now)):
                if rule.metric != "quota" or any(reading.key.get(one) for one in by or ()):
                    yield reading, (before, since)

    def _of_trend(
        self, reader: Reader, rule: RuleSettings, project: str, now: dt.datetime
    ) -> Iterator[tuple[Reading, Stretch]]:
        assert rule.window is not None
        days = rule.window // DAY
        end = day_of(now.astimezone(reader.timezone()))
        known = self._trends.get((rule.name, project))
        if known is None or not dt.timedelta(0) <= now - known[0] < TREND_EVERY or known[0] < end:
            known = now, trend.readings(rule, list(_groups(reader, rule, project, end, days)), days)
            self._trends[rule.name, project] = known
        for reading in known[1]:
            yield reading, (end - days * DAY, end - days * DAY)


def splits(rule: RuleSettings) -> list[tuple[str, ...] | None]:
    """How its report is split; of a quota one report is of users and one of sessions."""
    if rule.metric == "quota" and not rule.by:
        return [("user",), ("session",)]
    return [rule.by]


def projects(reader: Reader, rule: RuleSettings, now: dt.datetime) -> list[str]:
    """Those with calls in the time that a rule looks at."""
    return reader.values(_since(reader, rule, now), now)["project"]


def _compared(
    reader: Reader,
    rule: RuleSettings,
    project: str,
    rows: Sequence[ReportRow],
    by: tuple[str, ...] | None,
    times: tuple[dt.datetime, dt.datetime, dt.datetime],
) -> Iterator[Reading]:
    """Rows against the limit, or against those of the time before."""
    if not rule.is_of_change:
        yield from (against_limit(rule, row) for row in rows)
        return
    before, since, now = times
    past = _by_group(reader.report(rule.metric, since=before, until=since, by=by, project=project).rows)
    accuracy: Sequence[Mapping[str, ReportRow]] = ({}, {})
    if rule.metric == "ttr":
        accuracy = [
            _by_group(reader.report("accuracy", since=first, until=last, by=by, project=project).rows)
            for first, last in ((since, now), (before, since))
        ]
    for row in rows:
        group = repr(row.key)
        if group in past:
            yield against_before(rule, row, past[group], (accuracy[0].get(group), accuracy[1].get(group)))


def _groups(
    reader: Reader, rule: RuleSettings, project: str, end: dt.datetime, days: int
) -> Iterator[tuple[Mapping[str, Any], trend.Series | None, trend.Quality]]:
    """Every group's days at a fixed mix of task classes, one day before the window included, and its accuracy."""
    by = ("task",) if rule.by is None else rule.by
    split = tuple(dict.fromkeys((*by, "task")))
    first = end - (days + 1) * DAY
    points: dict[str, list[ThinkingPoint]] = {}
    keys: dict[str, Mapping[str, Any]] = {}
    policies = reader.policies()
    for point in reader.thinking_quantiles_over_time(Filters(first, end, project), by=split, step_s=86_400):
        key = {name: point.key[name] for name in by}
        keys[repr(key)] = key
        points.setdefault(repr(key), []).append(point)
    middle = first + DAY + days * DAY / 2
    halves: list[dict[str, list[ReportRow]]] = []
    for begin, until in ((first + DAY, middle), (middle, end)):
        rows: dict[str, list[ReportRow]] = {}
        for row in reader.report("accuracy", since=begin, until=until, by=split, project=project).rows:
            rows.setdefault(repr({name: row.key[name] for name in by}), []).append(row)
        halves.append(rows)
    for group, own in points.items():
        found = trend.series(own, first, rule.field, lambda task: policies[task].min_requests)
        mix = {} if found is None else found.mix
        yield keys[group], found, trend.quality(mix, halves[0].get(group, []), halves[1].get(group, []))


def _by_group(rows: Iterable[ReportRow]) -> dict[str, ReportRow]:
    return {repr(row.key): row for row in rows}


def _since(reader: Reader, rule: RuleSettings, now: dt.datetime) -> dt.datetime:
    if rule.metric not in OF_A_CALENDAR:
        assert rule.window is not None  # validated
        return now - rule.window
    return day_of(now.astimezone(reader.timezone())) if rule.metric == "quota" else now - HISTORY
