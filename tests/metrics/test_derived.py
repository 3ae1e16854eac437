"""Overthinking, strategies and what else is derived, against plain Python."""

import json
import random
from collections.abc import Iterator

import numpy as np
import pytest

from tests.databases import Databases
from tests.metrics import derived
from tests.metrics.reference import mean
from tests.metrics.traffic import SINCE, UNTIL
from tests.schema.rows import insert, price
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.overthinking import overthinking
from thinkmeter.schema.policy import Policy
from thinkmeter.schema.query import Reader, ReportRow
from thinkmeter.schema.store.client import connect

TRIES = list(derived.tries())
MATH = [one for one in TRIES if one.task == "math"]
SEARCH = [one for one in TRIES if one.task == "search"]


@pytest.fixture(scope="module")
def reader(databases: Databases) -> Iterator[Reader]:
    address = databases.take()
    with connect(address) as client, Reader(address) as reader:
        insert(client, "prices", [price()])
        spans, labels = derived.rows(TRIES)
        insert(client, "spans", spans)
        insert(client, "labels", labels)
        refresh_requests(client, budget_s=None)
        yield reader
    databases.give_back(address)


@pytest.fixture(scope="module")
def thought(reader: Reader) -> ReportRow:
    [row] = reader.report("overthinking", since=SINCE, until=UNTIL, task="math").rows
    return row


@pytest.fixture(scope="module")
def side_by_side(reader: Reader) -> dict[str | None, ReportRow]:
    rows = reader.report("strategies", since=SINCE, until=UNTIL, task="search").rows
    assert {row.key["task"] for row in rows} == {"search"}
    return {row.key["strategy"]: row for row in rows}


def test_accuracy_by_length_is_what_plain_python_makes_of_it(thought: ReportRow) -> None:
    wanted = derived.curve(MATH)
    bins = {derived.bin_of(one["from_tokens"]): one for one in thought.detail["bins"]}
    assert bins.keys() == wanted.keys()
    for length, (share, band, n) in wanted.items():
        assert bins[length]["n"] == n
        assert bins[length]["correct"] == pytest.approx(share)
        assert (bins[length]["low"], bins[length]["high"]) == pytest.approx(band)
    tokens = sum(one.tokens for one in MATH if one.tokens is not None)
    assert thought.detail["thinking_tokens"] == tokens == sum(one["thinking_tokens"] for one in thought.detail["bins"])
    assert sum(one["attempts"] for one in bins.values()) == len([one for one in MATH if one.tokens is not None])


def test_the_knee_and_the_waste_past_it(thought: ReportRow) -> None:
    labelled = [one for one in MATH if one.correct is not None and one.tokens is not None]
    labelled = [one for one in labelled if one.tokens]  # attempts without thinking are another population
    lengths = [length for length, (_, _, n) in derived.curve(labelled).items() if n >= 10]
    eligible = [one for one in labelled if one.tokens is not None and derived.bin_of(one.tokens) in lengths]
    knee = derived.knee(labelled, lengths)
    assert (thought.state, thought.n) == ("ok", len(labelled))
    assert thought.detail["suggested_cap_tokens"] == 2**knee
    assert 2**knee == 1024  # which is the truth
    assert thought.value == pytest.approx(derived.wasted(MATH, knee))
    assert thought.detail["left_out_share"] == pytest.approx(sum(one.tokens is None for one in MATH) / len(MATH))

    def drawn(chance: random.Random) -> float:
        return derived.wasted(MATH, derived.knee(chance.choices(eligible, k=len(eligible)), lengths))

    # waste comes in steps, one a length: both ends are found but for the last draws on either side of a step
    assert (thought.low, thought.high) == pytest.approx(derived.percentiles(drawn, 400), abs=0.1)


def test_the_comparison_within_requests(thought: ReportRow) -> None:
    found = derived.pairs(MATH)
    weights = [weight for _, _, weight in found]
    gain = mean([became - was for was, became, _ in found], weights)
    detail = thought.detail
    assert (detail["within_n"], detail["within_state"]) == (len(found), "ok") == (50, "ok")
    assert detail["within_accuracy_without"] == pytest.approx(mean([float(was) for was, _, _ in found], weights))
    assert detail["within_accuracy_with"] == pytest.approx(mean([float(became) for _, became, _ in found], weights))
    assert detail["within_gain_pp"] == pytest.approx(100 * gain)

    def drawn(chance: random.Random) -> float:
        some = chance.choices(found, k=len(found))
        return 100 * mean([became - was for was, became, _ in some], [weight for _, _, weight in some])

    assert (detail["within_gain_low_pp"], detail["within_gain_high_pp"]) == pytest.approx(
        derived.percentiles(drawn), abs=2.5
    )


def test_use_of_budgets_and_tokens_per_correct_answer(thought: ReportRow) -> None:
    budgeted = [one.tokens / one.budget for one in MATH if one.budget and one.tokens is not None]
    detail = thought.detail
    assert detail["budgeted_calls"] == len(budgeted)
    assert detail["budget_use"] == pytest.approx(sum(budgeted) / len(budgeted))
    assert detail["capped_share"] == pytest.approx(sum(use >= 0.95 for use in budgeted) / len(budgeted))
    n, tokens, e3 = derived.efficiency(MATH)
    assert detail["efficiency_n"] == n
    assert detail["tokens_per_correct"] == pytest.approx(tokens)
    assert detail["e3"] == pytest.approx(e3)
    assert detail["e3_low"] < detail["e3"] < detail["e3_high"]
    assert detail["tokens_per_correct_low"] < tokens < detail["tokens_per_correct_high"]


def test_few_labels_have_no_knee(reader: Reader) -> None:
    report = reader.report("overthinking", since=SINCE, until=UNTIL, task="search")
    assert report.note.startswith("Hard tasks think longer")
    [row] = report.rows
    assert (row.value, row.state, row.detail["reason"]) == (
        None,
        "insufficient_data",
        "2 of 3 lengths with 10 labels each",
    )
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["note"] == report.note


def curve_cells(sizes: list[int], correct: list[int]) -> Cells:
    """Lengths 1, 2, ... with so many labelled attempts, of which so many are correct."""
    lengths = np.arange(1, len(sizes) + 1)
    right, wrong = np.array(correct), np.array(sizes) - np.array(correct)
    attempts = np.concatenate([right, wrong])
    ones = np.ones(2 * len(sizes))
    length_bin = np.concatenate([lengths, lengths])
    return Cells.of(
        settled=ones,
        weight=ones,
        length_bin=length_bin,
        is_correct=np.repeat([1, 0], len(sizes)),
        label_probability=ones,
        was_correct=-ones,
        pair_probability=ones,
        attempts=attempts,
        thinking=attempts * 2 ** (length_bin - 1),
        thinking_usd=ones,
        requests=attempts,
        counted_requests=attempts,
        request_tokens=attempts * 100,
        budgeted_calls=ones * 0,
        budget_use=ones * 0,
        capped_calls=ones * 0,
    ).where(attempts > 0)


def test_where_longer_is_always_better_nothing_is_wasted() -> None:
    estimate = overthinking(curve_cells([400] * 4, [100, 200, 300, 390]), Policy())
    assert (estimate.state, estimate.value, estimate.low, estimate.high) == ("inconclusive", 0.0, 0.0, None)
    assert estimate.detail["suggested_cap_tokens"] == 16


def test_where_length_brings_nothing_all_past_the_first_is_waste() -> None:
    estimate = overthinking(curve_cells([2000] * 4, [1900, 1500, 1200, 900]), Policy())
    assert (estimate.state, estimate.detail["suggested_cap_tokens"]) == ("ok", 2)
    # lengths of 2, 4 and 8 tokens against a cap of 2
    assert estimate.value == pytest.approx((0 + 2 + 6) / (1 + 2 + 4 + 8))


def test_its_interval_holds_the_true_waste_as_often_as_it_says() -> None:
    shares = np.array([0.35, 0.55, 0.72, 0.92, 0.84, 0.76])
    chance = np.random.default_rng(17)
    held = said = 0
    trials = 120
    for _ in range(trials):
        sizes = chance.integers(60, 140, 6)
        estimate = overthinking(curve_cells(list(sizes), list(chance.binomial(sizes, shares))), Policy())
        tokens = sizes * 2 ** np.arange(6)
        # a length of 2^(k-1) tokens stands in the bin that ends at 2^k; the fourth is the best one
        truth = float((tokens[4:] - sizes[4:] * 16).sum() / tokens.sum())
        assert estimate.low is not None
        high = estimate.detail["waste_high"] if estimate.high is None else estimate.high
        held += estimate.low - 1e-9 <= truth <= high + 1e-9
        said += estimate.detail["suggested_cap_tokens"] == 16
    assert held / trials >= 0.93
    assert said / trials >= 0.6


def test_strategies_stand_side_by_side(side_by_side: dict[str | None, ReportRow]) -> None:
    assert side_by_side.keys() == {"greedy", "best_of_n", "beam"}
    for name in ("greedy", "best_of_n"):
        mine = [one for one in SEARCH if one.strategy == name]
        labelled = [one for one in mine if one.correct is not None]
        row = side_by_side[name]
        assert (row.state, row.n) == ("ok", len(labelled))
        assert row.value == pytest.approx(sum(bool(one.correct) for one in labelled) / len(labelled))
        costs = [one.cost_usd for one in mine if one.cost_usd is not None]
        assert row.detail["cost_per_attempt_usd"] == pytest.approx(sum(costs) / len(costs))
        assert row.detail["calls_per_attempt"] == (1 if name == "greedy" else 4)
        thinking = [one.tokens for one in mine if one.tokens is not None]
        assert row.detail["thinking_tokens_per_attempt"] == pytest.approx(sum(thinking) / len(thinking))
        assert row.detail["cost_of_pass_usd"] == pytest.approx(sum(costs) / len(costs) / (row.value or 0))


def test_what_one_more_correct_answer_costs_than_greedily(side_by_side: dict[str | None, ReportRow]) -> None:
    greedy, best = side_by_side["greedy"], side_by_side["best_of_n"]
    assert greedy.value is not None
    assert best.value is not None
    gain = best.value - greedy.value
    extra = best.detail["cost_per_attempt_usd"] - greedy.detail["cost_per_attempt_usd"]
    assert best.detail["gain_pp"] == pytest.approx(100 * gain)
    assert best.detail["extra_cost_usd"] == pytest.approx(extra)
    assert best.detail["cost_per_extra_correct_usd"] == pytest.approx(extra / gain)
    assert best.detail["comparison_state"] == "inconclusive"
    assert best.detail["cost_per_extra_correct_high_usd"] is None
    assert best.detail["cost_per_extra_correct_low_usd"] == pytest.approx(extra / (best.detail["gain_high_pp"] / 100))
    sides = [
        [float(bool(t.correct)) for t in SEARCH if t.strategy == s and t.correct is not None] for s in side_by_side
    ]
    mine, theirs = sides[list(side_by_side).index("best_of_n")], sides[list(side_by_side).index("greedy")]

    def drawn(chance: random.Random) -> float:
        some = [chance.choices(side, k=len(side)) for side in (mine, theirs)]
        return 100 * (sum(some[0]) / len(mine) - sum(some[1]) / len(theirs))

    assert (best.detail["gain_low_pp"], best.detail["gain_high_pp"]) == pytest.approx(
        derived.percentiles(drawn), abs=2.5
    )
    assert greedy.detail["comparison_state"] is None
    beam = side_by_side["beam"]
    assert (beam.value, beam.state, beam.detail["comparison_state"]) == (None, *["insufficient_data"] * 2)
    assert beam.detail["cost_per_attempt_usd"] is not None


def test_without_greedy_attempts_nothing_is_compared(reader: Reader) -> None:
    [row] = reader.report("strategies", since=SINCE, until=UNTIL, task="math").rows
    assert (row.state, row.key["strategy"], row.detail["comparison_state"]) == ("ok", None, "insufficient_data")
