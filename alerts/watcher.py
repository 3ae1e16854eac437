"""Watches the rules on metrics: what fires once, is told, and ends once.

    ok --holds for `for`--> firing --over, or without data for as long as its window--> resolved

An alert is known by its rule, its group and when it began, so that the same group may fire again later. What fires is
in the store; since when something holds that does not fire yet is in memory, and starts anew in another process.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from thinkmeter.alerts.conditions import Holds, Reading, against_before, against_limit, day_of
from thinkmeter.alerts.settings import OF_A_CALENDAR, AlertSettings, RuleSettings
from thinkmeter.alerts.states import metric_firing, metric_resolved
from thinkmeter.schema.alerting.records import RUNAWAY, AlertEvent, metric_key
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query.filters import dimensions
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.query.report import ReportRow
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.lease import Lease

log = logging.getLogger(__name__)

HISTORY: Final = dt.timedelta(days=90)
"""What a forecast looks back on."""
COMPARED_WITH: Final = 4
"""So many windows are the time before, where the rule does not say."""
WITHOUT_DATA: Final = dt.timedelta(hours=1)
"""An alert of a rule without a window ends after so long without data."""

_Alert = tuple[str, str, str]
"""Project, rule and group."""


class Watcher:
    """Looks at every rule on a metric; one at a time may work on a store: whoever holds the lease.

    Attributes:
        errors: rule -> why it could not be looked at the last time; empty where all goes well.
    """

    def __init__(self, address: StoreAddress, settings: AlertSettings, lease: Lease) -> None:
        """Prepare; nothing is read before `evaluate`.

        Raises:
            ThinkmeterError: a rule splits its metric in a way that it cannot be split; says which.
        """
        self.errors: dict[str, str] = {}
        self._address = address
        self._lease = lease
        self._channels = tuple(settings.channels)
        self._rules = {rule.name: rule for rule in settings.metric_rules}
        self._term = 0
        self._open: dict[_Alert, AlertEvent] = {}
        self._held: dict[_Alert, dt.datetime] = {}
        self._last_known: dict[_Alert, dt.datetime] = {}
        for rule in self._rules.values():
            try:
                for by in _splits(rule):
                    dimensions(METRICS[rule.metric], by)
            except ThinkmeterError as error:
                raise ThinkmeterError(f"alerts.rules: rule {rule.name!r}: {error}") from None

    def evaluate(self, store: AlertStore, now: dt.datetime) -> int:
        """Look at every rule; how many events were stored.

        Raises:
            Exception: the store failed, or the lease went. What was not stored is found again the next time.
        """
        if self._term != self._lease.taken:  # another process may have worked meanwhile
            self._open = {
                (event.project, event.rule, _group(event)): event
                for event in store.open_alerts()
                if event.rule != RUNAWAY
            }
            self._last_known = dict.fromkeys(self._open, now)
            self._held = {}
            self._term = self._lease.taken
        if not self._rules and not self._open:
            return 0
        events: list[AlertEvent] = []
        errors: dict[str, str] = {}
        with Reader(self._address) as reader:
            for rule in self._rules.values():
                try:
                    for project in _projects(reader, rule, now):
                        events += self._look(store, reader, rule, project, now)
                except RetryableError:
                    raise
                except ThinkmeterError as error:
                    errors[rule.name] = str(error)
        self._complain(errors)
        events += self._ended_without_data(now)
        if events and not self._lease.is_held():
            raise RetryableError("the lease on alerts went to another process before what was found could be stored")
        try:
            store.add_events(events)
        except Exception:
            self._term = 0  # whether they are stored is known to the store alone
            raise
        self._forget_absent(now)
        for fresh in events:
            alert = (fresh.project, fresh.rule, _group(fresh))
            if fresh.state == "firing":
                self._open[alert] = fresh
            else:
                del self._open[alert]
        return len(events)

    def _look(
        self, store: AlertStore, reader: Reader, rule: RuleSettings, project: str, now: dt.datetime
    ) -> list[AlertEvent]:
        events = []
        for reading, (since, before) in _readings(reader, rule, project, now):
            group = metric_key(rule.metric, reading.key)
            alert = (project, rule.name, group)
            self._last_known[alert] = now
            opening = self._open.get(alert)
            if reading.holds is not Holds.YES:
                self._held.pop(alert, None)
                if opening is not None and reading.holds is Holds.NO:
                    events.append(metric_resolved(opening, reading.said, now, reading))
            elif opening is None:
                began = self._held.setdefault(alert, now)
                if rule.for_ is None or now - began >= rule.for_:
                    channels = self._channels if rule.channels is None else rule.channels
                    silences = store.silences(now)
                    events.append(
                        metric_firing(rule.name, project, group, reading, (before, since), channels, silences, now)
                    )
        return events

    def _ended_without_data(self, now: dt.datetime) -> list[AlertEvent]:
        """Ends of alerts whose rule is gone, and of those whose group has had no data for too long."""
        events = []
        for alert, opening in self._open.items():
            rule = self._rules.get(opening.rule)
            unknown_for = now - self._last_known.setdefault(alert, now)
            if rule is None:
                events.append(metric_resolved(opening, "the rule is not configured any more", now))
            elif rule.name in self.errors:
                continue
            elif rule.metric == "quota" and unknown_for:  # a day's rows stay until the day is over
                events.append(metric_resolved(opening, "the day is over", now))
            elif unknown_for > (rule.window or WITHOUT_DATA):
                events.append(metric_resolved(opening, "there are no data to judge it by any more", now))
        return events

    def _forget_absent(self, now: dt.datetime) -> None:
        """What holds has to hold all along: a group that is gone begins anew."""
        self._held = {alert: began for alert, began in self._held.items() if self._last_known[alert] == now}
        self._last_known = {alert: at for alert, at in self._last_known.items() if at == now or alert in self._open}

    def _complain(self, errors: dict[str, str]) -> None:
        for rule, error in errors.items():
            if self.errors.get(rule) != error:
                log.warning(
                    "alert rule %r cannot be judged: %s",
                    rule,
                    error,
                    extra=event("alerts.rule_unjudged", rule=rule, reason=error),
                )
        self.errors = errors


def _readings(
    reader: Reader, rule: RuleSettings, project: str, now: dt.datetime
) -> Iterable[tuple[Reading, tuple[dt.datetime, dt.datetime]]]:
    """What a rule sees of every group, with the begin of its window and of the time before."""
    since = _since(reader, rule, now)
    before = since - (rule.against or COMPARED_WITH * rule.window) if rule.is_of_change and rule.window else since
    for by in _splits(rule):
        rows = reader.report(rule.metric, since=since, until=now, by=by, project=project).rows
        if not rule.is_of_change:
            found: list[Reading | None] = [against_limit(rule, row) for row in rows]
        else:
            past = _by_group(reader.report(rule.metric, since=before, until=since, by=by, project=project).rows)
            accuracy: Sequence[Mapping[str, ReportRow]] = ({}, {})
            if rule.metric == "ttr":
                accuracy = [
                    _by_group(reader.report("accuracy", since=first, until=last, by=by, project=project).rows)
                    for first, last in ((since, now), (before, since))
                ]
            found = [
                against_before(rule, row, past[group], (accuracy[0].get(group), accuracy[1].get(group)))
                for row in rows
                if (group := repr(row.key)) in past
            ]
        for reading in found:
            if reading is not None and (rule.metric != "quota" or any(reading.key.get(one) for one in by or ())):
                yield reading, (since, before)


def _by_group(rows: Iterable[ReportRow]) -> dict[str, ReportRow]:
    return {repr(row.key): row for row in rows}


def _splits(rule: RuleSettings) -> list[tuple[str, ...] | None]:
    """How its report is split; of a quota one report is of users and one of sessions."""
    if rule.metric == "quota" and not rule.by:
        return [("user",), ("session",)]
    return [rule.by or None]


def _since(reader: Reader, rule: RuleSettings, now: dt.datetime) -> dt.datetime:
    if rule.metric not in OF_A_CALENDAR:
        assert rule.window is not None  # validated
        return now - rule.window
    return day_of(now.astimezone(reader.timezone())) if rule.metric == "quota" else now - HISTORY


def _projects(reader: Reader, rule: RuleSettings, now: dt.datetime) -> list[str]:
    return reader.values(_since(reader, rule, now), now)["project"]


def _group(event: AlertEvent) -> str:
    """The group of an alert's key, which ends with the instant at which it began."""
    return event.key.rpartition(" ")[0]
