"""Slack: an incoming webhook with Block Kit, and the same as plain text for notifications and old clients.

A webhook knows no identity of messages, so a message of which nobody knows whether it arrived is sent again and says
so: an alert twice is better than none. Limits: 50 blocks; header 150 characters; section 3,000, of 10 fields with
2,000 each; context 10 elements.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from thinkmeter.alerts import messages
from thinkmeter.alerts.channels.post import post
from thinkmeter.alerts.outbox import Message
from thinkmeter.alerts.settings import SlackSettings
from thinkmeter.schema.alerting.records import AlertEvent

HEADER_CHARACTERS = 150
SECTION_CHARACTERS = 3000
FIELD_CHARACTERS = 2000


class SlackChannel:
    """A channel behind an incoming webhook."""

    def __init__(self, settings: SlackSettings, environment: Mapping[str, str], dashboard_url: str | None) -> None:
        """Find the webhook.

        Raises:
            ThinkmeterError: it is not set.
        """
        self._webhook = settings.webhook(environment)
        self._timeout_s = settings.timeout_s
        self._dashboard_url = dashboard_url

    def send(self, message: Message) -> None:
        """Post a message.

        Raises:
            NotDeliveredError: Slack did not take it.
        """
        post(self._webhook, slack_payload(message, self._dashboard_url), self._timeout_s)


def slack_payload(message: Message, dashboard_url: str | None) -> dict[str, Any]:
    """What is posted: title, numbers, where to look, and the same in a sentence."""
    said = _escaped(messages.summary(message))
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(messages.title(message), HEADER_CHARACTERS)}]
    if len(message.events) == 1:
        facts = messages.facts(message.events[0])
        fields = [_mrkdwn(f"*{name}*\n{_escaped(value)}", FIELD_CHARACTERS) for name, value in facts.items()]
        blocks.append({"type": "section", "fields": fields})
    else:
        blocks.append({"type": "section", "text": _mrkdwn(said, SECTION_CHARACTERS)})
        blocks.append({"type": "section", "text": _mrkdwn(_listed(message.events), SECTION_CHARACTERS)})
    notes = [messages.REPEATED] if message.repeated else []
    if dashboard_url:
        notes.append(f"<{_escaped(messages.link(dashboard_url, message))}|Open in the dashboard>")
    if notes:
        blocks.append({"type": "context", "elements": [_mrkdwn(note, FIELD_CHARACTERS) for note in notes]})
    return {"text": said, "blocks": blocks, "unfurl_links": False}


def _listed(events: Sequence[AlertEvent]) -> str:
    """The worst of several, as many as fit, and how many more there are."""
    lines: list[str] = []
    for event in messages.worst_first(events):
        if event.is_of_metric:
            line = _escaped(messages.said(event))
        else:
            name = _escaped(messages.clip(event.request_id, 60).replace("`", "'"))
            line = f"`{name}` {messages.tokens(event)} thinking tokens, {messages.cost([event])}"
        if sum(map(len, lines)) + len(lines) + len(line) > SECTION_CHARACTERS - 100:
            break
        lines.append(line)
    if len(lines) < len(events):
        lines.append(f"and {len(events) - len(lines):,} more, all in the table alert_events")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text in which Slack reads no links, mentions or commands."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, longest: int) -> dict[str, str]:
    return {"type": "plain_text", "text": text[:longest]}


def _mrkdwn(text: str, longest: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text[:longest]}
