"""Rules on metrics in traffic: each fires once, is told to every channel, and ends once."""

import datetime as dt
import logging
import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.alerts.conftest import ENVIRONMENT, Clock
from tests.alerts.receiver import Receiver, incidents
from tests.alerts.test_engine import events
from tests.alerts.traffic import request
from tests.schema.rows import Row, insert, label, price, rule, select, verdict
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.alerts.silences import silence
from thinkmeter.schema.alerting.records import AlertEvent
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.store.client import StoreAddress

HOUR_S = 3600.0
SETTLED_S = 600.0
"""Ago: a request is settled five minutes after its last call."""
Start = Callable[..., AlertEngine]


@pytest.fixture
def start(database: StoreAddress, settings: AlertSettings, clock: Clock) -> Start:
    """An engine with these rules."""

    def started(*rules: dict[str, Any]) -> AlertEngine:
        read = AlertSettings.model_validate({**settings.model_dump(by_alias=True), "rules": rules})
        return AlertEngine(database, read, environment=ENVIRONMENT, clock=clock)

    return started


def insert_cascade(
    client: Client, name: str, count: int, *, passed: bool, right: bool, ago_s: float = SETTLED_S, tokens: int = 1000
) -> None:
    """Requests that tier 1 answers; where its verifier says no, tier 2 does."""
    spans, verdicts, labels = [], [], []
    for n in range(count):
        key = f"{name}-{n}"
        spans.append(request(key, tokens, ago_s=ago_s, tier=1, attempt=1))
        if not passed:
            spans.append(request(key, tokens, ago_s=ago_s - 2, tier=2, attempt=2))
        time = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago_s - 5)
        verdicts.append({**verdict(key, attempt=1, passed=passed, version="1"), "time": time})
        labels.append({**label(key, right), "time": time})
    insert(client, "verdicts", verdicts)
    insert(client, "labels", labels)
    insert(client, "spans", spans)


def one_story(client: Client, oncall: Receiver, team: Receiver, name: str) -> tuple[AlertEvent, AlertEvent]:
    """The only alert of a rule: fired once and ended once, and both channels heard of both."""
    mine = [event for event in events(client) if event.rule == name]
    assert [event.state for event in mine] == ["firing", "resolved"]
    assert mine[0].dedup_key == mine[1].dedup_key
    told = {key: states for key, states in incidents(oncall).items() if key == mine[0].dedup_key}
    assert told == {mine[0].dedup_key: ["resolved"]}
    assert sum(name in message["text"] for message in team.taken) == 2
    assert oncall.refused == team.refused == []
    return mine[0], mine[1]


def test_an_escalation_rate_above_its_target(
    client: Client, start: Start, slack: Receiver, pagerduty: Receiver
) -> None:
    engine = start({"name": "climbs", "metric": "escr", "window": "1h"})
    insert_cascade(client, "calm", 10, passed=True, right=True)
    assert engine.run_once() == 0  # ten verdicts are not enough to say anything
    insert_cascade(client, "climbing", 40, passed=False, right=True)
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    insert_cascade(client, "later", 160, passed=True, right=True)
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    fired, ended = one_story(client, pagerduty, slack, "climbs")
    assert (fired.task, fired.value, fired.threshold, fired.calls) == ("sql", 0.8, 0.2, 50)
    assert (
        "Escalation rate of task sql is 80.0% (67.0% to 88.8%), n = 50, above 20.0%, the target"
        in (slack.taken[0]["text"])
    )
    assert ended.value == pytest.approx(40 / 210)


def test_longer_thinking_is_an_alarm_where_accuracy_did_not_rise_with_it(
    client: Client, start: Start, slack: Receiver, pagerduty: Receiver
) -> None:
    engine = start({"name": "thinks longer", "metric": "ttr", "rises": 0.2, "window": "1h", "against": "3h"})
    insert_cascade(client, "before", 40, passed=True, right=True, ago_s=2 * HOUR_S)
    insert_cascade(client, "as before", 40, passed=True, right=True)
    assert engine.run_once() == 0
    insert_cascade(client, "longer", 40, passed=True, right=True, tokens=3000)
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    insert_cascade(client, "short again", 400, passed=True, right=True)
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    fired, _ = one_story(client, pagerduty, slack, "thinks longer")
    assert (fired.value, fired.baseline_p95, fired.baseline_n) == (2000, 1000, 40)
    assert "accuracy 100.0% to 100.0%, +0.0 pp over 80 and 40 labels: no rise is shown" in slack.taken[0]["text"]


def test_longer_thinking_that_pays_is_no_alarm(client: Client, start: Start) -> None:
    engine = start({"name": "thinks longer", "metric": "ttr", "rises": 0.2, "window": "1h", "against": "3h"})
    insert_cascade(client, "before", 40, passed=True, right=False, ago_s=2 * HOUR_S)
    insert_cascade(client, "longer", 40, passed=True, right=True, tokens=3000)
    assert engine.run_once() == 0


def test_a_verifier_that_drifts(client: Client, start: Start, slack: Receiver, pagerduty: Receiver) -> None:
    engine = start(
        {"name": "verifier drifts", "metric": "vrate", "falls": 0.2, "window": "1h", "against": "3h", "by": ["task"]}
    )
    insert_cascade(client, "before", 40, passed=True, right=True, ago_s=2 * HOUR_S)
    insert_cascade(client, "right", 30, passed=True, right=True)
    assert engine.run_once() == 0
    insert_cascade(client, "wrong", 30, passed=True, right=False)
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    insert_cascade(client, "right again", 150, passed=True, right=True)
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    fired, _ = one_story(client, pagerduty, slack, "verifier drifts")
    assert (fired.value, fired.baseline_p95) == (0.5, 1.0)
    assert "Verifier precision of task sql, verifier orm, version 1 is 50.0%" in slack.taken[0]["text"]


def test_a_quota_is_told_once_a_day_for_each_user(
    client: Client, start: Start, slack: Receiver, pagerduty: Receiver, clock: Clock
) -> None:
    engine = start({"name": "over quota", "metric": "quota"})
    at_noon = next(
        name
        for name in (f"Etc/GMT{hours:+d}" for hours in range(-14, 13))
        if dt.datetime.now(zoneinfo.ZoneInfo(name)).hour == 12
    )
    insert(
        client,
        "rules",
        [rule("quota", "", '{"user_daily_thinking_tokens": 5000}'), rule("timezone", "", at_noon)],
    )
    insert(client, "spans", [request("a", 4000, user_id="u-1"), request("b", 100, user_id="u-2")])
    assert engine.run_once() == 0
    insert(client, "spans", [request("c", 1500, user_id="u-1")])
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    clock.advance(dt.timedelta(days=1))
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    fired, ended = one_story(client, pagerduty, slack, "over quota")
    assert (fired.value, fired.threshold) == (5500, 5000)
    assert fired.key.startswith("quota user=u-1 day=")
    assert ended.baseline_task == "the day is over"


def test_a_month_that_is_forecast_over_its_budget(
    client: Client, start: Start, slack: Receiver, pagerduty: Receiver
) -> None:
    engine = start({"name": "over budget", "metric": "forecast"})
    insert(client, "prices", [price()])
    history = [request(f"day-{day}", 1000, ago_s=day * 24 * HOUR_S, reported_cost_usd=1.0) for day in range(1, 90)]
    insert(client, "spans", history)
    insert(client, "rules", [rule("budget", "", '{"monthly_usd": 100}')])
    assert engine.run_once() == 0
    insert(client, "spans", [request("dear", 1000, reported_cost_usd=500.0)])
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    higher: Row = {**rule("budget", "", '{"monthly_usd": 2000}'), "revision": dt.datetime.now(dt.UTC)}
    insert(client, "rules", [higher])
    assert (engine.run_once(), engine.run_once()) == (1, 0)
    fired, _ = one_story(client, pagerduty, slack, "over budget")
    assert fired.threshold == 100
    assert fired.value > 500
    assert "above $100.00, the budget of the month" in slack.taken[0]["text"]


def test_a_condition_has_to_hold_as_long_as_the_rule_says(client: Client, start: Start, clock: Clock) -> None:
    engine = start({"name": "p95", "metric": "ttr", "field": "p95", "above": 2000, "window": "2h", "for": "10m"})
    insert_cascade(client, "long", 30, passed=True, right=True, tokens=3000)
    assert engine.run_once() == 0
    clock.advance(dt.timedelta(minutes=9))
    assert engine.run_once() == 0
    clock.advance(dt.timedelta(minutes=1))
    assert engine.run_once() == 1


def test_an_alert_outlives_the_process_that_found_it_and_its_group_may_fire_again(
    client: Client, start: Start, clock: Clock
) -> None:
    settings: dict[str, Any] = {"name": "dear", "metric": "cost", "above": 5, "window": "1h"}
    first = start(settings)
    insert(client, "spans", [request("a", 10, reported_cost_usd=6.0)])
    assert first.run_once() == 1
    first.stop()
    second = start(settings)
    assert second.run_once() == 0
    clock.advance(dt.timedelta(hours=2))  # without data for longer than the window
    assert (second.run_once(), second.run_once()) == (1, 0)
    now = clock()
    late = {**request("b", 10, reported_cost_usd=7.0), "time": now - dt.timedelta(minutes=1)}
    insert(client, "spans", [late])
    assert (second.run_once(), second.run_once()) == (1, 0)
    told = events(client)
    assert [event.state for event in told] == ["firing", "resolved", "firing"]
    assert told[0].dedup_key != told[2].dedup_key
    assert told[1].baseline_task == "there are no data to judge it by any more"
    second.stop()
    third = start()
    assert third.run_once() == 1
    assert events(client)[-1].baseline_task == "the rule is not configured any more"


def test_a_silenced_rule_is_judged_and_nobody_is_told(
    client: Client, database: StoreAddress, start: Start, slack: Receiver
) -> None:
    engine = start({"name": "dear", "metric": "cost", "above": 5, "window": "1h"})
    silence(database, dt.timedelta(hours=1), rule="dear")
    insert(client, "spans", [request("a", 10, reported_cost_usd=6.0)])
    assert engine.run_once() == 1
    assert events(client)[0].muted.startswith("silence ")
    assert slack.taken == []


def test_a_rule_that_cannot_be_judged_is_said_and_holds_up_no_other(
    client: Client, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    engine = start(
        {"name": "misspelt", "metric": "cost", "field": "thinking_dollars", "above": 5, "window": "1h"},
        {"name": "dear", "metric": "cost", "above": 5, "window": "1h"},
    )
    insert(client, "spans", [request("a", 10, reported_cost_usd=6.0)])
    with caplog.at_level(logging.WARNING):
        assert engine.run_once() == 1
    assert "cost has no 'thinking_dollars', only value, input_usd" in caplog.text
    assert list(engine.health().errors) == ["rule misspelt"]


def test_what_is_gone_for_a_while_has_to_hold_anew(client: Client, start: Start, clock: Clock) -> None:
    engine = start({"name": "dear", "metric": "cost", "above": 5, "window": "1h", "for": "30m"})
    insert(client, "spans", [request("a", 10, reported_cost_usd=6.0)])
    assert engine.run_once() == 0
    clock.advance(dt.timedelta(hours=2))
    assert engine.run_once() == 0
    insert(client, "spans", [{**request("b", 10, reported_cost_usd=6.0), "time": clock() - dt.timedelta(minutes=1)}])
    assert engine.run_once() == 0
    clock.advance(dt.timedelta(minutes=30))
    assert engine.run_once() == 1


def test_where_nobody_knows_whether_an_alert_was_stored_the_store_is_asked(
    client: Client, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start({"name": "dear", "metric": "cost", "above": 5, "window": "1h"})
    insert(client, "spans", [request("a", 10, reported_cost_usd=6.0)])
    store = AlertStore.add_events

    def stored_and_cut_off(self: AlertStore, found: list[AlertEvent]) -> None:
        store(self, found)
        if found:
            raise ConnectionError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(AlertStore, "add_events", stored_and_cut_off)
        with pytest.raises(ConnectionError):
            engine.run_once()
    assert engine.run_once() == 0
    assert [event.state for event in events(client)] == ["firing"]


def insert_days(client: Client, task: str, tokens: Callable[[int], int], requests: Callable[[int], int]) -> None:
    """Requests of the last 29 whole days, alike within a day; `tokens` and `requests` of each, the oldest is 0."""
    noon = dt.datetime.now(dt.UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    spans = []
    for day in range(29):
        time = noon - dt.timedelta(days=29 - day)
        for n in range(requests(day)):
            row = request(f"{task}-{day}-{n}", tokens(day) + n % 5, task=task)
            spans.append({**row, "time": time + dt.timedelta(seconds=n)})
    insert(client, "spans", spans)


def test_thinking_that_grows_day_by_day_is_told_and_another_mix_is_not(
    client: Client, start: Start, slack: Receiver
) -> None:
    grows: dict[str, Any] = {"metric": "ttr", "trend": 0.1, "window": "28d"}
    engine = start({"name": "grows", **grows}, {"name": "grows in all", "by": [], **grows})
    insert_days(client, "triage", lambda day: 500, lambda day: 60 - day)
    insert_days(client, "review", lambda day: 5000, lambda day: 20 + day)
    insert_days(client, "young", lambda day: 5000 + 500 * day, lambda day: 25 if day > 20 else 0)
    assert engine.run_once() == 0
    told = {(one["rule"], one["key"]): one for one in readings(client)}
    assert {key: one["state"] for key, one in told.items()} == {
        ("grows", "ttr task=triage"): "ok",
        ("grows", "ttr task=review"): "ok",
        ("grows", "ttr task=young"): "insufficient_data",
        ("grows in all", "ttr"): "ok",
    }
    assert "fewer than 14 days with enough requests" in told["grows", "ttr task=young"]["said"]
    assert "(+0.0%) over 29 days" in told["grows in all", "ttr"]["said"]
    insert_days(client, "coding", lambda day: 1000 + 20 * day, lambda day: 60)
    engine.stop()
    assert start({"name": "grows", **grows}).run_once() == 1
    fired = [event for event in events(client) if event.state == "firing"]
    assert [event.task for event in fired] == ["coding"]
    assert "Thinking token rate of task coding went from 1.0k to 1.6k (+5" in slack.taken[0]["text"]
    assert "whether accuracy rose with it is not known: it takes 30 labels" in slack.taken[0]["text"]


def readings(client: Client) -> list[Row]:
    return select(client, "SELECT * FROM alert_readings FINAL ORDER BY rule, key")


def test_what_every_rule_sees_is_kept_for_people(client: Client, start: Start, clock: Clock) -> None:
    engine = start(
        {"name": "climbs", "metric": "escr", "window": "1h"},
        {"name": "dear", "metric": "cost", "above": 5, "window": "1h", "for": "10m"},
        {"name": "misspelt", "metric": "cost", "field": "thinking_dollars", "above": 5, "window": "1h"},
        {"name": "long ago", "metric": "ttr", "above": 5, "window": "1s"},
    )
    insert_cascade(client, "climbing", 40, passed=False, right=True)
    insert(client, "spans", [request("a", 10, reported_cost_usd=6.0, user_id="u-1")])
    assert engine.run_once() == 1
    told = {one["rule"]: one for one in readings(client)}
    climbs, dear = told["climbs"], told["dear"]
    assert (climbs["state"], climbs["key"], climbs["task"], climbs["n"]) == ("firing", "escr task=sql", "sql", 40)
    assert (climbs["value"], climbs["target"], climbs["high"]) == (1.0, 0.2, 1.0)
    assert 0.9 < climbs["low"] < 1
    assert climbs["since"] is not None
    assert (dear["state"], dear["value"], dear["target"], dear["low"]) == ("pending", 6.0, 5.0, None)
    assert told["misspelt"]["state"] == "error"
    assert "only value, input_usd" in told["misspelt"]["said"]
    assert told["long ago"]["state"] == "insufficient_data"
    clock.advance(dt.timedelta(minutes=10))
    assert engine.run_once() == 1
    assert {one["rule"]: one["state"] for one in readings(client)}["dear"] == "firing"
