"""What channels are sent: the goldens, and that no service would refuse it, whatever a request is called."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.events import delivery, event
from tests.alerts.receiver import pagerduty_refuses, slack_refuses
from thinkmeter.alerts import messages
from thinkmeter.alerts.channels.pagerduty import fitting_key, pagerduty_event
from thinkmeter.alerts.channels.slack import slack_payload
from thinkmeter.alerts.outbox import Message

GOLDEN = Path(__file__).parent / "golden"
DASHBOARD = "https://thinkmeter.example.com/"


def single(**columns: Any) -> Message:
    state = columns.pop("event_state", "firing")
    return Message("default/runaway/req-17", state, (delivery("req-17", event_state=state, **columns),))


def digest(count: int, **columns: Any) -> Message:
    state = columns.pop("event_state", "firing")
    members = [delivery(f"req-{n}", event_state=state, value=20_000.0 + n, **columns) for n in range(count)]
    return Message(f"default/runaway/sql/{count} from req-0", state, tuple(members))


MESSAGES = {
    "single": single(),
    "single_small_baseline": single(baseline_n=120, baseline_bound=8100.0, threshold=16_200.0),
    "single_parent": single(baseline_task="default"),
    "single_cap": single(baseline_task="", baseline_n=12, baseline_bound=None, cap_tokens=16_000, threshold=16_000.0),
    "single_floor": single(baseline_p95=210.0, baseline_bound=210.0, threshold=1000.0),
    "single_unknown": single(unknown_calls=1, uncosted_calls=2, calls=1),
    "single_repeated": Message("default/runaway/req-17", "firing", (delivery("req-17"),), repeated=True),
    "single_resolved": single(event_state="resolved", value=51_000.0, calls=4),
    "digest": digest(23),
    "digest_resolved": digest(5, event_state="resolved", uncosted_calls=1),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_the_golden_ones(name: str) -> None:
    message = MESSAGES[name]
    made = {"slack": slack_payload(message, DASHBOARD), "pagerduty": pagerduty_event(message, DASHBOARD)}
    assert made == json.loads((GOLDEN / f"{name}.json").read_text())


def test_every_golden_is_of_a_message() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == MESSAGES.keys()


def test_without_a_dashboard_nothing_is_linked() -> None:
    both = json.dumps([slack_payload(single(), None), pagerduty_event(single(), None)])
    assert "http" not in both


hostile = st.text(max_size=300) | st.sampled_from(
    ["<!channel> & <@U1>", "&" * 4000, "`" * 100, "\n\n", "a" * 5000, "💸" * 400, "", "\x00"]
)


@given(
    name=hostile,
    task=hostile,
    project=hostile,
    model=hostile,
    count=st.sampled_from([1, 2, 30]),
    state=st.sampled_from(["firing", "resolved"]),
    usd=st.sampled_from([0.0, 1e-9, 0.005, 3.0, 1e9]),
    dashboard=st.sampled_from([None, DASHBOARD]),
)
def test_no_service_refuses_what_requests_are_called(
    name: str, task: str, project: str, model: str, count: int, state: Any, usd: float, dashboard: str | None
) -> None:
    members = [
        delivery(f"{name}{n or ''}", event_state=state, task=task, project=project, model=model, cost_usd=usd)
        for n in range(count)
    ]
    message = Message(members[0].event.dedup_key, state, tuple(members))
    slack = slack_payload(message, dashboard)
    assert slack_refuses(json.loads(json.dumps(slack)), b"") == ""
    for text in formatted(slack):
        assert "<!" not in text
        assert "<@" not in text
    sent = {"routing_key": "0" * 32, **pagerduty_event(message, dashboard)}
    assert pagerduty_refuses(json.loads(json.dumps(sent)), json.dumps(sent).encode()) == ""


def formatted(payload: Any) -> list[str]:
    """Every text in which Slack reads links and mentions."""
    if isinstance(payload, dict):
        own = [payload["text"]] if payload.get("type") in (None, "mrkdwn") and "text" in payload else []
        return own + [text for value in payload.values() for text in formatted(value)]
    return [text for value in payload for text in formatted(value)] if isinstance(payload, list) else []


def test_a_key_that_is_too_long_stays_its_own() -> None:
    long = "default/runaway/" + "r" * 300
    assert len(fitting_key(long)) == 255
    assert fitting_key(long) != fitting_key(long + "r")
    assert fitting_key(long) == fitting_key(long)
    assert fitting_key("default/runaway/r") == "default/runaway/r"


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0.0, "$0.00"),
        (0.00042, "$0.0004"),
        (0.4821, "$0.48"),
        (12.3, "$12.30"),
        (1234.5, "$1,234"),
        (2e6, "$2,000,000"),
    ],
)
def test_money(usd: float, text: str) -> None:
    assert messages.money(usd) == text


def test_what_is_unknown_is_said() -> None:
    assert messages.cost([event("a", cost_usd=0.0, uncosted_calls=1)]) == "cost unknown"
    assert messages.cost([event("a", uncosted_calls=1)]) == "at least $0.48"
    assert messages.tokens(event("a", unknown_calls=1)) == "at least 48,210"
