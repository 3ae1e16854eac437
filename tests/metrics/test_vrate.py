"""Verifier precision, its other rates, and what unequal labelling must not do to them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics import reference
from tests.metrics.conftest import Reported
from tests.metrics.scenarios import SCENARIOS
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.vrate import verifier_precision
from thinkmeter.schema.policy import Policy


@pytest.mark.parametrize(("task", "verifier"), [("chosen", "orm"), ("two verifiers", "orm")])
def test_it_is_what_plain_python_makes_of_the_requests(reported: Reported, task: str, verifier: str) -> None:
    row = reported("vrate", task, verifier=verifier)
    wanted = reference.vrate(SCENARIOS[task], verifier)
    assert (row.state, row.n) == ("ok", wanted.n)
    assert row.value == pytest.approx(wanted.value)
    assert (row.low, row.high) == pytest.approx(wanted.interval)
    assert row.detail["recall"] == pytest.approx(wanted.recall)
    assert row.detail["false_positive_rate"] == pytest.approx(wanted.false_positive_rate)
    assert row.detail["specificity"] == pytest.approx(1 - wanted.false_positive_rate)


def test_the_figures_of_two_verifiers(reported: Reported) -> None:
    # orm passes 12, of which only number 8 would be wrong and is failed; judge passes 0, 4, 8, 12, half of them right
    orm, judge = (reported("vrate", "two verifiers", verifier=name) for name in ("orm", "judge"))
    assert orm.key == {"task": "two verifiers", "verifier": "orm", "version": None}
    assert (orm.value, orm.n) == (1.0, 12)
    assert orm.detail["recall"] == pytest.approx(12 / 14)
    assert (orm.detail["false_positive_rate"], orm.detail["specificity"]) == (0.0, 1.0)
    assert judge.key == {"task": "two verifiers", "verifier": "judge", "version": "2"}
    assert (judge.value, judge.n) == (0.5, 4)
    assert judge.detail["recall"] == pytest.approx(2 / 14)


def test_reliability_and_thresholds_by_hand(reported: Reported) -> None:
    # scores 0/16 to 15/16; wrong are 0 and 8
    row = reported("vrate", "two verifiers", verifier="orm")
    curve = row.detail["reliability"]
    assert [point["n"] for point in curve] == [2, 2, 1, 2, 1, 2, 2, 1, 2, 1]
    assert curve[0]["correct"] == 0.5
    assert curve[0]["score"] == pytest.approx(1 / 32)
    assert curve[1]["score"] == pytest.approx(2.5 / 16)
    gaps = [abs(point["correct"] - point["score"]) * point["n"] / 16 for point in curve]
    assert row.detail["expected_calibration_error"] == pytest.approx(sum(gaps))
    table = {point["threshold"]: point for point in row.detail["thresholds"]}
    # at 0.5 and above: 8 to 15, of which 8 is wrong
    assert table[0.5] == {
        "threshold": 0.5,
        "precision": pytest.approx(7 / 8),
        "recall": pytest.approx(7 / 14),
        "escalation_rate": pytest.approx(8 / 16),
    }
    assert table[0.0]["escalation_rate"] == 0
    assert table[1.0]["precision"] is None


def test_what_no_label_speaks_of_is_left_open(reported: Reported) -> None:
    # only failed answers are labelled there
    row = reported("vrate", "ok")
    assert (row.state, row.n, row.detail["reason"]) == ("insufficient_data", 13, "13 of 30 labelled verdicts")
    row = reported("vrate", "unequal")
    assert (row.state, row.n, row.detail["reason"]) == ("insufficient_data", 20, "20 of 30 labelled verdicts")
    ones, none = np.ones(40), np.zeros(40, bool)
    estimate = verifier_precision(cells(none, none, ~none, ones, ones), Policy())
    assert (estimate.state, estimate.detail["reason"]) == ("insufficient_data", "no answer that passed is labelled")
    assert (estimate.detail["recall"], estimate.detail["specificity"]) == (None, 1.0)
    # of the passes none is labelled: what share of the wrong answers they are is not known
    passed = np.arange(40) < 10
    detail = verifier_precision(cells(passed, none, ~passed, ones, ones), Policy()).detail
    assert (detail["recall"], detail["specificity"], detail["reliability"]) == (None, None, None)


@pytest.mark.parametrize("extreme", [np.inf, -np.inf, 1e308, -1e308])
def test_scores_beyond_measure_leave_numbers_that_can_be_written(extreme: float) -> None:
    ones = np.ones(40)
    score = np.where(np.arange(40) < 20, extreme, -1e308)
    estimate = verifier_precision(cells(ones.astype(bool), ones, ones.astype(bool), score, ones), Policy())
    assert estimate.state == "ok"
    json.dumps(estimate.detail, allow_nan=False)


def cells(
    passed: np.ndarray, correct: np.ndarray, labelled: np.ndarray, score: np.ndarray, probability: np.ndarray
) -> Cells:
    size = len(passed)
    return Cells.of(
        settled=np.ones(size),
        weight=np.ones(size),
        passed=passed.astype(int),
        is_correct=np.where(labelled, correct.astype(int), -1),
        label_probability=probability,
        in_tier_1=np.ones(size),
        score=score,
        attempts=np.ones(size, int),
        score_sum=score,
    )


def test_labelling_more_of_the_passes_does_not_tilt_the_rates() -> None:
    chance = np.random.default_rng(11)
    correct = chance.random(2_000) < 0.6
    score = np.floor(np.clip(chance.normal(np.where(correct, 0.7, 0.4), 0.15), 0, 1) * 1000) / 1000
    passed = score >= 0.5
    everywhere = np.ones(2_000)
    truth = verifier_precision(cells(passed, correct, everywhere > 0, score, everywhere), Policy()).detail
    names = ("recall", "false_positive_rate", "specificity", "expected_calibration_error")
    found: dict[str, list[float]] = {name: [] for name in (*names, "precision at 0.65", "recall at 0.65")}
    for _ in range(80):
        labelled = chance.random(2_000) < np.where(passed, 0.3, 0.05)
        detail = verifier_precision(cells(passed, correct, labelled, score, everywhere), Policy()).detail
        for name in names:
            found[name].append(detail[name])
        [row] = [row for row in detail["thresholds"] if row["threshold"] == 0.65]
        found["precision at 0.65"].append(row["precision"])
        found["recall at 0.65"].append(row["recall"])
    [row] = [row for row in truth["thresholds"] if row["threshold"] == 0.65]
    assert row["precision"] == pytest.approx(correct[score >= 0.65].mean())
    assert row["escalation_rate"] == pytest.approx((score < 0.65).mean())
    truth |= {"precision at 0.65": row["precision"], "recall at 0.65": row["recall"]}
    for name, values in found.items():
        # few labels make every bin look a little off
        slack = 0.05 if name == "expected_calibration_error" else 0.012
        assert np.mean(values) == pytest.approx(truth[name], abs=slack), name


def test_labels_chosen_by_score_are_weighed_back() -> None:
    chance = np.random.default_rng(12)
    correct = chance.random(3_000) < 0.8
    score = np.floor(np.clip(chance.normal(np.where(correct, 0.8, 0.6), 0.1), 0.5, 1) * 1000) / 1000
    passed = np.ones(3_000, bool)
    probability = np.where(score < 0.7, 0.5, 0.05)  # doubtful answers are looked at more often
    found, naive = [], []
    for _ in range(80):
        labelled = chance.random(3_000) < probability
        estimate = verifier_precision(cells(passed, correct, labelled, score, probability), Policy())
        found.append(estimate.value)
        naive.append(correct[labelled].mean())
    assert np.mean([value for value in found if value is not None]) == pytest.approx(correct.mean(), abs=0.01)
    assert np.mean(naive) < correct.mean() - 0.1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 1000)), min_size=1, max_size=50))
def test_its_interval_contains_it(rows: list[tuple[bool, bool, int]]) -> None:
    passed, correct, score = (np.array(column) for column in zip(*rows, strict=True))
    ones = np.ones(len(rows))
    estimate = verifier_precision(cells(passed, correct, ones > 0, score / 1000, ones), Policy(min_labels=1))
    assert estimate.n == passed.sum()
    if estimate.value is not None:
        assert estimate.low is not None
        assert estimate.high is not None
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.value == pytest.approx(correct[passed].mean())
    for row in estimate.detail["thresholds"]:
        assert row["escalation_rate"] == pytest.approx((score < round(row["threshold"] * 1000)).mean())
