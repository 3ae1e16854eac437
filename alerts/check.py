"""`thinkmeter alerts test CHANNEL`: sends a test message the way alerts go, so that a wrong secret is found now."""

import os
import secrets
from collections.abc import Mapping

from thinkmeter.alerts.channels.post import NotDeliveredError
from thinkmeter.alerts.engine import now_utc, open_channel
from thinkmeter.alerts.outbox import Message
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.alerts.states import WINDOW, dedup_key
from thinkmeter.schema.alerting.records import TEST, AlertEvent, Delivery, State
from thinkmeter.schema.errors import ThinkmeterError


def try_channel(
    settings: AlertSettings,
    name: str,
    *,
    dashboard_url: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Send a test message and its resolve; a sentence that says that the channel took both.

    Raises:
        ThinkmeterError: there is no such channel, its secret is not set, or it did not take the message.
    """
    if name not in settings.channels:
        known = ", ".join(sorted(settings.channels)) or "none"
        raise ThinkmeterError(f"no alert channel is named {name!r}; configured are: {known}")
    channel = open_channel(name, settings.channels[name], environment, dashboard_url)
    request_id = f"test-{secrets.token_hex(4)}"
    try:
        for state in ("firing", "resolved"):
            channel.send(_message(request_id, state))
    except NotDeliveredError as error:
        raise ThinkmeterError(f"channel {name} did not take the test message: {error}") from None
    return f"channel {name} took a test message and its resolve"


def missing_secrets(settings: AlertSettings, environment: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    """Channels whose secret is not set, each with why."""
    missing = []
    for name, channel in settings.channels.items():
        try:
            open_channel(name, channel, environment, None)
        except ThinkmeterError as error:
            missing.append((name, str(error)))
    return missing


def _message(request_id: str, state: State) -> Message:
    now = now_utc()
    known_as = dedup_key("thinkmeter", TEST, request_id)
    event = AlertEvent(
        project="thinkmeter",
        rule=TEST,
        key=request_id,
        state=state,
        time=now,
        event=f"{known_as}/{state}",
        dedup_key=known_as,
        channels=(),
        muted="",
        task="alerts test",
        request_id=request_id,
        model="none",
        began=now,
        ended=now,
        calls=1,
        unknown_calls=0,
        uncosted_calls=0,
        cost_usd=0.0,
        value=2001.0,
        threshold=2000.0,
        p95_factor=2.0,
        floor_tokens=1000,
        cap_tokens=None,
        baseline_task="alerts test",
        baseline_since=now - WINDOW,
        baseline_until=now,
        baseline_n=200,
        baseline_p95=1000.0,
        baseline_bound=1000.0,
    )
    return Message(known_as, state, (Delivery(event, 0, "", "", False, None),))
