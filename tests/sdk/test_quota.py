"""The look-up of quotas: from memory, in no time, whatever the collector does."""

import json
import time
from threading import Event

import pytest

import thinkmeter
from tests.sdk.collector_server import Answer, CollectorServer
from tests.sdk.programs import run
from tests.waiting import wait_for
from thinkmeter.sdk import quota as look_up

pytestmark = pytest.mark.usefixtures("undone")


def told(used: int, limit: int | None, state: str) -> Answer:
    return Answer(
        body=json.dumps({"used_tokens": used, "limit_tokens": limit, "day": "2026-11-25", "state": state}).encode()
    )


def test_the_first_answer_is_unknown_and_means_go_the_next_is_the_collectors(collector: CollectorServer) -> None:
    collector.answers.append(told(500, 400, "exceeded"))
    thinkmeter.instrument(endpoint=collector.url, api_key="secret")
    first = thinkmeter.quota(user="u", session="s")
    assert (first.state, first.exceeded) == ("unknown", False)
    wait_for(lambda: thinkmeter.quota(user="u", session="s").exceeded)
    known = thinkmeter.quota("u", "s")
    assert (known.used_tokens, known.limit_tokens, known.day) == (500, 400, "2026-11-25")
    [(path, body)] = collector.bodies
    assert (path, json.loads(body)) == ("/v1/quota", {"user": "u", "session": "s"})
    assert collector.headers[0]["authorization"] == "Bearer secret"


def test_who_is_meant_comes_from_the_request(collector: CollectorServer) -> None:
    collector.answers.append(told(1, None, "no_limit"))
    thinkmeter.instrument(endpoint=collector.url)
    assert thinkmeter.quota() == look_up.UNKNOWN
    with thinkmeter.request("t", user="u"):
        thinkmeter.quota()
        wait_for(lambda: thinkmeter.quota().state == "no_limit")
    assert [json.loads(body) for _, body in collector.bodies] == [{"user": "u"}]


def test_an_answer_that_is_old_is_given_while_a_new_one_is_asked_for(
    collector: CollectorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_up, "FRESH_S", 0.0)
    gate = Event()
    collector.answers.append(told(1, 10, "ok"))
    thinkmeter.instrument(endpoint=collector.url)
    thinkmeter.quota("u")
    wait_for(lambda: look_up._look_ups._heard[("u", None)][1].used_tokens == 1)
    collector.answers.append(Answer(body=told(10, 10, "exceeded").body, wait_for=gate))
    asked = collector.requests
    begun = time.perf_counter()
    assert thinkmeter.quota("u").used_tokens == 1
    assert time.perf_counter() - begun < 0.5
    collector.wait_for_requests(asked + 1)
    assert not thinkmeter.quota("u").exceeded
    gate.set()
    wait_for(lambda: thinkmeter.quota("u").exceeded)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=503),
        Answer(body=b"<html>"),
        Answer(body=b"[]"),
        Answer(body=b'{"used_tokens": "many", "state": 7}'),
    ],
    ids=["busy", "a page", "a list", "nonsense"],
)
def test_an_answer_that_makes_no_sense_means_go(collector: CollectorServer, answer: Answer) -> None:
    collector.answers.append(answer)
    thinkmeter.instrument(endpoint=collector.url)
    thinkmeter.quota("u")
    collector.wait_for_requests(1)
    found = thinkmeter.quota("u")
    assert (found.exceeded, found.used_tokens) == (False, None)
    assert thinkmeter.health().faults == 0


def test_what_is_kept_is_bounded(collector: CollectorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_up, "MOST", 10)
    thinkmeter.instrument(endpoint=collector.url)
    for number in range(100):
        thinkmeter.quota(f"u{number}")
    assert len(look_up._look_ups._heard) <= 10
    assert len(look_up._look_ups._wanted) <= 10


def test_a_forked_child_asks_for_itself_and_a_hanging_collector_does_not_keep_a_process(
    collector: CollectorServer,
) -> None:
    gate = Event()
    collector.answers.extend([Answer(wait_for=gate)] * 2)
    begun = time.monotonic()
    done = run(
        """
        import os, thinkmeter
        thinkmeter.instrument()
        assert not thinkmeter.quota("parent").exceeded
        child = os.fork()
        if child == 0:
            assert not thinkmeter.quota("child").exceeded
            import time
            from thinkmeter.sdk import quota
            deadline = time.monotonic() + 10
            while quota._look_ups._wanted and time.monotonic() < deadline:
                time.sleep(0.01)
            os._exit(0 if quota._look_ups._thread.is_alive() else 1)
        assert os.waitpid(child, 0)[1] == 0
        """,
        THINKMETER_ENDPOINT=collector.url,
    )
    gate.set()
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begun < 30


def test_nothing_is_asked_before_instrument() -> None:
    assert thinkmeter.quota("u") == look_up.UNKNOWN
