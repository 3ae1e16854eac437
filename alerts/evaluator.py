"""Judges every call that arrived since the last time, and ends what has settled."""

import datetime as dt
import time
from collections.abc import Iterable, Sequence

from thinkmeter.alerts import runaway, states
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.schema.alerting.baselines import minute_of
from thinkmeter.schema.alerting.records import RUNAWAY, AlertEvent, Baseline, RequestKey, RequestUse, RunawayPolicy
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import RetryableError
from thinkmeter.schema.store.lease import Lease

FIRST_LOOK_BACK = dt.timedelta(minutes=1)
"""Where alerts run on a store for the first time, they begin with what arrived so shortly before."""
OVERLAP = dt.timedelta(seconds=5)
"""What was settled so shortly before the watermark is looked at again: the rows of one run appear one after another,
and clocks are set back."""
STEP = dt.timedelta(minutes=10)
"""So much of what arrived is judged at once, in catching up."""
MINUTES_AT_ONCE = 50
CACHED_MINUTES = 5000


class Evaluator:
    """Finds what fires and what has ended, and stores it; what it remembers is in the store too.

    One at a time may work on a store: whoever holds the lease.

    Attributes:
        reached: up to which settled calls were judged; None before it has looked.
    """

    def __init__(self, settings: AlertSettings, lease: Lease) -> None:
        """Prepare; nothing is read before `evaluate`."""
        self.reached: dt.datetime | None = None
        self._channels = settings.runaway_channels
        self._resolve_after = settings.resolve_after
        self._lease = lease
        self._term = 0
        self._last_seen: tuple[dt.datetime, int] | None = None
        self._judged: dict[RequestKey, dt.datetime] = {}
        self._open: dict[RequestKey, tuple[AlertEvent, dt.datetime]] = {}
        self._known_baselines: dict[tuple[str, dt.datetime], list[Baseline]] = {}

    def evaluate(self, store: AlertStore, now: dt.datetime) -> int:
        """Judge what is new and end what has settled; how many events were stored.

        Raises:
            Exception: the store failed, or the lease went. What was not stored is found again the next time.
        """
        if self._term != self._lease.taken:  # another process may have worked meanwhile
            self._take_over(store, now)
        return self._judge_new(store, now) + self._resolve(store, now)

    def _take_over(self, store: AlertStore, now: dt.datetime) -> None:
        reached = store.watermark()
        if reached is None:
            reached = now - FIRST_LOOK_BACK
            store.set_watermark(reached, 0, 0.0)
        self._last_seen = None
        self._judged = {}
        self._open = {
            (event.project, event.key): (event, event.ended + self._resolve_after)
            for event in store.open_alerts()
            if event.rule == RUNAWAY
        }
        self.reached = reached
        self._term = self._lease.taken

    def _judge_new(self, store: AlertStore, now: dt.datetime) -> int:
        assert self.reached is not None
        seen = store.newest_version(self.reached - OVERLAP)
        if seen is None or seen == self._last_seen:
            return 0
        newest, _ = seen
        policies = store.policies()
        fired = 0
        while True:
            started = time.monotonic()
            until = min(newest, self.reached + STEP)
            least_tokens = runaway.least_threshold(policies)
            changed = store.changed_requests(RUNAWAY, self.reached - OVERLAP, until, least_tokens)
            new = [request for request in changed if self._judged.get(request.key) != request.arrived]
            fired += self._fire(store, self._runaways(store, new, policies), now)
            self._judged |= {request.key: request.arrived for request in new}
            if until > self.reached:
                store.set_watermark(until, len(new), (time.monotonic() - started) * 1e3)
                self.reached = until
            if until >= newest:
                break
        self._judged = {k: arrived for k, arrived in self._judged.items() if arrived >= self.reached - OVERLAP}
        self._last_seen = seen
        return fired

    def _runaways(
        self, store: AlertStore, requests: Sequence[RequestUse], policies: dict[str, RunawayPolicy]
    ) -> list[tuple[RequestUse, runaway.Threshold]]:
        self._learn_baselines(store, requests)
        found = []
        for request in requests:
            baselines = self._known_baselines[request.project, minute_of(request.began)]
            threshold = runaway.threshold(request.task, policies, baselines)
            if threshold is not None and request.thinking_tokens > threshold.tokens:
                found.append((request, threshold))
        return found

    def _learn_baselines(self, store: AlertStore, requests: Iterable[RequestUse]) -> None:
        """Read the baselines of the minutes in which requests began; make those that were never made."""
        if len(self._known_baselines) > CACHED_MINUTES:
            self._known_baselines.clear()
        wanted: dict[str, set[dt.datetime]] = {}
        for request in requests:
            minute = minute_of(request.began)
            if (request.project, minute) not in self._known_baselines:
                wanted.setdefault(request.project, set()).add(minute)
        for project, minutes in wanted.items():
            ordered = sorted(minutes)
            for start in range(0, len(ordered), MINUTES_AT_ONCE):
                some = ordered[start : start + MINUTES_AT_ONCE]
                found = store.baselines(project, some)
                if missing := [minute for minute in some if minute not in found]:
                    store.make_baselines(project, missing)
                    found |= store.baselines(project, missing)
                self._known_baselines |= {(project, minute): found.get(minute, []) for minute in some}

    def _fire(self, store: AlertStore, found: list[tuple[RequestUse, runaway.Threshold]], now: dt.datetime) -> int:
        if not found:
            return 0
        totals = store.request_totals([request.key for request, _ in found])
        silences = store.silences(now)
        events = [
            states.firing(request, totals[request.key], threshold, self._channels, silences, now)
            for request, threshold in found
            if request.key in totals
        ]
        self._add(store, events)
        for event in events:
            self._open[event.project, event.key] = event, event.ended + self._resolve_after
        return len(events)

    def _resolve(self, store: AlertStore, now: dt.datetime) -> int:
        due = [key for key, (_, at) in self._open.items() if at <= now]
        if not due:
            return 0
        totals = store.request_totals(due)
        events = []
        for key in due:
            opening, _ = self._open[key]
            total = totals.get(key)
            if total is not None and total.ended + self._resolve_after > now:
                self._open[key] = opening, total.ended + self._resolve_after
            else:
                events.append(states.resolved(opening, total, now))
        self._add(store, events)
        for event in events:
            del self._open[event.project, event.key]
        return len(events)

    def _add(self, store: AlertStore, events: list[AlertEvent]) -> None:
        if events and not self._lease.is_held():
            raise RetryableError("the lease on alerts went to another process before what was found could be stored")
        store.add_events(events)
