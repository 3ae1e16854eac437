"""Tells one channel what it is to be told: plans, marks, posts, records, one message after the other."""

import dataclasses
import datetime as dt
import logging
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from thinkmeter.alerts.channels.post import NotDeliveredError
from thinkmeter.alerts.outbox import LONGEST_DELAY_S, Message, Plan, Spacing, delay_s, opening_event, plan
from thinkmeter.schema.alerting.records import Attempt, Delivery, TryState
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.lease import Lease

log = logging.getLogger(__name__)

LOOK_BACK = dt.timedelta(days=3)
"""Events that are older are past telling."""


class Channel(Protocol):
    """What takes messages."""

    def send(self, message: Message) -> None:
        """Post a message.

        Raises:
            NotDeliveredError: it was not taken.
        """


class Sender:
    """One channel's part of the outbox.

    A try is recorded before it is made, and its outcome after. Where the process ends between the two, nobody knows
    whether the message arrived: the next one sends it again, since an alert twice is better than none. PagerDuty knows
    it by its key; on Slack it says that it may be a repeat.

    Attributes:
        failures: tries that failed since the last that did not.
        last_error: why the last of them did.
        stopping: set from elsewhere, so that no further message is begun.
        waiting: events that the channel is still to be told, as of the last look.
    """

    def __init__(self, name: str, channel: Channel, spacing: Spacing, lease: Lease) -> None:
        """Prepare; nothing is sent before `deliver`."""
        self.name = name
        self.failures = 0
        self.last_error = ""
        self.waiting = 0
        self.stopping = False
        self._channel = channel
        self._spacing = spacing
        self._lease = lease
        self._chance = random.Random()
        self._paused_until = dt.datetime.fromtimestamp(0, dt.UTC)
        self._unrecorded: list[Attempt] = []

    def deliver(self, store: AlertStore, clock: Callable[[], dt.datetime]) -> dt.datetime | None:
        """Send what may go now; when to look again if nothing new happens, None: not for a time's sake.

        Raises:
            Exception: the store failed. Nothing is lost by that; what was sent is recorded at the next turn, before
                anything else is.
        """
        self._record(store)
        now = clock()
        if not self._lease.is_held():
            return None
        if now < self._paused_until:
            return self._paused_until
        todo = self._plan(store, now)
        for reason, deliveries in todo.given_up.items():
            self._give_up(store, reason, deliveries, now)
        for message in todo.messages:
            if self.stopping or not self._lease.is_held():
                return None
            self._send(store, message, clock)
            if clock() < self._paused_until:
                return self._paused_until
        # what was sent may let others go: an alert is resolved after it was told
        return clock() if todo.messages else todo.look_again

    def _plan(self, store: AlertStore, now: dt.datetime) -> Plan:
        deliveries = store.deliveries(self.name, now - LOOK_BACK)
        self.waiting = len(deliveries)
        if not deliveries:
            return Plan([], {}, None)
        ended = [opening_event(d.event) for d in deliveries if d.event.state == "resolved"]
        openings = store.openings(self.name, ended)
        told = store.sent_messages(self.name, now - self._spacing.burst * self._spacing.interval)
        return plan(deliveries, openings, told, self._spacing, now)

    def _send(self, store: AlertStore, message: Message, clock: Callable[[], dt.datetime]) -> None:
        store.add_attempts(self._attempts(message, "sending", clock()))
        try:
            self._channel.send(message)
        except NotDeliveredError as error:
            self._unrecorded = self._failed(message, error, clock())
        except Exception as error:  # a fault of ours in one message must not hold up the others
            log.exception(
                "alert channel %s: message %s could not be made",
                self.name,
                message.id,
                extra=event("channel.message_faulty", channel=self.name, alert=message.id),
            )
            fault = NotDeliveredError(type(error).__name__, perhaps_sent=True, refused=True)
            self._unrecorded = self._failed(message, fault, clock())
        else:
            self.failures, self.last_error = 0, ""
            self._unrecorded = self._attempts(message, "sent", clock())
        self._record(store)

    def _failed(self, message: Message, error: NotDeliveredError, now: dt.datetime) -> list[Attempt]:
        self.failures += 1
        if str(error) != self.last_error:
            log.warning(
                "alert channel %s: %s; trying again for 24 hours",
                self.name,
                error,
                extra=event("channel.failing", channel=self.name, reason=str(error)),
            )
        self.last_error = str(error)
        if error.refused:
            # the same message will hardly be taken later, unless someone corrects the channel; others may be now
            pause_s = max(LONGEST_DELAY_S, error.retry_after_s)
        else:
            pause_s = delay_s(message.attempt, error.retry_after_s, self._chance)
            self._paused_until = now + dt.timedelta(seconds=pause_s)
        next_attempt = now + dt.timedelta(seconds=pause_s)
        retrying = self._attempts(message, "retrying", now, error=str(error))
        return [
            dataclasses.replace(attempt, perhaps_sent=error.perhaps_sent, next_attempt=next_attempt)
            for attempt in retrying
        ]

    def _give_up(self, store: AlertStore, reason: str, deliveries: Sequence[Delivery], now: dt.datetime) -> None:
        log.error(
            "alert channel %s: gave up on %d alerts: %s",
            self.name,
            len(deliveries),
            reason,
            extra=event("channel.gave_up", channel=self.name, alerts=len(deliveries), reason=reason),
        )
        given_up = Message(deliveries[0].message, deliveries[0].event.state, tuple(deliveries))
        store.add_attempts(self._attempts(given_up, "failed", now, error=reason))

    def _record(self, store: AlertStore) -> None:
        store.add_attempts(self._unrecorded)
        self._unrecorded = []

    def _attempts(self, message: Message, state: TryState, now: dt.datetime, *, error: str = "") -> list[Attempt]:
        return [
            Attempt(
                time=now,
                project=event.project,
                rule=event.rule,
                task=event.task,
                event=event.event,
                alert_state=event.state,
                channel=self.name,
                attempt=message.attempt,
                state=state,
                message=message.id,
                members=len(message.deliveries),
                owner=self._lease.owner,
                error=error,
            )
            for event in message.events
        ]
