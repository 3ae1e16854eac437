"""The workload: the same by the same seed, and of the shape that traffic has."""

import datetime as dt
import json
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.demo.reference.truth import read_truth
from thinkmeter.demo.arrival import Tally
from thinkmeter.demo.plan import PlannedAttempt, PlannedRequest
from thinkmeter.demo.tasks import TASKS, TaskClass
from thinkmeter.demo.truth import Truth, has_history
from thinkmeter.demo.workload import HISTORY, Workload

BEGIN = dt.datetime(2026, 11, 16, 13, tzinfo=dt.UTC)
SETTLING = dt.timedelta(minutes=5)


@pytest.fixture(scope="module", params=[7, 8])
def history(request: pytest.FixtureRequest) -> list[PlannedRequest]:
    return list(Workload(request.param, BEGIN).history(7_500))


def attempts_of(requests: list[PlannedRequest], task: str) -> list[PlannedAttempt]:
    return [a for r in requests if r.task == task for a in r.attempts]


def thinking(request: PlannedRequest) -> int:
    return sum(c.thinking_tokens for a in request.attempts for c in a.calls)


def test_the_same_seed_gives_the_same_requests_and_another_seed_others() -> None:
    one, again, other = (list(Workload(seed, BEGIN).history(300)) for seed in (7, 7, 8))
    assert one == again
    assert one != other
    ids = [c.response_id for r in one + other for a in r.attempts for c in a.calls]
    assert len(set(ids)) == len(ids)


def test_live_requests_follow_from_the_seed_too() -> None:
    workload = Workload(7, BEGIN)
    at = workload.live_from
    tasks = [workload.live_task(n, at) for n in range(500, 540)]
    assert tasks == [workload.live_task(n, at) for n in range(500, 540)]
    assert len({t.name for t in tasks}) > 2
    assert workload.request(500, tasks[0], at) == workload.request(500, tasks[0], at)


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**24 - 1), st.sampled_from(TASKS), st.booleans())
def test_every_plan_holds_what_counts_must_hold(seed: int, number: int, task: TaskClass, runaway: bool) -> None:
    request = Workload(seed, BEGIN).request(number, task, BEGIN + HISTORY / 3, runaway=runaway)
    assert [a.number for a in request.attempts] == list(range(1, len(request.attempts) + 1))
    tiers = [a.tier for a in request.attempts]
    assert tiers == sorted(tiers)
    for attempt in request.attempts:
        assert any(c.role == "answer" and not c.error for c in attempt.calls)
        for call in attempt.calls:
            assert 0 <= call.thinking_tokens <= call.output_tokens
            assert call.cache_read_tokens + call.cache_write_tokens < call.input_tokens
            assert 0 <= call.cache_write_1h_tokens <= call.cache_write_tokens
            assert (call.output_tokens == 0) is (call.error is not None)
    starts = [c.start for a in request.attempts for c in a.calls if c.role == "answer" and c.sample in (None, 0)]
    assert starts == sorted(starts)
    assert {label.attempt for label in request.labels} in (set(), {a.number for a in request.attempts})
    assert {label.attempt: label.correct for label in request.labels}.items() <= {
        a.number: a.correct for a in request.attempts
    }.items()


def test_the_history_fills_eight_days_and_has_settled_at_its_end(history: list[PlannedRequest]) -> None:
    assert all(BEGIN <= r.start for r in history)
    assert max(r.end for r in history) + SETTLING < BEGIN + HISTORY
    assert {r.start.date() for r in history} == {(BEGIN + dt.timedelta(days=d)).date() for d in range(9)}
    office = Counter(r.start.hour for r in history if r.task == "sql_generation")
    assert office[10] > 4 * max(office[2], 1)
    nightly = Counter(r.start.hour for r in history if r.task == "contract_extraction")
    assert nightly[2] > 4 * nightly[14]


def test_a_fifth_is_escalated_and_one_class_is_above_its_target(history: list[PlannedRequest]) -> None:
    rates = {}
    for task in TASKS:
        gates = [(r, [a for a in r.attempts if a.tier == 1]) for r in history if r.task == task.name]
        judged = [(r, tried[-1]) for r, tried in gates if tried and tried[-1].verdict]
        failed = [r for r, a in judged if a.verdict and not a.verdict.passed and r.attempts[-1].tier > 1]
        rates[task.name] = len(failed) / len(judged)
    assert [name for name, rate in rates.items() if rate > 0.25] == ["code_review"]
    assert 0.15 < mean(rates.values()) < 0.25
    tiers = Counter(r.attempts[-1].tier for r in history)
    assert 0.6 < tiers[1] / len(history) < 0.75
    assert 0.18 < tiers[2] / len(history) < 0.30
    assert 0.05 < tiers[3] / len(history) < 0.10


def test_verifiers_are_right_nine_times_in_ten_and_one_of_them_drifts(history: list[PlannedRequest]) -> None:
    for task in TASKS:
        passed = [a.correct for a in attempts_of(history, task.name) if a.verdict and a.verdict.passed]
        assert 0.85 < mean(passed) < 0.99
    halves: dict[bool, list[bool]] = defaultdict(list)
    for request in history:
        if request.task == "support_triage":
            late = request.start > BEGIN + HISTORY * 3 / 4
            halves[late] += [a.correct for a in request.attempts if a.verdict and a.verdict.passed]
    assert mean(halves[False]) - mean(halves[True]) > 0.04


def test_harder_requests_think_longer_with_a_heavy_tail(history: list[PlannedRequest]) -> None:
    for task in TASKS:
        mine = [(r.difficulty, thinking(r)) for r in history if r.task == task.name]
        thought = sorted(t for _, t in mine if t)
        assert thought[int(0.99 * len(thought))] > 5 * thought[len(thought) // 2]
        easy, hard = (mean(t for d, t in mine if low <= d < low + 0.25) for low in (0.2, 0.55))
        assert hard > 2 * easy


def test_thinking_helps_up_to_a_knee_and_hurts_beyond(history: list[PlannedRequest]) -> None:
    bins: dict[str, list[bool]] = defaultdict(list)
    for task in TASKS:
        for attempt in attempts_of(history, task.name):
            tokens = max(c.thinking_tokens for c in attempt.calls)
            if tokens:
                bins["beyond" if tokens > 1.5 * task.knee_tokens else "below"].append(attempt.correct)
    assert len(bins["beyond"]) > 50
    assert mean(bins["below"]) - mean(bins["beyond"]) > 0.15


def test_escalated_requests_are_labelled_more_often_and_say_so(history: list[PlannedRequest]) -> None:
    labelled = [r for r in history if r.labels]
    assert 0.2 < len(labelled) / len(history) < 0.3
    for task in TASKS:
        said = {label.sampling_probability for r in labelled if r.task == task.name for label in r.labels}
        assert said == {task.labelled, task.labelled_escalated}


def test_a_few_requests_run_away(history: list[PlannedRequest]) -> None:
    planted = [r for r in history if r.runaway]
    assert 1 <= len(planted) <= 20
    for request in planted:
        usual = sorted(thinking(r) for r in history if r.task == request.task and not r.runaway)
        assert thinking(request) > 2 * usual[int(0.95 * len(usual))]


def test_a_model_that_keeps_its_thinking_to_itself_is_replaced_in_the_middle(history: list[PlannedRequest]) -> None:
    silent = [c.start for r in history for a in r.attempts for c in a.calls if c.told_thinking_tokens is None]
    assert len(silent) > 20
    assert max(silent) < BEGIN + HISTORY / 2
    later = {c.model.name for r in history if r.start > BEGIN + HISTORY / 2 for a in r.attempts for c in a.calls}
    assert {"gpt-6.1-terra", "claude-opus-5-5"} <= later
    assert "claude-opus-5" not in later


def test_the_truth_file_says_when_its_history_is_complete(tmp_path: Path, history: list[PlannedRequest]) -> None:
    path = tmp_path / "truth.jsonl"
    assert not has_history(path)
    with Truth(path) as truth:
        truth.write(history[0], live=False)
    assert not has_history(path)
    with Truth(path) as truth:
        truth.end_history(Tally(requests=1))
    assert has_history(path)
    assert [r.request_id for r in read_truth(path, live=False)] == [history[0].request_id]


def test_the_truth_file_tells_every_request_before_it_is_sent(tmp_path: Path, history: list[PlannedRequest]) -> None:
    path = tmp_path / "truth.jsonl"
    some = history[:200]
    with Truth(path) as truth:
        for number, request in enumerate(some, 1):
            truth.write(request, live=number % 2 == 0)
            told = [json.loads(line) for line in path.read_text().splitlines()]
            assert told[-1]["request_id"] == request.request_id
    kinds = Counter(line["kind"] for line in told)
    assert kinds["request"] == 200
    assert kinds["call"] == sum(len(a.calls) for r in some for a in r.attempts)
    read = read_truth(path, live=False) + read_truth(path, live=True)
    assert {r.request_id for r in read} == {r.request_id for r in some}
    by_id = {r.request_id: r for r in read}
    for request in some:
        again = by_id[request.request_id]
        assert again.time == request.start
        assert [a.label for a in again.attempts] == [
            next((x.correct for x in request.labels if x.attempt == a.number), None) for a in request.attempts
        ]
        known = {c.told_thinking_tokens for a in request.attempts for c in a.calls if c.role == "answer"}
        assert again.thinking_tokens == (None if None in known else thinking(request))
