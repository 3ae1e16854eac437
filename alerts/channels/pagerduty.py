"""PagerDuty: the Events API v2. An alert's key makes a repeat harmless, and lets its resolve close what it opened.

Limits: an event 512 KB, its key 255 characters, its summary 1,024.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from thinkmeter.alerts import messages
from thinkmeter.alerts.channels.post import post
from thinkmeter.alerts.outbox import Message
from thinkmeter.alerts.settings import PagerDutySettings
from thinkmeter.schema.alerting.records import TEST, AlertEvent

KEY_CHARACTERS = 255
SUMMARY_CHARACTERS = 1024
DIGEST_CHARACTERS = 64


class PagerDutyChannel:
    """A channel to one PagerDuty integration."""

    def __init__(self, settings: PagerDutySettings, environment: Mapping[str, str], dashboard_url: str | None) -> None:
        """Find the integration key.

        Raises:
            ThinkmeterError: it is not set.
        """
        self._url = settings.url
        self._routing_key = settings.routing_key(environment)
        self._timeout_s = settings.timeout_s
        self._dashboard_url = dashboard_url

    def send(self, message: Message) -> None:
        """Post a message.

        Raises:
            NotDeliveredError: PagerDuty did not take it.
        """
        event = pagerduty_event(message, self._dashboard_url)
        post(self._url, {"routing_key": self._routing_key, **event}, self._timeout_s)


def pagerduty_event(message: Message, dashboard_url: str | None) -> dict[str, Any]:
    """What is posted, but for the integration key: a trigger, or the resolve of one."""
    known_as = fitting_key(message.id)
    if message.state == "resolved":
        return {"event_action": "resolve", "dedup_key": known_as}
    first = message.events[0]
    event: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": known_as,
        "client": "thinkmeter",
        "payload": {
            "summary": messages.clip(messages.summary(message), SUMMARY_CHARACTERS),
            "source": messages.clip(f"thinkmeter project {first.project}", 200),
            "severity": _severity(message),
            "timestamp": first.time.isoformat(timespec="milliseconds"),
            "component": messages.clip(first.task, 200),
            "group": messages.clip(first.project, 200),
            "class": first.rule,
            "custom_details": _details(message),
        },
    }
    if dashboard_url:
        href = messages.link(dashboard_url, message)
        event |= {"client_url": dashboard_url, "links": [{"href": href, "text": "Open in the dashboard"}]}
    return event


def fitting_key(key: str) -> str:
    """The key itself where it fits, else its beginning with a hash of the whole."""
    if len(key) <= KEY_CHARACTERS:
        return key
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()
    return f"{key[: KEY_CHARACTERS - 1 - DIGEST_CHARACTERS]}-{digest}"


def _severity(message: Message) -> str:
    if message.events[0].rule == TEST:
        return "info"
    return "error" if len(message.events) > 1 else "warning"


def _details(message: Message) -> dict[str, Any]:
    events = message.events
    if len(events) == 1:
        return {**messages.facts(events[0]), **_numbers(events[0])}
    if events[0].is_of_metric:
        return {"alerts": len(events), "worst": [_numbers(event) for event in messages.worst_first(events)]}
    return {
        "requests": len(events),
        "thinking_tokens": int(sum(event.value for event in events)),
        "cost_usd": sum(event.cost_usd for event in events),
        "most": [_numbers(event) for event in messages.worst_first(events)],
    }


def _numbers(event: AlertEvent) -> dict[str, Any]:
    if event.is_of_metric:
        return {
            "of": messages.clip(event.key, 1000), "value": event.value, "limit": event.threshold, "n": event.calls,
            "before": event.baseline_p95, "before_n": event.baseline_n,
        }  # fmt: skip
    return {
        "request_id": messages.clip(event.request_id, 1000),
        "thinking_tokens": int(event.value),
        "threshold_tokens": event.threshold,
        "baseline_requests": event.baseline_n,
        "baseline_p95_tokens": event.baseline_p95,
        "cost_usd": event.cost_usd,
        "calls": event.calls,
    }
