"""The alert engine: judges what arrives, tells the channels, and can be one of several on a store."""

import contextlib
import dataclasses
import datetime as dt
import logging
import os
from collections.abc import Callable, Mapping

from thinkmeter.alerts.channels.pagerduty import PagerDutyChannel
from thinkmeter.alerts.channels.slack import SlackChannel
from thinkmeter.alerts.evaluator import Evaluator
from thinkmeter.alerts.loop import Loop
from thinkmeter.alerts.outbox import Spacing
from thinkmeter.alerts.sender import Channel, Sender
from thinkmeter.alerts.settings import AlertSettings, ChannelSettings, SlackSettings
from thinkmeter.alerts.watcher import Watcher
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.lease import Lease

log = logging.getLogger(__name__)

EVALUATE_EVERY_S = 0.5
LOOK_AT_LEAST_EVERY_S = 30.0
"""How long a sender sleeps where nothing wakes it."""
LEASE_S = 6.0


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel does."""

    failures: int
    """Tries that failed since the last that did not."""
    last_error: str
    waiting: int
    """Events it is still to be told."""


@dataclasses.dataclass(frozen=True, slots=True)
class AlertHealth:
    """How the engine does; times in UTC."""

    leads: bool
    """Whether this process judges and tells; else another does, or none can."""
    judged_until: dt.datetime | None
    """Up to which settled calls were judged by this process."""
    errors: dict[str, str]
    """Part -> why its last turn failed; empty where all goes well."""
    channels: dict[str, ChannelHealth]

    @property
    def ok(self) -> bool:
        """Whether alerts come about and arrive."""
        return not self.errors and not any(channel.failures for channel in self.channels.values())


def now_utc() -> dt.datetime:
    """The time."""
    return dt.datetime.now(dt.UTC)


class AlertEngine:
    """Alerts on one store: `start` and `stop` for a process that stays, `run_once` for a single look."""

    def __init__(
        self,
        address: StoreAddress,
        settings: AlertSettings,
        *,
        dashboard_url: str | None = None,
        environment: Mapping[str, str] = os.environ,
        lease_s: float = LEASE_S,
        clock: Callable[[], dt.datetime] = now_utc,
    ) -> None:
        """Prepare; nothing runs and nothing is read from the store before `start` or `run_once`.

        Args:
            address: where the store is.
            settings: `[alerts]` of the configuration.
            dashboard_url: where messages link to; None: they do not.
            environment: holds the secrets of the channels.
            lease_s: how long after the end of a process that was killed another takes over, in seconds.
            clock: the time in UTC.

        Raises:
            ThinkmeterError: the secret of a channel is not set; says which.
        """
        self._address = address
        self._clock = clock
        self._lease_s = lease_s
        self._lease = Lease("alerts", lease_s)
        self._evaluator = Evaluator(settings, self._lease)
        self._metrics = Watcher(address, settings, self._lease)
        self._look_every_s = settings.evaluate_every.total_seconds()
        spacing = Spacing(settings.digest_after, settings.digest_interval)
        self._senders = [
            Sender(name, open_channel(name, one, environment, dashboard_url), spacing, self._lease)
            for name, one in settings.channels.items()
        ]
        self._keeper = Loop("alerts lease", address, self._keep_lease)
        self._watcher = Loop("alerts evaluation", address, self._evaluate)
        self._metric_watcher = Loop("alerts on metrics", address, self._evaluate_metrics)
        self._loops = {
            sender.name: Loop(f"alerts to {sender.name}", address, self._turn_of(sender)) for sender in self._senders
        }

    def start(self) -> None:
        """Begin to judge and to tell, as soon as no other process does."""
        for loop in (self._keeper, self._watcher, self._metric_watcher, *self._loops.values()):
            loop.start()

    def stop(self) -> None:
        """End what is being done and let another process take over at once; safe without `start`."""
        for sender in self._senders:
            sender.stopping = True
        for loop in (self._watcher, self._metric_watcher, *self._loops.values(), self._keeper):
            loop.stop()
        if self._lease.is_held():
            with contextlib.closing(AlertStore(self._address)) as store:
                store.release(self._lease)

    def run_once(self) -> int:
        """Judge what is new and tell what is to be told now, in this thread; how many events were stored.

        Not to be mixed with `start`. Nothing is done where another process holds the lease.

        Raises:
            ThinkmeterError: the store refuses or does not answer.
        """
        with contextlib.closing(AlertStore(self._address)) as store:
            if not store.acquire(self._lease):
                return 0
            keeper = Loop("alerts lease", self._address, self._keep_lease)
            keeper.start()
            try:
                stored = self._evaluator.evaluate(store, self._clock())
                stored += self._metrics.evaluate(store, self._clock())
                for sender in self._senders:
                    while (again := sender.deliver(store, self._clock)) is not None and again <= self._clock():
                        pass
            finally:
                keeper.stop()
            return stored

    def health(self) -> AlertHealth:
        """How it does."""
        loops = {
            "lease": self._keeper, "evaluation": self._watcher, "metrics": self._metric_watcher, **self._loops
        }  # fmt: skip
        errors = {name: loop.state.last_error for name, loop in loops.items() if loop.state.last_error}
        return AlertHealth(
            leads=self._lease.is_held(),
            judged_until=self._evaluator.reached,
            errors={**errors, **{f"rule {name}": error for name, error in self._metrics.errors.items()}},
            channels={
                sender.name: ChannelHealth(sender.failures, sender.last_error, sender.waiting)
                for sender in self._senders
            },
        )

    def _keep_lease(self, store: AlertStore) -> float:
        taken_before = self._lease.taken
        is_ours = store.acquire(self._lease)
        if self._lease.taken != taken_before:
            self._watcher.wake()
            self._metric_watcher.wake()
            self._wake_senders()
        return self._lease_s / 3 if is_ours else min(1.0, self._lease_s / 3)

    def _evaluate(self, store: AlertStore) -> float:
        if self._lease.is_held() and self._evaluator.evaluate(store, self._clock()):
            self._wake_senders()
        return EVALUATE_EVERY_S

    def _evaluate_metrics(self, store: AlertStore) -> float:
        if self._lease.is_held() and self._metrics.evaluate(store, self._clock()):
            self._wake_senders()
        return self._look_every_s

    def _turn_of(self, sender: Sender) -> Callable[[AlertStore], float]:
        def turn(store: AlertStore) -> float:
            again = sender.deliver(store, self._clock)
            if again is None:
                return LOOK_AT_LEAST_EVERY_S
            return min(LOOK_AT_LEAST_EVERY_S, max(0.0, (again - self._clock()).total_seconds()))

        return turn

    def _wake_senders(self) -> None:
        for loop in self._loops.values():
            loop.wake()


def open_channel(
    name: str, settings: ChannelSettings, environment: Mapping[str, str], dashboard_url: str | None
) -> Channel:
    """A channel as it is configured.

    Raises:
        ThinkmeterError: its secret is not set; says which channel and which variable.
    """
    try:
        if isinstance(settings, SlackSettings):
            return SlackChannel(settings, environment, dashboard_url)
        return PagerDutyChannel(settings, environment, dashboard_url)
    except ThinkmeterError as error:
        raise ThinkmeterError(f"alerts.channels.{name}: {error}") from None
