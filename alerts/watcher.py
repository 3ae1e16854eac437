"""Watches the rules on metrics: what fires once, is told, and ends once.

    ok --holds for `for`--> firing --over, or without data for as long as its window--> resolved

An alert is known by its rule, its group and when it began, so that the same group may fire again later. What fires is
in the store; since when something holds that does not fire yet is in memory, and starts anew in another process.
"""

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from thinkmeter.alerts.conditions import Holds, Reading
from thinkmeter.alerts.readings import Readings, projects, splits
from thinkmeter.alerts.settings import AlertSettings, RuleSettings
from thinkmeter.alerts.states import metric_firing, metric_resolved
from thinkmeter.schema.alerting.records import RUNAWAY, AlertEvent, ReadingState, RuleReading, metric_key
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query.filters import dimensions
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.lease import Lease

log = logging.getLogger(__name__)

WITHOUT_DATA: Final = dt.timedelta(hours=1)
"""An alert of a rule without a window ends after so long without data."""
SHOWN_OF_A_RULE: Final = 50
"""So many groups of a rule and project people are shown at most: those that hold, then those nearest to it."""
TOLD_EVERY: Final = dt.timedelta(minutes=1)
"""How far apart it is written down what rules see, where no state changes."""

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
        self._readings = Readings()
        self._told: tuple[dt.datetime, dict[_Alert, ReadingState]] | None = None
        for rule in self._rules.values():
            try:
                for by in splits(rule):
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
        seen: dict[_Alert, Reading] = {}
        with Reader(self._address) as reader:
            for rule in self._rules.values():
                try:
                    for project in projects(reader, rule, now):
                        events += self._look(store, reader, rule, project, now, seen)
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
        self._tell(store, seen, now)
        return len(events)

    def _look(
        self,
        store: AlertStore,
        reader: Reader,
        rule: RuleSettings,
        project: str,
        now: dt.datetime,
        seen: dict[_Alert, Reading],
    ) -> list[AlertEvent]:
        events = []
        for reading, (before, since) in self._readings.of(reader, rule, project, now):
            group = metric_key(rule.metric, reading.key)
            alert = (project, rule.name, group)
            seen[alert] = reading
            if reading.holds is Holds.UNKNOWN:
                continue
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

    def _tell(self, store: AlertStore, seen: dict[_Alert, Reading], now: dt.datetime) -> None:
        """Write down for people what rules saw, where a state changed or the last time is a while ago."""
        states = {alert: self._state(alert, reading) for alert, reading in seen.items()}
        if self._told and self._told[1] == states and dt.timedelta(0) <= now - self._told[0] < TOLD_EVERY:
            return
        by_rule: dict[tuple[str, str], list[RuleReading]] = {}
        for alert, reading in seen.items():
            project, name, group = alert
            opening = self._open.get(alert)
            since = opening.time if opening else self._held.get(alert)
            rule = self._rules[name]
            told = _told(rule, project, group, reading, states[alert], since, now)
            by_rule.setdefault((name, project), []).append(told)
        rows = [row for some in by_rule.values() for row in sorted(some, key=_nearest)[:SHOWN_OF_A_RULE]]
        store.add_readings([*rows, *self._without_readings({name for name, _ in by_rule}, now)])
        self._told = now, states

    def _state(self, alert: _Alert, reading: Reading) -> ReadingState:
        if alert in self._open:
            return "firing"
        if reading.holds is Holds.UNKNOWN:
            return "insufficient_data"
        if alert in self._held:
            return "pending"
        return "doubtful" if reading.holds is Holds.DOUBTFUL else "ok"

    def _without_readings(self, judged: set[str], now: dt.datetime) -> Iterator[RuleReading]:
        """What is said of rules that saw no group: that there was none, or why they could not look."""
        for name, rule in self._rules.items():
            if name in self.errors:
                error = Reading({}, Holds.UNKNOWN, None, None, 0, self.errors[name])
                yield _told(rule, "", "", error, "error", None, now)
            elif name not in judged:
                nothing = Reading({}, Holds.UNKNOWN, None, None, 0, "there were no calls in the time that it looks at")
                yield _told(rule, "", "", nothing, "insufficient_data", None, now)

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


def _told(
    rule: RuleSettings,
    project: str,
    group: str,
    reading: Reading,
    state: ReadingState,
    since: dt.datetime | None,
    now: dt.datetime,
) -> RuleReading:
    return RuleReading(
        project=project,
        rule=rule.name,
        key=group,
        time=now,
        state=state,
        since=since,
        task=str(reading.key.get("task") or ""),
        user_id=str(reading.key.get("user") or ""),
        session_id=str(reading.key.get("session") or ""),
        metric=rule.metric,
        field=rule.field,
        value=reading.value,
        low=reading.low,
        high=reading.high,
        target=reading.limit,
        n=reading.n,
        said=reading.said,
    )


def _nearest(reading: RuleReading) -> tuple[int, float]:
    """For sorting: what fires first, then what is nearest to its limit."""
    order: Sequence[ReadingState] = ("firing", "pending", "doubtful", "ok", "insufficient_data", "error")
    value, target = reading.value, reading.target
    return order.index(reading.state), 0.0 if value is None or target is None else abs(value - target)


def _group(event: AlertEvent) -> str:
    """The group of an alert's key, which ends with the instant at which it began."""
    return event.key.rpartition(" ")[0]
