"""`[alerts]`: what is accepted, and what is said of what is not."""

import datetime as dt
import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from tests.alerts.conftest import ENVIRONMENT
from thinkmeter.alerts.channels.post import retry_after_s
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.settings import PAGERDUTY_URL, AlertSettings, PagerDutySettings, SlackSettings
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

PUBLISHED = """
[channels.oncall]
kind = "pagerduty"
routing_key_env = "PD_KEY"

[channels.team]
kind = "slack"
webhook_env = "SLACK_WEBHOOK"

[[rules]]
name = "sql thinking p95"
metric = "ttr"
field = "p95"
by = ["task"]
above = 12000
window = "1h"
for = "10m"
channels = ["team"]
"""


def read(**section: Any) -> AlertSettings:
    return AlertSettings.model_validate(section)


def test_the_published_example_is_read() -> None:
    settings = AlertSettings.model_validate(tomllib.loads(PUBLISHED))
    [rule] = settings.rules
    assert (rule.window, rule.for_) == (dt.timedelta(hours=1), dt.timedelta(minutes=10))
    oncall, team = settings.channels["oncall"], settings.channels["team"]
    assert isinstance(oncall, PagerDutySettings)
    assert isinstance(team, SlackSettings)
    assert (oncall.url, oncall.routing_key({"PD_KEY": "k"})) == (PAGERDUTY_URL, "k")
    assert team.webhook({"SLACK_WEBHOOK": "https://hooks.slack.com/services/T/B/x"}).endswith("/x")
    assert settings.runaway_channels == ("oncall", "team")
    assert AlertSettings.model_validate_json(settings.model_dump_json(by_alias=True)) == settings


def test_a_rule_that_splits_its_metric_in_an_impossible_way_is_refused_at_the_start() -> None:
    settings = read(rules=[{"name": "r", "metric": "escr", "above": 0.2, "window": "1h", "by": ["tier"]}])
    with pytest.raises(ThinkmeterError, match=r"alerts.rules: rule 'r': escr cannot be split by tier"):
        AlertEngine(StoreAddress("127.0.0.1", 1), settings, environment=ENVIRONMENT)


def test_metrics_with_a_limit_in_the_configuration_need_no_other() -> None:
    settings = read(
        rules=[
            {"name": "a", "metric": "escr", "window": "1h"},
            {"name": "b", "metric": "vrate", "window": "7d"},
            {"name": "c", "metric": "quota"},
            {"name": "d", "metric": "forecast"},
            {"name": "e", "metric": "ttr", "rises": 0.1, "window": "7d", "against": "28d"},
        ]
    )
    assert [rule.name for rule in settings.metric_rules] == list("abcde")


SLACK = {"kind": "slack", "webhook_env": "W"}
RULE = {"name": "r", "metric": "ttr", "above": 1, "window": "1h"}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"channels": {"a": {"kind": "fax"}}}, "fax"),
        ({"channels": {"a": {"kind": "slack"}}}, "needs webhook_env"),
        ({"channels": {"a": {"kind": "pagerduty"}}}, "routing_key_env"),
        ({"channels": {"a": {**SLACK, "webhok_env": "W"}}}, "webhok_env"),
        ({"channels": {"a": {**SLACK, "url": "hooks.slack.com"}}}, "a URL here begins with"),
        ({"channels": {"a": {**SLACK, "timeout_s": 0}}}, "greater than 0"),
        (
            {"rules": [{**RULE, "channels": ["b"]}], "channels": {"a": SLACK}},
            "names the channel 'b'; configured are: a",
        ),
        ({"rules": [RULE, RULE]}, "two rules are named 'r'"),
        ({"rules": [{**RULE, "below": 2}]}, "one of above, below, rises, falls and trend"),
        ({"rules": [{"name": "r", "metric": "ttr", "above": 1}]}, "needs a window"),
        ({"rules": [{**RULE, "metric": "tokens"}]}, "metric"),
        ({"rules": [{**RULE, "name": "runaway"}]}, "cannot be named 'runaway'"),
        ({"rules": [{"name": "r", "metric": "ttr", "window": "1h"}]}, "one of above, below, rises, falls and trend"),
        ({"rules": [{"name": "r", "metric": "cost", "rises": 1, "window": "1h"}]}, "of the value of ttr, escr, vrate"),
        ({"rules": [{**RULE, "against": "1h"}]}, "has no meaning without them"),
        ({"rules": [{"name": "r", "metric": "escr", "trend": 0.1, "window": "28d"}]}, "a trend is of value, p50, p95"),
        ({"rules": [{"name": "r", "metric": "ttr", "trend": 0.1, "window": "7d"}]}, "a window of 14d or more"),
        ({"rules": [{"name": "r", "metric": "ttr", "trend": 0.1, "rises": 0.1, "window": "28d"}]}, "needs one of"),
        ({"rules": [{"name": "r", "metric": "quota", "window": "1h"}]}, "it takes no window"),
        ({"rules": [{**RULE, "window": "1 hour"}]}, "30s, 10m, 1h or 7d"),
        ({"rules": [{**RULE, "window": "0m"}]}, "whole number above 0"),
        ({"rules": [{"name": "r", "metric": "runaways", "above": 5}]}, r"thresholds from \[policy"),
        ({"rules": [{"name": n, "metric": "runaways"} for n in "ab"]}, "watched by one rule"),
        ({"resolve_after": 5}, "30s, 10m, 1h or 7d"),
        ({"quiet": True}, "quiet"),
    ],
)
def test_what_is_wrong_is_said(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read(**section)


def test_a_secret_that_is_not_set_is_named_and_one_that_is_no_url_is_not_shown() -> None:
    settings = read(channels={"team": SLACK})
    address = StoreAddress("127.0.0.1", 1)
    with pytest.raises(ThinkmeterError, match=r"alerts\.channels\.team: the environment variable W is not set"):
        AlertEngine(address, settings, environment={})
    with pytest.raises(ThinkmeterError, match=r"the environment variable W holds no http\(s\) URL") as caught:
        AlertEngine(address, settings, environment={"W": "secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [
        (None, 0, 0),
        ("3", 3, 3),
        ("1.5", 1.5, 1.5),
        ("999999999", 86400, 86400),
        ("-4", 0, 0),
        ("soon", 0, 0),
        ("nan", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2198 07:28:00 GMT", 86400, 86400),
    ],
)
def test_what_a_service_asks_for_is_read(header: str | None, least_s: float, most_s: float) -> None:
    assert least_s <= retry_after_s(header) <= most_s
