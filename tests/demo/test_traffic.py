"""What the SDK makes of the demo's traffic is what the generator wrote down, replayed or live."""

import asyncio
import datetime as dt
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import thinkmeter
from thinkmeter.demo.backfill import send_history
from thinkmeter.demo.live import LiveTraffic
from thinkmeter.demo.stand_in import StandIn
from thinkmeter.demo.tasks import TASKS
from thinkmeter.demo.traffic import DemoTraffic
from thinkmeter.demo.truth import Truth, has_history
from thinkmeter.demo.workload import HISTORY, Workload
from thinkmeter.schema import attributes as names
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.sdk.testing import Captured, capture

Line = dict[str, Any]
MANY = 30


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as kept:
        yield kept
        assert kept.faults == 0


@pytest.fixture
def workload() -> Workload:
    return Workload(7, dt.datetime.now(dt.UTC) - HISTORY)


def number_of_a_failing_request(workload: Workload) -> int:
    """A number from which on a live request soon has a call that is refused for good."""
    plans = (
        workload.request(n, workload.live_task(n, workload.live_from), workload.live_from) for n in range(9_000, 9_999)
    )
    return next(n for n, plan in enumerate(plans, 9_000) if any(call.error for a in plan.attempts for call in a.calls))


def lines(path: Path, kind: str) -> list[Line]:
    told = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in told if line["kind"] == kind]


def expected_calls(path: Path) -> dict[str, Line]:
    """What the spans of answered calls have to say, from the truth, by response id."""
    requests = {r["request_id"]: r for r in lines(path, "request")}
    attempts = {(a["request_id"], a["attempt"]): a for a in lines(path, "attempt")}
    return {
        line["response_id"]: expected_call(
            requests[line["request_id"]], attempts[line["request_id"], line["attempt"]], line
        )
        for line in lines(path, "call")
        if not line["error"]
    }


def expected_call(request: Line, attempt: Line, line: Line) -> Line:
    return {
        names.REQUEST_ID: line["request_id"],
        names.TASK: request["task"],
        names.USER_ID: request["user"],
        names.SESSION_ID: request["session"],
        names.ATTEMPT: line["attempt"],
        names.TIER: attempt["tier"],
        names.STRATEGY: attempt["strategy"],
        names.ROLE: None if line["role"] == "answer" else line["role"],
        names.SAMPLE: line["sample"],
        names.PHASE: line["phase"],
        names.PROVIDER_NAME: line["provider"],
        names.REQUEST_MODEL: line["model"],
        names.RESPONSE_ID: line["response_id"],
        names.INPUT_TOKENS: line["input_tokens"],
        names.CACHE_READ_INPUT_TOKENS: line["cache_read_tokens"],
        names.CACHE_WRITE_INPUT_TOKENS: line["cache_write_tokens"],
        names.CACHE_WRITE_1H_TOKENS: line["cache_write_1h_tokens"],
        names.OUTPUT_TOKENS: line["output_tokens"],
        names.REASONING_OUTPUT_TOKENS: line["told_thinking_tokens"],
        names.REFLECTION_RATIO: line["reflection_ratio"],
        names.REQUEST_REASONING_LEVEL: line["effort"],
        names.THINKING_BUDGET_TOKENS: line["budget_tokens"],
        names.SERVICE_TIER: line["service_tier"],
    }


ZERO = (names.CACHE_READ_INPUT_TOKENS, names.CACHE_WRITE_INPUT_TOKENS, names.CACHE_WRITE_1H_TOKENS)


def told_call(call: Mapping[str, Any]) -> Line:
    """The same of a span: no cached tokens and none said is one and the same."""
    told = {name: call.get(name) for name in EXPECTED}
    plain = told[names.SERVICE_TIER] in (None, "default")
    tier = "standard" if plain else told[names.SERVICE_TIER]
    return {**told, **{name: told[name] or 0 for name in ZERO}, names.SERVICE_TIER: tier}


EXPECTED = (
    names.REQUEST_ID,
    names.TASK,
    names.USER_ID,
    names.SESSION_ID,
    names.ATTEMPT,
    names.TIER,
    names.STRATEGY,
    names.ROLE,
    names.SAMPLE,
    names.PHASE,
    names.PROVIDER_NAME,
    names.REQUEST_MODEL,
    names.RESPONSE_ID,
    names.INPUT_TOKENS,
    *ZERO,
    names.OUTPUT_TOKENS,
    names.REASONING_OUTPUT_TOKENS,
    names.REFLECTION_RATIO,
    names.REQUEST_REASONING_LEVEL,
    names.THINKING_BUDGET_TOKENS,
    names.SERVICE_TIER,
)


def assert_told_as_written(captured: Captured, path: Path) -> None:
    billed = expected_calls(path)
    answered = [call for call in captured.calls if names.ERROR_TYPE not in call]
    told = {str(call[names.RESPONSE_ID]): told_call(call) for call in answered}
    assert sorted(told) == sorted(billed)
    assert len(answered) == len(billed)
    # only what differs, so that a failure can be read
    assert {
        (response, name): (value, billed[response][name])
        for response, said in told.items()
        for name, value in said.items()
        if value != billed[response][name]
    } == {}
    failed = [call for call in captured.calls if names.ERROR_TYPE in call]
    refused = [line for line in lines(path, "call") if line["error"]]
    assert sorted(call[names.REQUEST_ID] for call in failed) == sorted(line["request_id"] for line in refused)
    assert all(names.OUTPUT_TOKENS not in call for call in failed)
    verdicts = {(v["request_id"], v["attempt"]): (v["verifier"], v["score"]) for v in lines(path, "verdict")}
    assert verdicts == {
        (v[names.REQUEST_ID], v[names.ATTEMPT]): (v[names.EVALUATION_NAME], v[names.EVALUATION_SCORE_VALUE])
        for v in captured.verdicts
    }
    labels = {(n["request_id"], n["attempt"]): (n["correct"], n["sampling_probability"]) for n in lines(path, "label")}
    assert labels == {
        (n[names.REQUEST_ID], n[names.ATTEMPT]): (
            n[names.EVALUATION_SCORE_LABEL] == "pass",
            n[names.LABEL_SAMPLING_PROBABILITY],
        )
        for n in captured.labels
    }


def test_history_is_recorded_as_it_was_written_down(captured: Captured, workload: Workload, tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    with Truth(path) as truth:
        sent = send_history(workload.history(150), truth, workload.live_from)
    assert_told_as_written(captured, path)
    assert [sent.requests, sent.calls, sent.verdicts, sent.labels] == [
        len(lines(path, kind)) for kind in ("request", "call", "verdict", "label")
    ]
    starts = {line["response_id"]: line["start"] for line in lines(path, "call") if not line["error"]}
    for span in captured.spans:
        assert span.start_time is not None
        assert span.end_time is not None
        if response := (span.attributes or {}).get(names.RESPONSE_ID):
            start = dt.datetime.fromisoformat(starts[str(response)])
            assert span.start_time == pytest.approx(start.timestamp() * 1e9, abs=2_000)
        assert span.end_time <= workload.live_from.timestamp() * 1e9


def test_live_traffic_through_the_real_clients_is_measured_to_the_token(
    captured: Captured, workload: Workload, tmp_path: Path
) -> None:
    path = tmp_path / "truth.jsonl"

    async def send_many() -> None:
        live = LiveTraffic(workload, truth, stand_in.url, first_number=first, requests_per_s=60)
        running = asyncio.create_task(live.run())
        while live.finished < MANY and not running.done():
            await asyncio.sleep(0.01)
        for task in [t.name for t in TASKS] * 8:  # each class, whatever the hour
            live.begin(task)
        live.begin("code_review", runaway=True)
        live.stop()
        await running

    first = number_of_a_failing_request(workload)
    with Truth(path) as truth, StandIn(time_scale=0.001) as stand_in:
        asyncio.run(send_many())
    assert len(lines(path, "request")) > MANY
    assert_told_as_written(captured, path)
    assert any(line["error"] for line in lines(path, "call"))
    assert lines(path, "request")[-1]["runaway"]
    assert lines(path, "request")[-1]["task"] == "code_review"
    calls = [line for line in lines(path, "call") if not line["error"]]
    assert {(c["provider"], c["stream"]) for c in calls} == {
        (provider, stream) for provider in ("openai", "anthropic", "gcp.gemini") for stream in (True, False)
    }


def test_a_collector_that_is_away_is_told_and_ends_the_traffic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thinkmeter.demo.backfill.FLUSH_TIMEOUT_S", 0.3)
    monkeypatch.setenv("THINKMETER_FLUSH_TIMEOUT_S", "0.3")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        pytest.raises(ThinkmeterError, match=f"127.0.0.1:{port}.* did not take the demo's history"),
        DemoTraffic(f"http://127.0.0.1:{port}", tmp_path, requests=20) as traffic,
    ):
        traffic.wait_for_history()
    assert not has_history(traffic.truth_path)
    assert not thinkmeter.health().instrumented


def test_a_missing_client_is_one_sentence() -> None:
    absent = "import sys; sys.modules['anthropic'] = None; sys.argv = ['thinkmeter', 'demo', '--exit']"
    told = subprocess.run(
        [sys.executable, "-c", f"{absent}; from thinkmeter.__main__ import main; main()"],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert told.stderr.startswith("thinkmeter: ")
    assert "anthropic is missing: pip install 'thinkmeter[server,demo]'" in told.stderr
    assert told.stderr.count("\n") == 1
