"""Cost per quality point: every baseline and state, against plain Python and against figures worked out by hand."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics import reference
from tests.metrics.conftest import Reported
from tests.metrics.scenarios import SCENARIOS
from tests.metrics.traffic import Request, answered, climbed
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.cpq import cost_per_quality_point
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.policy import Policy

COMPARED: dict[str, tuple[str, Callable[[Sequence[Request]], reference.Cpq], str]] = {
    "ok": ("paired", reference.paired, "ok"),
    "inconclusive": ("paired", reference.paired, "inconclusive"),
    "no gain": ("paired", reference.paired, "no_gain"),
    "worse": ("paired", reference.paired, "worse"),
    "unequal": ("paired", reference.paired, "ok"),
    "sampled": ("paired", reference.paired, "ok"),
    "unpaired": ("unpaired", reference.unpaired, "ok"),
    "pinned": ("pinned", partial(reference.pinned, baseline=0.60), "ok"),
    "pinned above": ("pinned", partial(reference.pinned, baseline=0.99), "worse"),
}


@pytest.mark.parametrize("task", COMPARED)
def test_it_is_what_plain_python_makes_of_the_requests(reported: Reported, task: str) -> None:
    kind, compute, state = COMPARED[task]
    row, wanted = reported("cpq", task), compute(SCENARIOS[task])
    assert (row.state, row.n, row.detail["baseline_kind"]) == (state, wanted.n, kind)
    assert row.value == (None if state in ("no_gain", "worse") else pytest.approx(wanted.value))
    assert row.detail["accuracy"] == pytest.approx(wanted.accuracy)
    assert row.detail["baseline"] == pytest.approx(wanted.baseline)
    assert row.detail["improvement_pp"] == pytest.approx(100 * wanted.improvement)
    # two bootstraps with other random numbers
    interval = [row.detail["improvement_low_pp"], row.detail["improvement_high_pp"]]
    assert interval == pytest.approx([100 * end for end in wanted.interval], abs=2.5)
    assert row.detail["confounded"] is (kind == "unpaired")
    of_all = wanted.accuracy if kind != "unpaired" else (36 + 18 + 5) / 80
    assert row.detail["cost_of_pass_usd"] == pytest.approx(row.detail["cost_per_request_usd"] / of_all)


def test_the_figures_of_a_paired_comparison(reported: Reported) -> None:
    # 33 requests, 13 of them escalated: 13 x 50 thinking tokens at 4 USD a million; 12 of 13 gained, one lost
    row = reported("cpq", "ok")
    spent, improvement = 13 * 50 * 4e-6, 11 / 33
    assert row.detail["thinking_cost_usd"] == pytest.approx(spent)
    assert row.detail["improvement_pp"] == pytest.approx(100 * improvement)
    assert row.value == pytest.approx(spent / (100 * improvement))
    assert row.detail["cost_per_extra_correct_usd"] == pytest.approx(spent / 33 / improvement)
    # 33 first calls of 1000 in and 1000 out, 13 second ones that thought 50 of their 1000
    cost = (33 * (1000 + 2000) + 13 * (1000 + 50 * 4 + 950 * 2)) / 1e6
    assert row.detail["cost_per_request_usd"] == pytest.approx(cost / 33)
    assert row.detail["cost_of_pass_usd"] == pytest.approx(cost / 33 / (26 / 33))
    assert (row.detail["accuracy"], row.detail["baseline"]) == (pytest.approx(26 / 33), pytest.approx(15 / 33))
    assert row.detail["requests"] == 33
    assert row.low is not None
    assert row.high is not None
    assert row.value is not None
    assert row.low < row.value < row.high


def test_an_inconclusive_value_has_no_upper_end(reported: Reported) -> None:
    row = reported("cpq", "inconclusive")
    assert row.value is not None
    assert row.low is not None
    assert row.high is None
    assert row.detail["improvement_low_pp"] <= 0 < row.detail["improvement_high_pp"]


@pytest.mark.parametrize("task", ["no gain", "worse"])
def test_without_a_gain_the_money_is_told(reported: Reported, task: str) -> None:
    row = reported("cpq", task)
    assert (row.value, row.low, row.high) == (None, None, None)
    assert row.detail["thinking_cost_usd"] == pytest.approx(12 * 50 * 4e-6)


@pytest.mark.parametrize(
    ("task", "n", "reason"),
    [
        ("pinned few labels", 18, "18 of 30 labels"),
        ("few labels", 12, "12 of 30 labels"),
        (
            "few thought",
            39,
            "no baseline: paired has 9 of 10 labelled requests whose final attempt thought; "
            "unpaired has 9 labels with thinking and 30 without, of 30 each",
        ),
        (
            "a stratum without labels",
            41,
            "no baseline: paired has no label of requests that were escalated; "
            "unpaired has 1 labels with thinking and 40 without, of 30 each",
        ),
        ("pinned unpriced", 30, "no thinking has a price"),
    ],
)
def test_it_says_what_is_missing(reported: Reported, task: str, n: int, reason: str) -> None:
    row = reported("cpq", task)
    assert (row.state, row.n, row.value, row.detail["reason"]) == ("insufficient_data", n, None, reason)


def test_unknown_thinking_is_left_out_and_its_share_stated(reported: Reported) -> None:
    # 30 requests of one call, 10 of two, of which the first is unknown
    row = reported("cpq", "unknown")
    assert row.detail["left_out_call_share"] == pytest.approx(10 / 50)
    assert row.detail["thinking_cost_usd"] == pytest.approx((sum(10 * n for n in range(30)) + 10 * 40) * 4e-6)


def test_sampled_traffic_stands_for_more(reported: Reported) -> None:
    row = reported("cpq", "sampled")
    assert row.detail["estimated"] is True
    assert row.detail["thinking_cost_usd"] == pytest.approx(16 * 300 * 4e-6)
    # 24 requests for 96, of which 64 are right; 16 for themselves
    assert row.detail["baseline"] == pytest.approx((64 + 4) / 112)


def cells(requests: Sequence[Request], **columns: object) -> Cells:
    """What the SQL gives for requests of which each attempt is one priced call."""
    counted = {
        "settled": [1 for _ in requests],
        "weight": [reference.weight(r) for r in requests],
        "escalated": [int(reference.escalated(r)) for r in requests],
        "began_without_thinking": [int(r.attempts[0].thinking == 0) for r in requests],
        "thought": [-1 if (count := reference.thinking(r)) is None else int(count > 0) for r in requests],
        "final_thought": [int((r.attempts[-1].thinking or 0) > 0) for r in requests],
        "final_correct": [_flag(r.attempts[-1].correct) for r in requests],
        "began_correct": [_flag(r.attempts[0].correct) for r in requests],
        "final_label_probability": [r.attempts[-1].label_probability or 1 for r in requests],
        "began_label_probability": [r.attempts[0].label_probability or 1 for r in requests],
        "requests": [1 for _ in requests],
        "thinking_usd": [reference.thinking_usd(r) for r in requests],
        "calls": [len(r.attempts) for r in requests],
        "left_out_calls": [sum(a.thinking is None for a in r.attempts) for r in requests],
        "costed_requests": [1 for _ in requests],
        "costed_usd": [sum(reference.cost_usd(a) or 0 for a in r.attempts) for r in requests],
    }
    return Cells.of(**{**counted, **columns})  # type: ignore[arg-type]


def _flag(outcome: bool | None) -> int:
    return -1 if outcome is None else int(outcome)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=10, max_size=40),
    st.lists(st.booleans(), min_size=20, max_size=40),
    st.sampled_from([None, 0.5, 0.02]),
)
def test_its_interval_contains_it_and_one_weight_for_all_changes_only_sums(
    climbs: list[tuple[bool, bool]], stays: list[bool], probability: float | None
) -> None:
    def traffic(chance: float | None) -> list[Request]:
        return [
            *(climbed(f"e{n}", was=a, became=b, probability=chance) for n, (a, b) in enumerate(climbs)),
            *(answered(f"s{n}", correct=right, probability=chance) for n, right in enumerate(stays)),
        ]

    plain = cost_per_quality_point(cells(traffic(None)), Policy())
    heavy = cost_per_quality_point(cells(traffic(probability)), Policy())
    assert plain.detail["improvement_low_pp"] <= plain.detail["improvement_pp"] <= plain.detail["improvement_high_pp"]
    if plain.state is State.OK:
        assert plain.value is not None
        assert plain.low is not None
        assert plain.high is not None
        assert plain.low <= plain.value <= plain.high
    same = ("improvement_pp", "improvement_low_pp", "improvement_high_pp", "accuracy", "baseline", "cost_of_pass_usd")
    assert [heavy.detail[name] for name in same] == pytest.approx([plain.detail[name] for name in same])
    assert (heavy.state, heavy.n) == (plain.state, plain.n)
    if plain.value is not None:
        assert heavy.value == pytest.approx(plain.value / (probability or 1))
        assert heavy.detail["cost_per_extra_correct_usd"] == pytest.approx(plain.detail["cost_per_extra_correct_usd"])


@settings(max_examples=15)
@given(st.floats(0.001, 1000))
def test_it_scales_with_the_price(factor: float) -> None:
    counted = cells(SCENARIOS["ok"])
    dearer = dataclasses.replace(counted, columns={**counted.columns, "thinking_usd": counted["thinking_usd"] * factor})
    plain, scaled = (cost_per_quality_point(one, Policy()) for one in (counted, dearer))
    assert [scaled.value, scaled.low, scaled.high] == pytest.approx(
        [factor * (end or 0) for end in (plain.value, plain.low, plain.high)]
    )


def test_unequal_labelling_does_not_tilt_a_paired_comparison() -> None:
    # of 200 escalated half gain, the other 400 stay as they are: true improvement 1/6
    chance = np.random.default_rng(5)
    found, naive = [], []
    for _ in range(150):
        labelled_climbs, labelled_stays = chance.random(200) < 0.5, chance.random(400) < 0.1
        gained = chance.permutation(200) < 100
        traffic = [
            climbed(f"e{n}", was=False if seen else None, became=bool(gained[n]) if seen else None)
            for n, seen in enumerate(labelled_climbs)
        ]
        traffic += [answered(f"s{n}", correct=True if seen else None) for n, seen in enumerate(labelled_stays)]
        estimate = cost_per_quality_point(cells(traffic), Policy())
        found.append(estimate.detail["improvement_pp"])
        naive.append(100 * (labelled_climbs & gained).sum() / (labelled_climbs.sum() + labelled_stays.sum()))
    assert np.mean(found) == pytest.approx(100 / 6, abs=0.5)
    assert np.mean(naive) > 30  # what counting labelled requests alike would have said
