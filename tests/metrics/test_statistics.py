"""Intervals and quantiles against their definitions, and what must not change them."""

import math
import statistics as plain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics import reference
from thinkmeter.schema.metrics.statistics import (
    DRAWS,
    Interval,
    Ranked,
    effective_size,
    mean_interval,
    percentile_interval,
    resampled_means,
    score_interval,
    weighted_mean,
    wilson,
)

counts_of_tokens = st.lists(st.integers(0, 50_000), min_size=1, max_size=60)
shares = st.floats(0.01, 0.99)


def quantile(share: float, *columns: np.ndarray) -> float:
    return Ranked.of(*columns).quantile(share)


def quantile_interval(share: float, *columns: np.ndarray) -> Interval:
    return Ranked.of(*columns).interval(share)


def ones(values: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array(values), np.ones(len(values), int), np.ones(len(values))


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_is_the_score_interval(successes: int, n: int) -> None:
    share = min(successes, n) / n
    assert wilson(share, n) == pytest.approx(reference.wilson(share * n, n), abs=1e-9)


@given(shares, st.floats(0.5, 1e6))
def test_wilson_contains_the_share_for_any_effective_size(share: float, size: float) -> None:
    low, high = wilson(share, size)
    assert low is not None
    assert high is not None
    assert 0 <= low <= share <= high <= 1


@given(counts_of_tokens.filter(lambda values: len(values) > 1), st.sampled_from([1, 5, 50, 95, 99]))
def test_quantiles_interpolate_between_closest_ranks(values: list[int], percent: int) -> None:
    assert quantile(percent / 100, *ones(values)) == pytest.approx(reference.percentile(values, percent), abs=1e-6)


@given(counts_of_tokens, shares, st.floats(0.01, 100))
def test_equal_weights_change_no_statistic(values: list[int], share: float, weight: float) -> None:
    plainly, heavily = ones(values), (np.array(values), np.ones(len(values), int), np.full(len(values), weight))
    assert quantile(share, *heavily) == pytest.approx(quantile(share, *plainly), rel=1e-6, abs=1e-6)
    assert quantile_interval(share, *heavily) == quantile_interval(share, *plainly)
    assert weighted_mean(*heavily) == pytest.approx(weighted_mean(*plainly))
    assert effective_size(*heavily[1:]) == pytest.approx(len(values))
    assert mean_interval(*heavily) == pytest.approx(mean_interval(*plainly))


@given(counts_of_tokens, shares)
def test_counting_alike_rows_together_loses_nothing(values: list[int], share: float) -> None:
    kinds = sorted(set(values))
    together = np.array(kinds), np.array([values.count(kind) for kind in kinds]), np.ones(len(kinds))
    assert quantile(share, *together) == pytest.approx(quantile(share, *ones(values)), abs=1e-6)
    assert quantile_interval(share, *together) == quantile_interval(share, *ones(values))
    assert weighted_mean(*together) == pytest.approx(weighted_mean(*ones(values)))


@given(counts_of_tokens, shares, st.sampled_from([2, 10, 1000]))
def test_statistics_scale_with_their_values(values: list[int], share: float, factor: int) -> None:
    scaled = [value * factor for value in values]
    assert quantile(share, *ones(scaled)) == pytest.approx(factor * quantile(share, *ones(values)), abs=1e-3)
    assert mean_interval(*ones(scaled)) == pytest.approx([factor * (end or 0) for end in mean_interval(*ones(values))])


@given(st.lists(st.integers(0, 50_000), min_size=20, max_size=120), st.sampled_from([0.5, 0.95, 0.99]))
def test_order_statistics_bound_a_quantile(values: list[int], share: float) -> None:
    found, wanted = quantile_interval(share, *ones(values)), reference.order_statistics(values, share)
    assert found == wanted
    estimate = quantile(share, *ones(values))
    assert found.low is None or found.low <= estimate
    assert found.high is None or found.high >= estimate


def test_too_few_values_bound_a_high_quantile_on_one_side_only() -> None:
    assert quantile_interval(0.95, *ones(list(range(1, 21))))[1] is None
    assert quantile_interval(0.95, *ones(list(range(1, 201))))[1] is not None


@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=60))
def test_a_bootstrap_interval_contains_the_mean_and_repeats_itself(values: list[int]) -> None:
    low, high = mean_interval(*ones(values))
    assert low is not None
    assert high is not None
    assert 0 <= low <= weighted_mean(*ones(values)) <= high
    assert (low == high) == (min(values) == max(values))
    assert mean_interval(*ones(values)) == (low, high)


@pytest.mark.parametrize("size", [200, 5_000])
def test_a_bootstrap_interval_is_as_wide_as_the_standard_error_says(size: int) -> None:
    values = np.random.default_rng(3).normal(5000, 800, size).astype(int)
    low, high = mean_interval(*ones(values.tolist()))
    assert low is not None
    assert high is not None
    half = 1.96 * plain.stdev(values.tolist()) / math.sqrt(size)
    assert (high - low) / 2 == pytest.approx(half, rel=0.08)
    assert (high + low) / 2 == pytest.approx(values.mean(), rel=0.01)


def test_both_ways_of_resampling_draw_alike() -> None:
    values, weights = np.array([0.0, 1.0, 5.0]), np.array([1.0, 4.0, 2.0])
    few, many = np.array([6, 3, 3]), np.array([60, 30, 30])  # drawn item by item, and kind by kind
    by_item = resampled_means(values, few, weights, np.random.default_rng(1))
    by_kind = resampled_means(values, many, weights, np.random.default_rng(1))
    assert len(by_item) == len(by_kind) == DRAWS
    assert by_item.std() / by_kind.std() == pytest.approx(math.sqrt(10), rel=0.12)
    assert by_kind.mean() == pytest.approx(weighted_mean(values, many, weights), rel=0.02)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0.05, 1)), min_size=2, max_size=40), shares)
def test_a_weighted_quantile_lies_among_the_values_and_rises(pairs: list[tuple[int, float]], share: float) -> None:
    values = np.array([value for value, _ in pairs])
    weights = np.array([1 / p for _, p in pairs])
    counts = np.ones(len(pairs), int)
    found = quantile(share, values, counts, weights)
    assert values.min() - 1e-6 <= found <= values.max() + 1e-6
    assert found <= quantile(min(share + 0.1, 1.0), values, counts, weights) + 1e-6


def test_a_heavy_value_pulls_the_median() -> None:
    counts = np.ones(3, int)
    assert quantile(0.5, np.array([1, 2, 9]), counts, np.array([1.0, 1.0, 8.0])) > 7


def test_an_interval_is_widened_to_its_estimate() -> None:
    assert percentile_interval(np.array([1.0, 1.0, 1.0]), 2.0) == (1.0, 2.0)


def test_the_interval_of_a_difference_of_shares_is_newcombes() -> None:
    # Newcombe (1998), table II, (a): 56/70 - 48/80
    assert score_interval([(1, 56 / 70, 70), (-1, 48 / 80, 80)]) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert score_interval([(1, 1.0, 30)]) == pytest.approx(wilson(1.0, 30))
    low, high = score_interval([(1, 1.0, 30), (-1, 1.0, 30)])
    assert low is not None
    assert high == pytest.approx(-low)
    assert low < -0.1
