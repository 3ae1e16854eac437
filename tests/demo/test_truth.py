"""The whole of it: traffic through SDK, collector and store into reports, against the generator's own truth."""

import dataclasses
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo import comparison
from tests.demo.reference.cost import cost
from tests.demo.reference.truth import Attempt, Call, Request, read_truth
from tests.laid import copied
from thinkmeter.commands.demo import demo_configuration
from thinkmeter.demo.arrival import wait_until_queryable
from thinkmeter.demo.traffic import DemoTraffic
from thinkmeter.pipeline import Pipeline
from thinkmeter.schema.store.client import connect

REQUESTS = 1_500
LIVE_REQUESTS = 60
ARRIVAL_S = 60
PINNED = {"math_tutoring": 0.80}


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a run of the demo left behind, its pipeline still running."""

    pipeline: Pipeline
    data: Path
    begin: dt.datetime
    until: dt.datetime
    prefix: str
    history: list[Request]
    live: list[Request]

    def select(self, sql: str) -> list[dict[str, Any]]:
        with connect(self.pipeline.address, read_only=True) as client:
            values = {"prefix": self.prefix, "until": self.until}
            return list(client.query(sql, parameters=values, tz_mode="aware").named_results())

    def report(self, *arguments: str, since: dt.datetime | None = None) -> Any:
        """What the command line says of the history, as JSON."""
        window = ["--since", (since or self.begin).isoformat(), "--until", self.until.isoformat()]
        told = subprocess.run(
            [sys.executable, "-m", "thinkmeter", "report", *arguments, "--json", "--data", str(self.data), *window],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(told.stdout)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + ARRIVAL_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {ARRIVAL_S} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def ran(laid: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    data = copied(laid, tmp_path_factory.mktemp("demo") / "data")
    with Pipeline(demo_configuration(), data, store_port=0) as pipeline:
        url = f"http://127.0.0.1:{pipeline.collector.http_port}"
        traffic = DemoTraffic(url, data, seed=7, requests=REQUESTS, requests_per_s=20, time_scale=0.002)
        with traffic:
            traffic.wait_for_history()
            traffic.wait_for_live(LIVE_REQUESTS)
        wait_until_queryable(pipeline.address, traffic.prefix, traffic.until, traffic.history)
        history, live = (read_truth(traffic.truth_path, live=live) for live in (False, True))
        made = Ran(pipeline, data, traffic.begin, traffic.until, traffic.prefix, history, live)
        sent = sum(len(r.calls) for r in live)
        wait_for(
            lambda: len(made.select(f"{LIVE_CALLS} AND (NOT billed OR cost_usd IS NOT NULL)")) == sent, "live calls"
        )
        yield made


@pytest.fixture(scope="module")
def reports(ran: Ran) -> dict[str, Any]:
    """The four metrics and cost of the history, by name."""
    return {report["metric"]: report for report in ran.report()} | {"cost": ran.report("cost")}


CALLS = "SELECT * FROM calls WHERE startsWith(request_id, {prefix:String})"
LIVE_CALLS = f"{CALLS} AND time >= {{until:DateTime64(6)}}"


def test_the_four_metrics_and_cost_are_those_of_the_truth(ran: Ran, reports: dict[str, Any]) -> None:
    comparison.assert_reports(reports, ran.history, PINNED)
    assert len(ran.history) == REQUESTS
    kinds = {row["detail"]["baseline_kind"] for row in reports["cpq"]["rows"]}
    assert kinds >= {"paired", "pinned"}


def test_a_window_holds_the_requests_that_began_in_it(ran: Ran) -> None:
    since = ran.history[REQUESTS // 3].time
    begun = [r for r in ran.history if r.time >= since]
    assert len(begun) == REQUESTS - REQUESTS // 3
    reports = {report["metric"]: report for report in ran.report(since=since)}
    comparison.assert_ttr(reports["ttr"], begun)
    comparison.assert_escr(reports["escr"], begun)
    comparison.assert_vrate(reports["vrate"], begun)
    comparison.assert_cpq(reports["cpq"], begun, PINNED)


def test_the_comparison_would_see_a_single_token(ran: Ran, reports: dict[str, Any]) -> None:
    answered = next(n for n, r in enumerate(ran.history) if r.task == "math_tutoring" and not r.calls[0].refused)
    chosen = [ran.history[answered], *ran.history[:answered], *ran.history[answered + 1 :]]
    thinking = chosen[0].calls[0].thinking_tokens
    assert thinking
    wrong = comparison.changed(chosen, thinking_tokens=thinking - 1)
    with pytest.raises(AssertionError, match="math_tutoring"):
        comparison.assert_ttr(reports["ttr"], wrong)
    with pytest.raises(AssertionError, match="math_tutoring"):
        comparison.assert_cost(reports["cost"], wrong)
    with pytest.raises(AssertionError, match="math_tutoring"):
        comparison.assert_cpq(reports["cpq"], wrong, PINNED)


def as_stored(request: Request, attempt: Attempt, call: Call) -> dict[str, Any]:
    """What the table `calls` has to say of an answered call."""
    spent = cost([call])
    return {
        "request_id": request.request_id,
        "task": request.task,
        "user_id": request.user,
        "session_id": request.session,
        "attempt": attempt.number,
        "tier": attempt.tier,
        "strategy": attempt.strategy,
        "role": call.role,
        "sample": call.sample,
        "phase": call.phase or "",
        "provider": call.provider,
        "model": call.model,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "thinking_tokens": call.thinking_tokens,
        "effort": call.effort or "",
        "service_tier": call.service_tier,
        "cost_usd": pytest.approx(spent.total, rel=1e-9),
        "cost_source": "computed",
    }


CACHED = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")


@pytest.mark.parametrize("live", [False, True], ids=["replayed", "live"])
def test_every_call_is_stored_as_it_was_billed(ran: Ran, live: bool) -> None:
    requests = ran.live if live else ran.history
    assert len(requests) >= (LIVE_REQUESTS if live else REQUESTS)
    ids = {r.request_id for r in requests}
    rows = [row for row in ran.select(CALLS) if row["request_id"] in ids]
    answered = {row["response_id"]: row for row in rows if row["billed"]}
    wanted = {c.response_id: (r, a, c) for r in requests for a in r.attempts for c in a.calls if not c.refused}
    assert sorted(answered) == sorted(wanted)
    for response_id, (request, attempt, call) in wanted.items():
        row = answered[response_id]
        expected = as_stored(request, attempt, call)
        assert {name: row[name] for name in expected} == expected
        assert [row[name] or 0 for name in CACHED] == [getattr(call, name) for name in CACHED]
        if not live:
            assert abs(row["time"] - call.time) < dt.timedelta(milliseconds=1)
    refused = [row for row in rows if not row["billed"]]
    assert len(refused) == sum(c.refused for r in requests for c in r.calls)
    assert all(row["cost_usd"] is None and row["output_tokens"] is None for row in refused)


def test_verdicts_and_labels_reach_the_attempts_they_speak_of(ran: Ran) -> None:
    rows = ran.select(
        "SELECT request_id, attempt, verifier, verdict_passed, verdict_score, correct, label_sampling_probability "
        "FROM attempts WHERE startsWith(request_id, {prefix:String})"
    )
    told = {
        (row["request_id"], row["attempt"]): (
            row["verifier"],
            row["verdict_passed"],
            row["verdict_score"],
            row["correct"],
            row["label_sampling_probability"],
        )
        for row in rows
    }
    assert told == {
        (r.request_id, a.number): (a.verifier, a.passed, a.score, a.label, a.label_probability)
        for r in ran.history + ran.live
        for a in r.attempts
    }


def test_the_command_reports_all_four_metrics_and_leaves_nothing_behind(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "thinkmeter", "demo", "--seed", "8", "--requests", "300", "--exit"],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    assert "Traceback" not in told.stderr
    for title in ("Cost per quality point", "Thinking token rate", "Escalation rate", "Verifier precision"):
        assert title in told.stdout
    for task in ("sql_generation", "code_review", "support_triage", "math_tutoring"):
        assert told.stdout.count(task) >= 4
    assert "live requests through the clients of OpenAI, Anthropic and Gemini" in told.stdout
    assert list(tmp_path.iterdir()) == []
