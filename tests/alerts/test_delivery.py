"""Channels that are slow, down or cross: the alert arrives later, once, whatever happens to the process."""

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.alerts.conftest import ENVIRONMENT, Clock, wait_until
from tests.alerts.events import event
from tests.alerts.receiver import Answer, NoAnswer, Receiver, incidents
from tests.alerts.traffic import insert_policy, request
from tests.schema.rows import Row, insert, select
from thinkmeter.alerts.check import try_channel
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.messages import REPEATED
from thinkmeter.alerts.outbox import Message, Spacing
from thinkmeter.alerts.sender import Sender
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.lease import Lease

LIMIT_S = 20.0

PROCESS = """
import json, sys, threading
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.schema.store.client import StoreAddress
address, settings = json.loads(sys.argv[1])
AlertEngine(StoreAddress(**address), AlertSettings.model_validate(settings), lease_s=1.5).start()
threading.Event().wait()
"""


@pytest.fixture
def engine(client: Client, database: StoreAddress, settings: AlertSettings, clock: Clock) -> Iterator[AlertEngine]:
    """An engine that runs on a store where anything above 1,000 tokens is a runaway."""
    insert_policy(client, "default", thinking_cap_tokens=1000)
    made = AlertEngine(database, settings, environment=ENVIRONMENT, clock=clock)
    made.start()
    yield made
    made.stop()


def deliveries(client: Client, channel: str) -> list[Row]:
    return select(
        client,
        "SELECT alert_state, state, attempts, last_error FROM alert_deliveries WHERE channel = {channel:String}"
        " ORDER BY created, alert_state",
        channel=channel,
    )


def wait_for_deliveries(client: Client, channel: str, state: str, count: int = 1) -> list[Row]:
    """The deliveries of a channel, once so many are in that state."""
    wait_until(lambda: sum(row["state"] == state for row in deliveries(client, channel)) >= count)
    return deliveries(client, channel)


def repeats(slack: Receiver) -> list[bool]:
    return [REPEATED in json.dumps(message) for message in slack.taken]


def test_a_pause_that_is_asked_for_is_made(
    client: Client, engine: AlertEngine, slack: Receiver, pagerduty: Receiver
) -> None:
    slack.answers.append(Answer(429, {"Retry-After": "1.5"}, "rate_limited"))
    in_half_a_minute = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    pagerduty.answers.append(Answer(429, {"Retry-After": format_datetime(in_half_a_minute, usegmt=True)}))
    insert(client, "spans", [request("r", 5000)])
    slack.wait_until(lambda: len(slack.taken) == 1)
    assert (slack.seen, repeats(slack)) == (2, [False])
    wait_for_deliveries(client, "team", "sent")
    [(failed, due, sending)] = select_times(client, "team")
    assert due - failed >= dt.timedelta(seconds=1.5)
    assert sending >= due
    [(failed, due, _)] = select_times(client, "oncall")
    assert due >= in_half_a_minute.replace(microsecond=0)
    assert (pagerduty.seen, pagerduty.taken) == (1, [])
    assert not engine.health().ok
    assert "429" in engine.health().channels["oncall"].last_error


def select_times(client: Client, channel: str) -> list[tuple[dt.datetime, dt.datetime, dt.datetime]]:
    """When the first try failed, when the next was due and when it was made."""
    return client.query(
        "SELECT minIf(time, state = 'retrying'), minIf(next_attempt, state = 'retrying'),"
        " minIf(time, state = 'sending' AND attempt = 2) FROM alert_attempts WHERE channel = {channel:String}",
        parameters={"channel": channel},
        tz_mode="aware",
    ).result_rows  # type: ignore[return-value]


def test_a_service_in_trouble_gets_it_later_and_once(
    client: Client, engine: AlertEngine, slack: Receiver, pagerduty: Receiver
) -> None:
    slack.answers.extend([Answer(500, body="rollup_error"), Answer(503)])
    pagerduty.answers.extend([Answer(500), Answer(502)])
    insert(client, "spans", [request("r", 5000)])
    slack.wait_until(lambda: len(slack.taken) == 1)
    pagerduty.wait_until(lambda: len(pagerduty.taken) == 1)
    [row] = wait_for_deliveries(client, "team", "sent")
    assert row == {
        "alert_state": "firing",
        "state": "sent",
        "attempts": 3,
        "last_error": "HTTP 503 Service Unavailable",
    }
    assert repeats(slack) == [False]
    assert incidents(pagerduty) == {"default/runaway/r": ["open"]}


def test_a_service_that_does_not_answer_gets_it_again_and_is_told_so(
    client: Client, engine: AlertEngine, slack: Receiver, pagerduty: Receiver
) -> None:
    slack.answers.append(NoAnswer())
    insert(client, "spans", [request("r", 5000)])
    pagerduty.wait_until(lambda: len(pagerduty.taken) == 1)  # which does not wait for Slack
    slack.wait_until(lambda: len(slack.taken) == 1)
    [row] = wait_for_deliveries(client, "team", "sent")
    assert (row["attempts"], row["last_error"]) == (2, "no answer in time")
    assert repeats(slack) == [True]


def test_a_service_that_cannot_be_reached_gets_it_when_it_can(
    client: Client, engine: AlertEngine, slack: Receiver, settings: AlertSettings
) -> None:
    slack.stop()
    insert(client, "spans", [request("r", 5000)])
    [row] = wait_for_deliveries(client, "team", "retrying")
    assert row["last_error"] == "Connection refused"
    slack.start()
    slack.wait_until(lambda: len(slack.taken) == 1)
    assert repeats(slack) == [False]


def test_a_message_that_is_refused_holds_up_no_other(
    client: Client, engine: AlertEngine, clock: Clock, slack: Receiver
) -> None:
    slack.answers.append(Answer(404, body="no_service"))
    insert(client, "spans", [request("first", 5000)])
    wait_for_deliveries(client, "team", "retrying")
    insert(client, "spans", [request("second", 5000)])
    slack.wait_until(lambda: len(slack.taken) == 1)
    assert "second" in slack.taken[0]["text"]
    clock.advance(dt.timedelta(minutes=4, seconds=50))
    insert(client, "spans", [request("third", 5000)])
    slack.wait_until(lambda: any("third" in message["text"] for message in slack.taken))
    assert not any("first" in message["text"] for message in slack.taken)
    clock.advance(dt.timedelta(seconds=20))  # five minutes after it was refused
    insert(client, "spans", [request("fourth", 5000)])
    slack.wait_until(lambda: any("first" in message["text"] for message in slack.taken))


def test_after_a_day_of_failure_it_is_given_up_and_so_is_its_end(
    client: Client, database: StoreAddress, settings: AlertSettings, clock: Clock, slack: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    slack.stop()
    engine = AlertEngine(database, settings, environment=ENVIRONMENT, clock=clock)
    insert(client, "spans", [request("r", 5000)])
    engine.run_once()
    for _ in range(20):
        clock.advance(dt.timedelta(hours=1))
        engine.run_once()
    tried = deliveries(client, "team")
    assert [(row["alert_state"], row["state"]) for row in tried] == [("firing", "retrying"), ("resolved", "pending")]
    assert tried[0]["attempts"] == 21
    clock.advance(dt.timedelta(hours=5))
    engine.run_once()
    engine.run_once()
    slack.start()
    clock.advance(dt.timedelta(hours=1))
    engine.run_once()
    assert [(row["state"], row["last_error"]) for row in deliveries(client, "team")] == [
        ("failed", "not delivered within 24 hours"),
        ("failed", "its start was never delivered"),
    ]
    assert slack.taken == []


@contextlib.contextmanager
def process(database: StoreAddress, settings: AlertSettings) -> Iterator[subprocess.Popen[bytes]]:
    """An engine in a process of its own, ended when the block is."""
    given = json.dumps([dataclasses.asdict(database), settings.model_dump(mode="json", by_alias=True)])
    running = subprocess.Popen([sys.executable, "-P", "-c", PROCESS, given], env={**os.environ, **ENVIRONMENT})
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def test_a_process_that_is_killed_between_sending_and_recording(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver
) -> None:
    insert_policy(client, "default", thinking_cap_tokens=1000)
    patient = settings.model_copy(
        update={
            "channels": {n: channel.model_copy(update={"timeout_s": 60}) for n, channel in settings.channels.items()}
        }
    )
    for receiver in (slack, pagerduty):
        receiver.answers.append(NoAnswer())
    with process(database, patient):
        insert(client, "spans", [request("r", 5000)])
        slack.wait_until(lambda: slack.seen == 1, LIMIT_S)
        pagerduty.wait_until(lambda: pagerduty.seen == 1, LIMIT_S)
    assert [row["state"] for row in deliveries(client, "team")] == ["sending"]
    with process(database, patient):
        slack.wait_until(lambda: len(slack.taken) == 1, LIMIT_S)
        pagerduty.wait_until(lambda: len(pagerduty.taken) == 1, LIMIT_S)
        wait_for_deliveries(client, "team", "sent")
    # nobody knows whether Slack showed the first; PagerDuty knows both by one key
    assert repeats(slack) == [True]
    assert {event["dedup_key"] for event in pagerduty.taken} == {"default/runaway/r"}


def kill_again_and_again(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver, times: int
) -> None:
    """Kill engines at any moment while runaways arrive: every one is told to both, and PagerDuty never has two."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    quick = settings.model_copy(update={"resolve_after": dt.timedelta(seconds=1)})
    insert_policy(client, "default", thinking_cap_tokens=1000)
    for n in range(times):
        with process(database, quick) as running:
            insert(client, "spans", [request(f"r{n}", 5000, task=f"task-{n}")])
            seen = slack.seen
            with contextlib.suppress(AssertionError):  # before anything is sent is as good a moment
                slack.wait_until(functools.partial(slack.saw_more_than, seen), chance.uniform(0, 4))
            threading.Event().wait(chance.uniform(0, 0.05))  # any moment of what comes next
            running.send_signal(signal.SIGKILL)
    with process(database, quick):
        wait_for_deliveries(client, "team", "sent", 2 * times)
        wait_for_deliveries(client, "oncall", "sent", 2 * times)
    assert incidents(pagerduty) == {f"default/runaway/r{n}": ["resolved"] for n in range(times)}
    for n in range(times):
        told = [message for message in slack.taken if f"request r{n}," in message["text"].replace(")", ",")]
        assert len(told) >= 2
        assert sum(REPEATED not in json.dumps(message) for message in told) <= 2
    assert select(client, "SELECT count() AS n FROM alert_events FINAL") == [{"n": 2 * times}]
    assert slack.refused == pagerduty.refused == []


def test_processes_that_are_killed_at_any_moment_lose_nothing(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver
) -> None:
    kill_again_and_again(client, database, settings, slack, pagerduty, times=2)


@pytest.mark.stress
def test_processes_that_are_killed_many_times_lose_nothing(
    client: Client, database: StoreAddress, settings: AlertSettings, slack: Receiver, pagerduty: Receiver
) -> None:
    kill_again_and_again(client, database, settings, slack, pagerduty, times=40)


class LosingItsStore:
    """A channel that takes messages, and whose first one the store does not live to see recorded."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.taken: list[str] = []
        self._store = store

    def send(self, message: Message) -> None:
        self.taken.append(message.id)
        if len(self.taken) == 1:
            os.kill(self._store.pid, signal.SIGKILL)


def test_what_was_sent_is_not_sent_again_because_the_store_was_away(laid_data: Path, clock: Clock) -> None:
    with EmbeddedStore(laid_data, port=0) as own:
        lease = Lease("alerts", 600)
        channel = LosingItsStore(own)
        sender = Sender("team", channel, Spacing(10, dt.timedelta(seconds=30)), lease)
        with contextlib.closing(AlertStore(own.address)) as store:
            assert store.acquire(lease)
            store.add_events([event("a", time=clock()), event("b", time=clock())])
            with pytest.raises(Exception, match=r"."):
                sender.deliver(store, clock)
        own.restart()
        with contextlib.closing(AlertStore(own.address)) as store:
            sender.deliver(store, clock)
            sender.deliver(store, clock)
        assert channel.taken == ["default/runaway/a", "default/runaway/b"]
        with connect(own.address) as client:
            assert [row["state"] for row in deliveries(client, "team")] == ["sent", "sent"]


def test_an_engine_outlives_its_store(laid_data: Path, settings: AlertSettings, slack: Receiver) -> None:
    with EmbeddedStore(laid_data, port=0) as own:
        engine = AlertEngine(own.address, settings, environment=ENVIRONMENT)
        engine.start()
        try:
            with connect(own.address) as client:
                insert_policy(client, "default", thinking_cap_tokens=1000)
                insert(client, "spans", [request("before", 5000)])
                slack.wait_until(lambda: len(slack.taken) == 1, LIMIT_S)
                os.kill(own.pid, signal.SIGKILL)
                wait_until(lambda: bool(engine.health().errors))
                own.restart()
                insert(client, "spans", [request("after", 5000)])
                slack.wait_until(lambda: len(slack.taken) == 2, LIMIT_S)
                assert [row["state"] for row in wait_for_deliveries(client, "team", "sent", 2)] == ["sent", "sent"]
        finally:
            engine.stop()
    assert ("before" in slack.taken[0]["text"], "after" in slack.taken[1]["text"]) == (True, True)


def test_a_channel_can_be_tried(settings: AlertSettings, slack: Receiver, pagerduty: Receiver) -> None:
    for name in settings.channels:
        told = try_channel(settings, name, environment=ENVIRONMENT)
        assert told == f"channel {name} took a test message and its resolve"
    assert list(incidents(pagerduty).values()) == [["resolved"]]
    assert pagerduty.taken[0]["payload"]["severity"] == "info"
    assert "nothing is wrong" in slack.taken[0]["text"]
    slack.answers.append(Answer(404, body="no_service"))
    with pytest.raises(ThinkmeterError, match=r"channel team did not take the test message: HTTP 404 .*: no_service"):
        try_channel(settings, "team", environment=ENVIRONMENT)
    with pytest.raises(ThinkmeterError, match=r"no alert channel is named 'pager'; configured are: oncall, team"):
        try_channel(settings, "pager", environment=ENVIRONMENT)
