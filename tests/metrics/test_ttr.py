"""Thinking token rate: mean and quantiles over requests whose thinking is known."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics import reference
from tests.metrics.conftest import Reported
from tests.metrics.scenarios import SCENARIOS
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.ttr import thinking_token_rate
from thinkmeter.schema.policy import Policy


@pytest.mark.parametrize("task", ["ok", "unequal", "unpaired", "unknown", "cascade", "chosen", "small"])
def test_it_is_what_plain_python_makes_of_the_requests(reported: Reported, task: str) -> None:
    row = reported("ttr", task)
    counts = [reference.thinking(request) for request in SCENARIOS[task]]
    known = [count for count in counts if count is not None]
    assert (row.state, row.n, row.detail["requests"]) == ("ok", len(known), len(counts))
    assert row.value == pytest.approx(statistics.fmean(known))
    assert row.detail["left_out_share"] == pytest.approx(1 - len(known) / len(counts))
    for percent in (50, 95, 99):
        assert row.detail[f"p{percent}"] == pytest.approx(reference.percentile(known, percent))
        ends = row.detail[f"p{percent}_low"], row.detail[f"p{percent}_high"]
        assert ends == reference.order_statistics(known, percent / 100)
    assert row.low is not None
    assert row.high is not None
    assert row.low <= statistics.fmean(known) <= row.high


def test_five_requests_by_hand(reported: Reported) -> None:
    row = reported("ttr", "small")
    assert (row.value, row.detail["p50"], row.detail["p95"]) == (212.0, 20.0, pytest.approx(30 + 0.8 * 970))


def test_too_few_requests_have_no_rate(reported: Reported) -> None:
    row = reported("ttr", "too small")
    assert (row.state, row.value, row.n) == ("insufficient_data", None, 19)
    assert row.detail["reason"] == "19 of 20 requests whose thinking is known"


def test_unknown_is_never_0(reported: Reported) -> None:
    row = reported("ttr", "unknown")
    assert row.value == pytest.approx(145.0)
    assert row.detail["left_out_share"] == 0.25


def test_sampled_traffic_stands_for_more(reported: Reported) -> None:
    row = reported("ttr", "sampled")
    assert row.detail["estimated"] is True
    assert row.value == pytest.approx(16 * 300 / (24 * 4 + 16))
    assert (row.n, row.detail["p50"]) == (40, 0.0)


counted = st.lists(st.tuples(st.integers(-1, 20_000), st.integers(1, 9)), min_size=1, max_size=40)


def cells(pairs: list[tuple[int, int]], **columns: float) -> Cells:
    rows = {"settled": 1, "weight": 1.0, **columns}
    tokens, requests = zip(*pairs, strict=True)
    return Cells.of(tokens=tokens, requests=requests, **{name: np.full(len(pairs), v) for name, v in rows.items()})


@settings(max_examples=40)
@given(counted, st.floats(0.01, 1))
def test_one_weight_for_all_changes_nothing(pairs: list[tuple[int, int]], probability: float) -> None:
    plain = thinking_token_rate(cells(pairs), Policy(min_requests=1))
    heavy = thinking_token_rate(cells(pairs, weight=1 / probability), Policy(min_requests=1))
    assert (heavy.state, heavy.n) == (plain.state, plain.n)
    for name in ("value", "low", "high"):
        assert getattr(heavy, name) == pytest.approx(getattr(plain, name))
    numbers = {name: value for name, value in plain.detail.items() if name.startswith("p")}
    assert {name: heavy.detail[name] for name in numbers} == pytest.approx(numbers, abs=1e-3)


@settings(max_examples=40)
@given(counted)
def test_open_requests_are_counted_apart(pairs: list[tuple[int, int]]) -> None:
    settled, opened = cells(pairs), cells(pairs, settled=0)
    both = Cells({name: np.concatenate([settled[name], opened[name]]) for name in settled.columns})
    estimate, alone = (thinking_token_rate(one, Policy(min_requests=1)) for one in (both, settled))
    assert (estimate.value, estimate.n) == (alone.value, alone.n)
    assert estimate.detail["open_requests"] == sum(requests for _, requests in pairs)


def test_a_hundred_thousand_requests_take_no_time_worth_mentioning() -> None:
    tokens = np.random.default_rng(2).lognormal(7, 1.2, 100_000).astype(int)
    kinds, requests = np.unique(tokens, return_counts=True)
    row = thinking_token_rate(cells(list(zip(kinds.tolist(), requests.tolist(), strict=True))), Policy())
    assert row.value == pytest.approx(tokens.mean())
    assert row.detail["p99"] == pytest.approx(np.quantile(tokens, 0.99))
    assert row.low is not None
    assert row.high is not None
    half = 1.96 * tokens.std() / np.sqrt(len(tokens))
    assert (row.high - row.low) / 2 == pytest.approx(half, rel=0.08)
