"""The outbox, pure: of what a channel is still to be told, which messages go now, and when to look again.

What happened in a short time is told together: a few alerts of a task class go one by one, more of them as a digest,
and a channel that got `digest_after` messages of a class gets one more every `digest_interval`. A message is resolved
as a whole, once every alert in it is. Tries are spaced by exponential back-off with jitter, or as the channel asks, and
go on for 24 hours.
"""

import dataclasses
import datetime as dt
import random
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from thinkmeter.schema.alerting.records import AlertEvent, Delivery, Opening, State

TOGETHER = 4
"""From so many new alerts of a class on, one digest says it better."""
GIVE_UP_AFTER = dt.timedelta(hours=24)
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0

TOO_LATE = "not delivered within 24 hours"
NEVER_TOLD = "its start was never delivered"

Topic = tuple[str, str, str]
"""Project, rule and task class: what may share a message."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What a channel is told at once: one alert, or several of a topic."""

    id: str
    """What it is known by at the channel; for one alert its own key. A resolve bears the id of what it resolves."""
    state: State
    deliveries: tuple[Delivery, ...]
    repeated: bool = False
    """Whether an earlier try may have arrived, and nobody knows."""

    @property
    def events(self) -> list[AlertEvent]:
        """The events it tells of."""
        return [delivery.event for delivery in self.deliveries]

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return 1 + max(delivery.attempts for delivery in self.deliveries)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to do for a channel now."""

    messages: list[Message]
    """To be sent, in this order."""
    given_up: dict[str, list[Delivery]]
    """Reason -> what is not tried any more."""
    look_again: dt.datetime | None
    """When something that waits may go; None: nothing waits for a time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Spacing:
    """How close together messages of a topic may come."""

    burst: int
    interval: dt.timedelta

    def allowed(self, told: Sequence[dt.datetime], now: dt.datetime) -> int:
        """How many messages may go now, after those at the given times; a token bucket that fills by the interval."""
        return max(0, (now + self.burst * self.interval - max(self._filled(told), now)) // self.interval)

    def next_allowed(self, told: Sequence[dt.datetime]) -> dt.datetime:
        """When the next message may go."""
        return self._filled(told) - (self.burst - 1) * self.interval

    def _filled(self, told: Sequence[dt.datetime]) -> dt.datetime:
        """When the bucket is full again."""
        filled = dt.datetime.fromtimestamp(0, dt.UTC)
        for time in told:
            filled = max(filled, time) + self.interval
        return filled


def plan(
    deliveries: Sequence[Delivery],
    openings: Mapping[str, Opening],
    told: Mapping[Topic, Sequence[dt.datetime]],
    spacing: Spacing,
    now: dt.datetime,
) -> Plan:
    """Decide what a channel is told now.

    Args:
        deliveries: all that it is still to be told, oldest first; nothing of it is being sent.
        openings: how the starts of those alerts that ended were told, by event.
        told: when it was told of new alerts, by topic, as far back as the spacing looks.
        spacing: how close messages may come.
        now: the time.
    """
    messages: list[Message] = []
    given_up: dict[str, list[Delivery]] = {}
    waits: list[dt.datetime] = []
    for message in _tried_or_ended(deliveries, openings):
        due = max((d.next_attempt for d in message.deliveries if d.next_attempt is not None), default=now)
        if now - max(event.time for event in message.events) >= GIVE_UP_AFTER:
            given_up.setdefault(TOO_LATE, []).extend(message.deliveries)
        elif due > now:
            waits.append(due)
        else:
            messages.append(message)
    fresh: dict[Topic, list[Delivery]] = {}
    for delivery in deliveries:
        event = delivery.event
        if event.state == "resolved":
            if _opening(delivery, openings).state == "failed":
                given_up.setdefault(NEVER_TOLD, []).append(delivery)
        elif not delivery.message:
            if now - event.time >= GIVE_UP_AFTER:
                given_up.setdefault(TOO_LATE, []).append(delivery)
            else:
                fresh.setdefault((event.project, event.rule, event.task), []).append(delivery)
    for topic, waiting in fresh.items():
        allowed = spacing.allowed(told.get(topic, ()), now)
        if allowed == 0:
            waits.append(spacing.next_allowed(told[topic]))
        elif len(waiting) <= allowed and len(waiting) < TOGETHER:
            messages.extend(Message(d.event.dedup_key, "firing", (d,)) for d in waiting)
        else:
            messages.append(Message(_digest_id(topic, waiting), "firing", tuple(waiting)))
    messages.sort(key=lambda message: message.deliveries[0].event.time)
    return Plan(messages, given_up, min(waits, default=None))


def _tried_or_ended(deliveries: Sequence[Delivery], openings: Mapping[str, Opening]) -> list[Message]:
    """Messages that were tried before, and those that say that all alerts of an earlier one have ended."""
    tried: dict[tuple[str, State], list[Delivery]] = {}
    for delivery in deliveries:
        opening = _opening(delivery, openings)
        if delivery.event.state == "resolved":
            if opening.state == "sent":
                tried.setdefault((opening.message, "resolved"), []).append(delivery)
        elif delivery.message:
            tried.setdefault((delivery.message, "firing"), []).append(delivery)
    return [
        Message(id, state, tuple(members), any(d.perhaps_sent or d.state == "sending" for d in members))
        for (id, state), members in tried.items()
        if state == "firing" or len(members) == _opening(members[0], openings).members
    ]


def _opening(delivery: Delivery, openings: Mapping[str, Opening]) -> Opening:
    return openings.get(opening_event(delivery.event), Opening("", 0, ""))


def opening_event(event: AlertEvent) -> str:
    """The event with which its alert began."""
    return f"{event.dedup_key}/firing"


def _digest_id(topic: Topic, deliveries: Sequence[Delivery]) -> str:
    project, rule, task = topic
    return f"{quote(project, safe='')}/{rule}/{task}/{len(deliveries)} from {deliveries[0].event.key}"


def delay_s(attempt: int, retry_after_s: float | None, chance: random.Random) -> float:
    """How long to wait after a try that failed, in seconds.

    Args:
        attempt: which try failed, from 1.
        retry_after_s: what the channel asked for; it never gets less.
        chance: for the jitter.
    """
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt - 1, 30))
    jittered = longest * chance.uniform(0.5, 1.0)
    return jittered if retry_after_s is None else max(jittered, retry_after_s * chance.uniform(1.0, 1.1))
