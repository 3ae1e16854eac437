"""A runaway in live traffic: found, stored with its baseline, told to every channel once, and ended once."""

import contextlib
import dataclasses
import datetime as dt
import time

import pytest
from clickhouse_connect.driver.client import Client

from tests.alerts.conftest import ENVIRONMENT, Clock
from tests.alerts.receiver import Receiver, incidents
from tests.alerts.traffic import insert_policy, insert_settled, request
from tests.schema.rows import insert, price, select
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.runaway import replay
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.alerts.silences import end_silence, silence, silences
from thinkmeter.schema.alerting.records import AlertEvent
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

MINUTES = dt.timedelta(minutes=1)
TOLD = "SELECT event, channel, state FROM alert_deliveries ORDER BY event, channel"


@pytest.fixture
def engine(database: StoreAddress, settings: AlertSettings, clock: Clock) -> AlertEngine:
    made = AlertEngine(database, settings, environment=ENVIRONMENT, clock=clock)
    made.run_once()  # begins here
    return made


def another(engine: AlertEngine, database: StoreAddress, settings: AlertSettings, clock: Clock) -> AlertEngine:
    """The next process, after the first ended in order."""
    engine.stop()
    return AlertEngine(database, settings, environment=ENVIRONMENT, clock=clock)


def events(client: Client) -> list[AlertEvent]:
    """All events of the store, oldest first."""
    rows = client.query("SELECT * FROM alert_events FINAL ORDER BY time, event", tz_mode="aware").named_results()
    return [AlertEvent(**{**row, "channels": tuple(row["channels"])}) for row in rows]


def fired(client: Client) -> list[str]:
    return sorted(event.request_id for event in events(client) if event.state == "firing")


def test_a_runaway_reaches_both_channels_within_seconds_and_so_does_its_end(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver
) -> None:
    insert_settled(client, range(100, 300))
    quick = settings.model_copy(update={"resolve_after": dt.timedelta(seconds=4)})
    engine = AlertEngine(database, quick, environment=ENVIRONMENT)
    engine.start()
    try:
        insert(client, "spans", [request("calm", 250, ago_s=1)])
        insert(client, "spans", [request("planted", 50_000, ago_s=1), request("other", 120, ago_s=1)])
        arrived = time.monotonic()
        slack.wait_until(lambda: len(slack.taken) == 1)
        pagerduty.wait_until(lambda: len(pagerduty.taken) == 1)
        assert time.monotonic() - arrived < 5
        slack.wait_until(lambda: len(slack.taken) == 2)
        pagerduty.wait_until(lambda: len(pagerduty.taken) == 2)
        assert time.monotonic() - arrived < 4 + 5
        assert engine.health().leads
        assert engine.health().ok
    finally:
        engine.stop()
    assert incidents(pagerduty) == {"default/runaway/planted": ["resolved"]}
    assert ["planted" in message["text"] for message in slack.taken] == [True, True]
    assert slack.refused == pagerduty.refused == []


def test_every_hit_is_stored_with_what_judges_it_again(client: Client, engine: AlertEngine) -> None:
    insert(client, "prices", [price()])
    insert_settled(client, range(1000, 1200), task="sql")
    insert_settled(client, range(2000, 2100), task="code")
    insert_settled(client, [10], task="rare")
    insert_policy(client, "default", thinking_cap_tokens=9000)
    calls = [
        *(request(f"sql-{tokens}", tokens, task="sql") for tokens in (2378, 2379)),
        *(request(f"code-{tokens}", tokens, task="code") for tokens in (4196, 4197)),
        *(request(f"rare-{tokens}", tokens, task="rare") for tokens in (4000, 4500)),
    ]
    insert(client, "spans", calls)
    engine.run_once()
    stored = {event.request_id: event for event in events(client)}
    # p95 of 1000..1199 is 1189.05; of 2000..2099 the 98th (2097) is the bound; of all 301 requests the p95 is 2085
    assert stored.keys() == {"sql-2379", "code-4197", "rare-4500"}
    assert all(replay(event) for event in stored.values())
    assert not any(replay(dataclasses.replace(event, value=event.threshold)) for event in stored.values())
    sql, code, rare = stored["sql-2379"], stored["code-4197"], stored["rare-4500"]
    assert (sql.baseline_n, sql.baseline_p95, sql.baseline_bound) == (200, 1189.05, 1189.05)
    assert sql.threshold == 2 * 1189.05
    assert (code.baseline_n, code.baseline_bound, code.threshold) == (100, 2098.0, 4196.0)
    assert (rare.baseline_task, rare.baseline_n) == ("default", 301)
    assert (sql.p95_factor, sql.floor_tokens, sql.cap_tokens) == (2.0, 1000, 9000)
    assert (sql.value, sql.calls, sql.model, sql.task) == (2379.0, 1, "acme-think-1", "sql")
    assert sql.cost_usd == pytest.approx((50 * 1 + 2379 * 4 + 100 * 2) / 1e6)
    # and the stored baseline is the one that the minute has
    for event in (sql, code, rare):
        [row] = select(
            client,
            "SELECT n, p95, bound FROM runaway_baselines"
            " WHERE task = {task:String} AND until = {until:DateTime('UTC')}",
            task=event.baseline_task,
            until=event.baseline_until,
        )
        assert row == {"n": event.baseline_n, "p95": event.baseline_p95, "bound": event.baseline_bound}
        assert event.baseline_until <= event.began < event.baseline_until + MINUTES


def test_a_baseline_never_contains_the_request_that_it_judges(client: Client, engine: AlertEngine) -> None:
    insert_settled(client, range(58))
    insert_policy(client, "default", thinking_cap_tokens=5000)
    # settled by now, like the others: with it they would be 59, and the largest would bound the p95
    insert(client, "spans", [request("late", 5001, ago_s=900)])
    engine.run_once()
    [firing] = [event for event in events(client) if event.state == "firing"]
    assert (firing.baseline_n, firing.baseline_bound, firing.threshold) == (58, None, 5000.0)


def test_a_request_fires_once_however_many_calls_follow(
    client: Client, engine: AlertEngine, database: StoreAddress, settings: AlertSettings, clock: Clock, slack: Receiver
) -> None:
    insert_settled(client, range(100, 300))
    insert(client, "spans", [request("r", 900)])
    engine.run_once()
    assert events(client) == []
    insert(client, "spans", [request("r", 900, ago_s=9)])
    assert engine.run_once() == 1
    insert(client, "spans", [request("r", 90_000, ago_s=8)])
    assert engine.run_once() == 0
    follower = another(engine, database, settings, clock)
    insert(client, "spans", [request("r", 90_000, ago_s=7)])
    assert follower.run_once() == 0
    assert [(event.value, event.calls) for event in events(client)] == [(1800.0, 2)]
    assert len(slack.taken) == 1


def test_an_alert_ends_when_its_request_has_settled_and_never_fires_again(
    client: Client, engine: AlertEngine, clock: Clock, slack: Receiver, pagerduty: Receiver
) -> None:
    insert_settled(client, range(100, 300))
    insert(client, "spans", [request("r", 5000)])
    engine.run_once()
    clock.advance(4 * MINUTES)
    assert engine.run_once() == 0
    insert(client, "spans", [request("r", 100, ago_s=-200)])  # a later call: it settles later
    clock.advance(4 * MINUTES)
    assert engine.run_once() == 0
    clock.advance(4 * MINUTES)
    assert engine.run_once() == 1
    end = events(client)[-1]
    assert (end.state, end.value, end.calls) == ("resolved", 5100.0, 2)
    insert(client, "spans", [request("r", 70_000, ago_s=0)])
    assert engine.run_once() == 0
    assert [event["event_action"] for event in pagerduty.taken] == ["trigger", "resolve"]
    assert len(slack.taken) == 2
    assert select(client, "SELECT state, value FROM alert_states") == [{"state": "resolved", "value": 5100.0}]


def test_an_alert_whose_request_is_no_more_ends(client: Client, engine: AlertEngine, clock: Clock) -> None:
    insert_settled(client, range(100, 300))
    insert(client, "spans", [request("r", 5000)])
    engine.run_once()
    client.command("DELETE FROM call_facts WHERE request_id = 'r'")
    clock.advance(6 * MINUTES)
    assert engine.run_once() == 1
    assert events(client)[-1].state == "resolved"


def test_what_arrived_while_alerts_were_down_is_judged_when_they_are_back(
    client: Client, engine: AlertEngine, database: StoreAddress, settings: AlertSettings, clock: Clock
) -> None:
    insert_settled(client, range(100, 300))
    engine.stop()
    client.command("DELETE FROM watermarks WHERE job = 'alerts'")
    now = dt.datetime.now(dt.UTC)
    with contextlib.closing(AlertStore(database)) as store:
        store.set_watermark(now - 3 * 60 * MINUTES, 0, 0.0)
    # settled over three hours, in runs half an hour apart
    columns = ["project", "request_id", "time", "duration_ns", "stated_task", "told_thinking_tokens", "output_tokens"]
    for n in range(6):
        settled = now - n * 30 * MINUTES
        row = ["default", f"down-{n}", settled - dt.timedelta(seconds=3), 10**9, "sql", 50_000, 60_000, settled]
        client.insert("call_facts", [row], column_names=[*columns, "version"])
    insert_policy(client, "default", thinking_cap_tokens=1000)
    follower = AlertEngine(database, settings, environment=ENVIRONMENT, clock=clock)
    follower.run_once()
    assert fired(client) == [f"down-{n}" for n in range(6)]
    assert follower.run_once() == 0


def test_what_was_judged_before_the_watermark_was_lost_is_not_stored_or_told_again(
    client: Client,
    engine: AlertEngine,
    database: StoreAddress,
    settings: AlertSettings,
    clock: Clock,
    slack: Receiver,
    pagerduty: Receiver,
) -> None:
    insert_settled(client, range(100, 300))
    insert(client, "spans", [request("r", 5000)])
    engine.run_once()
    before = events(client)
    client.command("DELETE FROM watermarks WHERE job = 'alerts'")
    assert another(engine, database, settings, clock).run_once() == 0
    assert events(client) == before
    assert (len(slack.taken), len(pagerduty.taken)) == (1, 1)


def test_history_that_is_imported_raises_no_alarm(client: Client, engine: AlertEngine) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    day_s = 86400.0
    insert(client, "spans", [request("imported", 50_000, ago_s=day_s + 60), request("late", 50_000, ago_s=day_s - 60)])
    engine.run_once()
    assert fired(client) == ["late"]


def test_what_is_over_for_a_day_is_stored_and_nobody_is_told(
    client: Client, engine: AlertEngine, clock: Clock, slack: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    insert(client, "spans", [request("r", 50_000)])
    clock.advance(dt.timedelta(hours=25))
    assert engine.run_once() == 2
    assert {(event.channels, event.muted) for event in events(client)} == {((), "over for more than a day")}
    assert slack.seen == 0


def test_many_at_once_are_one_digest_a_class_and_channel_and_each_is_stored(
    client: Client, engine: AlertEngine, clock: Clock, slack: Receiver, pagerduty: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    insert(client, "spans", [request(f"sql-{n}", 5000 + n, task="sql") for n in range(150)])
    insert(client, "spans", [request(f"chat-{n}", 5000 + n, task="chat") for n in range(150)])
    assert engine.run_once() == 300
    assert len(fired(client)) == 300
    assert [message["text"].split(":")[0] for message in slack.taken] == [
        "150 runaway requests in chat",
        "150 runaway requests in sql",
    ]
    assert "sql-149" in slack.taken[1]["text"]
    clock.advance(6 * MINUTES)
    assert engine.run_once() == 300
    assert [states for states in incidents(pagerduty).values()] == [["resolved"], ["resolved"]]
    assert (len(slack.taken), len(pagerduty.taken)) == (4, 4)
    assert select(client, "SELECT DISTINCT state FROM alert_deliveries") == [{"state": "sent"}]
    assert slack.refused == pagerduty.refused == []


def test_a_silence_keeps_it_quiet_and_stored(
    client: Client, engine: AlertEngine, database: StoreAddress, clock: Clock, slack: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    made = silence(database, dt.timedelta(hours=1), task="sql", reason="load test")
    assert silences(database) == [made]
    insert(client, "spans", [request("quiet", 5000, task="sql"), request("loud", 5000, task="chat")])
    assert engine.run_once() == 2
    clock.advance(6 * MINUTES)
    assert engine.run_once() == 2
    assert {event.request_id: (event.muted, event.channels) for event in events(client)} == {
        "quiet": (f"silence {made.id}", ()),
        "loud": ("", ("team", "oncall")),
    }
    assert ["loud" in message["text"] for message in slack.taken] == [True, True]


def test_a_silence_that_is_over_or_ended_keeps_nothing_quiet(
    client: Client, engine: AlertEngine, database: StoreAddress, clock: Clock, slack: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    ended = silence(database, dt.timedelta(hours=1))
    silence(database, dt.timedelta(minutes=1))
    end_silence(database, ended.id)
    with pytest.raises(ThinkmeterError, match="no silence 'nonesuch' holds"):
        end_silence(database, "nonesuch")
    clock.advance(2 * MINUTES)
    insert(client, "spans", [request("r", 5000)])
    engine.run_once()
    assert len(slack.taken) == 1


def test_where_a_count_is_unknown_what_is_known_is_judged(client: Client, engine: AlertEngine, slack: Receiver) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    insert(client, "spans", [request("r", 1500), request("r", None), request("unknown", None)])
    engine.run_once()
    assert [(event.request_id, event.value, event.unknown_calls) for event in events(client)] == [("r", 1500.0, 1)]
    assert "at least 1,500" in slack.taken[0]["text"]


def test_a_rule_on_runaways_chooses_the_channels(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver
) -> None:
    narrowed = AlertSettings.model_validate(
        {
            "channels": {name: channel.model_dump() for name, channel in settings.channels.items()},
            "rules": [{"name": "runaways", "metric": "runaways", "channels": ["team"]}],
        }
    )
    insert_policy(client, "default", thinking_cap_tokens=1000)
    insert(client, "spans", [request("r", 5000)])
    AlertEngine(database, narrowed, environment=ENVIRONMENT).run_once()
    assert (len(slack.taken), pagerduty.seen) == (1, 0)


def test_without_channels_runaways_are_stored_all_the_same(client: Client, database: StoreAddress) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    insert(client, "spans", [request("r", 5000)])
    assert AlertEngine(database, AlertSettings(), environment={}).run_once() == 1
    assert select(client, TOLD) == []


def test_two_engines_at_once_tell_everything_once(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    quick = settings.model_copy(update={"resolve_after": dt.timedelta(seconds=1)})
    engines = [AlertEngine(database, quick, environment=ENVIRONMENT, lease_s=2.0) for _ in range(2)]
    for engine in engines:
        engine.start()
    try:
        for n in range(6):
            insert(client, "spans", [request(f"r{n}", 5000, task=f"task-{n}")])
            if n == 2:
                [leader] = [engine for engine in engines if engine.health().leads]
                leader.stop()
        slack.wait_until(lambda: len(slack.taken) >= 12, 20)
        pagerduty.wait_until(lambda: len(pagerduty.taken) >= 12, 20)
    finally:
        for engine in engines:
            engine.stop()
    assert incidents(pagerduty) == {f"default/runaway/r{n}": ["resolved"] for n in range(6)}
    assert (slack.seen, pagerduty.seen) == (12, 12)
    assert len(events(client)) == 12
