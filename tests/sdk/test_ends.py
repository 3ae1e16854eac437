"""The end of a program sends what waits, and takes no longer than it may; so does that of a forked child."""

import threading
import time

import pytest

from tests.sdk.collector_server import Answer, CollectorServer, attributes_of
from tests.sdk.programs import run
from thinkmeter.schema import attributes as names

PROGRAM = """
    import sys, time, thinkmeter
    thinkmeter.instrument(endpoint=sys.argv[1] if len(sys.argv) > 1 else None)
    with thinkmeter.request("t") as req, req.attempt(tier=1) as attempt:
        thinkmeter.record_call(provider="openai", model="gpt-5", input_tokens=1, output_tokens=1)
        attempt.verdict("v", passed=True)
    thinkmeter.label(req.id, correct=True)
"""
LAST_LINE = "    print(time.monotonic())\n"
"""From where on a program does nothing but end."""


def test_a_program_that_just_ends_has_sent_everything(collector: CollectorServer) -> None:
    done = run(PROGRAM, THINKMETER_ENDPOINT=collector.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(collector.spans) == 3
    assert len(collector.events) == 2


@pytest.mark.parametrize("kind", ["hangs", "refuses", "is busy"])
def test_the_end_of_a_program_is_bounded(collector: CollectorServer, kind: str) -> None:
    gate = threading.Event()
    url = collector.url
    if kind == "hangs":
        collector.answers.extend([Answer(wait_for=gate)] * 10)
    elif kind == "is busy":
        collector.answers.extend([Answer(503, {"Retry-After": "60"})] * 10)
    else:
        url = "http://127.0.0.1:9"
    done = run(PROGRAM + LAST_LINE, THINKMETER_ENDPOINT=url, THINKMETER_FLUSH_TIMEOUT_S="1")
    ended = time.monotonic()
    gate.set()
    assert done.returncode == 0
    assert ended - float(done.stdout) < 4
    assert "Traceback" not in done.stderr


def test_an_exit_right_after_a_request_began_to_hang_is_bounded_too(collector: CollectorServer) -> None:
    gate = threading.Event()
    collector.answers.extend([Answer(wait_for=gate)] * 10)
    program = PROGRAM + LAST_LINE + "    thinkmeter.flush(0.5)\n"
    done = run(program, THINKMETER_ENDPOINT=collector.url, THINKMETER_FLUSH_TIMEOUT_S="1")
    ended = time.monotonic()
    gate.set()
    assert done.returncode == 0
    assert ended - float(done.stdout) < 5


def test_a_forked_child_sends_its_own_and_not_its_parents(collector: CollectorServer) -> None:
    done = run(
        """
        import os, thinkmeter
        thinkmeter.instrument()
        def call(name):
            thinkmeter.record_call(
                provider="openai", model="gpt-5", input_tokens=1, output_tokens=1, request_id=name
            )
        call("parent before")
        child = os.fork()
        if child == 0:
            call("child")
            health = thinkmeter.health().spans
            assert (health.accepted, health.sent) == (1, 0), health
            assert thinkmeter.flush(), thinkmeter.health()
            os._exit(0)
        call("parent after")
        assert os.waitpid(child, 0)[1] == 0
        assert thinkmeter.flush()
        """,
        THINKMETER_ENDPOINT=collector.url,
    )
    assert done.returncode == 0, done.stderr
    ids = [attributes_of(span.attributes)[names.REQUEST_ID] for span in collector.spans]
    assert sorted(ids) == ["child", "parent after", "parent before"]
