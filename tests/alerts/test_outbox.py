"""Which messages go when: one by one, as digests, again after failures, and ends after beginnings."""

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.events import NOW, delivery
from thinkmeter.alerts.outbox import NEVER_TOLD, TOO_LATE, Message, Plan, Spacing, delay_s, plan
from thinkmeter.schema.alerting.records import Delivery, Opening

SPACING = Spacing(burst=3, interval=dt.timedelta(seconds=30))
TOPIC = ("default", "runaway", "sql")


def planned(
    deliveries: list[Delivery],
    *,
    openings: dict[str, Opening] | None = None,
    told_ago_s: tuple[float, ...] = (),
    now: dt.datetime = NOW,
) -> Plan:
    told = {TOPIC: [now - dt.timedelta(seconds=s) for s in told_ago_s]} if told_ago_s else {}
    return plan(deliveries, openings or {}, told, SPACING, now)


def requests_of(messages: list[Message]) -> list[list[str]]:
    return [[event.request_id for event in message.events] for message in messages]


def test_a_few_go_one_by_one_and_many_as_a_digest() -> None:
    assert requests_of(planned([delivery("a"), delivery("b"), delivery("c")]).messages) == [["a"], ["b"], ["c"]]
    [digest] = planned([delivery(name) for name in "abcd"]).messages
    assert digest.id == "default/runaway/sql/4 from a"
    assert len(digest.deliveries) == 4


def test_task_classes_and_projects_have_digests_of_their_own() -> None:
    many = [
        *(delivery(f"s{n}") for n in range(5)),
        *(delivery(f"c{n}", task="chat") for n in range(5)),
        *(delivery(f"p{n}", project="other") for n in range(5)),
    ]
    assert [len(message.events) for message in planned(many).messages] == [5, 5, 5]


def test_a_channel_that_heard_enough_of_a_class_waits_for_a_digest() -> None:
    plan = planned([delivery("a")], told_ago_s=(20, 15, 10))
    assert plan.messages == []
    # the first of three came 20 s ago; one more may go 30 s after it
    assert plan.look_again == NOW + dt.timedelta(seconds=10)
    assert requests_of(planned([delivery("a"), delivery("b")], told_ago_s=(31, 15, 10)).messages) == [["a", "b"]]
    other = planned([delivery("a", task="chat")], told_ago_s=(20, 15, 10))
    assert requests_of(other.messages) == [["a"]]


@given(
    arrivals=st.lists(st.floats(0, 600), min_size=1, max_size=300).map(sorted),
    burst=st.integers(1, 10),
    interval_s=st.integers(1, 60),
)
def test_however_many_arrive_messages_stay_few_and_none_waits_longer_than_an_interval(
    arrivals: list[float], burst: int, interval_s: int
) -> None:
    spacing = Spacing(burst, dt.timedelta(seconds=interval_s))
    told: list[dt.datetime] = []
    waiting: list[Delivery] = []
    waited_s: list[float] = []
    for at_s in sorted({*arrivals, *(float(n) for n in range(0, 661))}):
        now = NOW + dt.timedelta(seconds=at_s)
        waiting += [delivery(f"r{n}", time=now) for n in range(arrivals.count(at_s))]
        for message in plan(waiting, {}, {TOPIC: told}, spacing, now).messages:
            told.append(now)
            for one in message.deliveries:
                waiting.remove(one)
                waited_s.append((now - one.event.time).total_seconds())
    assert len(waited_s) == len(arrivals)
    assert max(waited_s) <= interval_s + 1
    assert len(told) <= burst + 660 / interval_s


def test_a_failed_message_goes_again_as_it_was_when_its_time_has_come() -> None:
    later = NOW + dt.timedelta(seconds=4)
    failed = [delivery(name, attempts=2, state="retrying", message="m", next_attempt=later) for name in "ab"]
    waiting = planned([*failed, delivery("c")])
    assert requests_of(waiting.messages) == [["c"]]
    assert waiting.look_again == later
    [again] = planned(failed, now=later).messages
    assert (again.id, again.attempt, again.repeated) == ("m", 3, False)


def test_what_was_being_sent_when_its_process_ended_goes_again_and_says_so() -> None:
    [again] = planned([delivery("a", attempts=1, state="sending", message="m")]).messages
    assert (again.id, again.attempt, again.repeated) == ("m", 2, True)


def test_an_end_is_told_once_its_beginning_was() -> None:
    end = delivery("a", event_state="resolved")
    key = "default/runaway/a"
    assert planned([end]).messages == []
    assert planned([end], openings={f"{key}/firing": Opening(key, 1, "retrying")}).messages == []
    [message] = planned([end], openings={f"{key}/firing": Opening(key, 1, "sent")}).messages
    assert (message.id, message.state) == (key, "resolved")
    assert planned([end], openings={f"{key}/firing": Opening(key, 1, "failed")}).given_up == {NEVER_TOLD: [end]}


def test_a_digest_ends_when_the_last_in_it_has() -> None:
    openings = {f"default/runaway/{name}/firing": Opening("digest", 3, "sent") for name in "abc"}
    ended = [delivery(name, event_state="resolved") for name in "abc"]
    assert planned(ended[:2], openings=openings).messages == []
    [message] = planned(ended, openings=openings).messages
    assert (message.id, message.state, len(message.events)) == ("digest", "resolved", 3)


def test_after_a_day_it_is_given_up() -> None:
    fresh, tried = delivery("a"), delivery("b", attempts=9, state="retrying", message="m", next_attempt=NOW)
    almost = planned([fresh, tried], now=NOW + dt.timedelta(hours=23, minutes=59))
    assert almost.given_up == {}
    assert len(almost.messages) == 2
    assert planned([fresh, tried], now=NOW + dt.timedelta(hours=24)).given_up == {TOO_LATE: [tried, fresh]}


@pytest.mark.parametrize(("attempt", "longest"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (5000, 300)])
def test_pauses_double_up_to_five_minutes_with_jitter(attempt: int, longest: float) -> None:
    chance = random.Random(7)
    pauses = [delay_s(attempt, 0.0, chance) for _ in range(200)]
    assert longest / 2 <= min(pauses) < max(pauses) <= longest
    assert len(set(pauses)) > 100


def test_a_channel_that_asks_for_a_pause_gets_at_least_that() -> None:
    assert all(1.5 <= delay_s(1, 1.5, random.Random(n)) <= 1.65 for n in range(100))
    assert all(delay_s(9, 1.5, random.Random(n)) >= 128 for n in range(100))
