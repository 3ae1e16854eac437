"""The reference itself on cases small enough to work out by hand."""

import dataclasses
import datetime as dt
import math
from typing import Any

import pytest

from tests.demo.reference.cost import cost
from tests.demo.reference.cpq import cpq, states
from tests.demo.reference.intervals import bands, quantile, wilson
from tests.demo.reference.rates import escr, ttr, vrate
from tests.demo.reference.truth import Attempt, Call, Request

TIME = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def call(thinking: int | None, *, model: str = "gpt-6.1-terra", **changed: Any) -> Call:
    # 1 USD in, 0.05 from cache, 1.25 into it, 5 out, a million tokens
    base = Call("openai", model, "answer", TIME, 1_000, 0, 0, 0, 2_000, thinking)
    return dataclasses.replace(base, **changed)


def attempt(number: int, tier: int, thinking: int | None, **changed: Any) -> Attempt:
    return Attempt(number, tier, (call(thinking),), **changed)


def request(*attempts: Attempt, task: str = "sql") -> Request:
    return Request("r", task, "u", "s", attempts)


def test_a_call_costs_its_tokens_times_their_rates() -> None:
    spent = cost([call(1_500, cache_read_tokens=600, cache_write_tokens=100)])
    assert spent.input == pytest.approx(300 * 1.0 / 1e6)
    assert spent.cache == pytest.approx((600 * 0.05 + 100 * 1.25) / 1e6)
    assert spent.thinking == pytest.approx(1_500 * 5 / 1e6)
    assert spent.answer == pytest.approx(500 * 5 / 1e6)
    assert spent.total == pytest.approx((300 + 30 + 125 + 10_000) / 1e6)


def test_a_cache_of_an_hour_costs_more() -> None:
    anthropic = call(
        0,
        provider="anthropic",
        model="claude-sonnet-5-5",
        cache_write_tokens=400,
        cache_write_1h_tokens=100,
    )
    # 2.5 for five minutes, 4 for an hour
    assert cost([anthropic]).cache == pytest.approx((300 * 2.5 + 100 * 4) / 1e6)


def test_unknown_thinking_is_output_that_is_not_split() -> None:
    spent = cost([call(None)])
    assert (spent.thinking, spent.answer) == (0.0, 0.0)
    assert spent.unsplit == pytest.approx(2_000 * 5 / 1e6)


def test_the_flex_tier_has_its_own_price() -> None:
    assert cost([call(1_000, service_tier="flex")]).thinking == pytest.approx(1_000 * 2.5 / 1e6)


def test_the_price_is_that_of_the_day() -> None:
    argon = call(1_000, provider="gcp.gemini", model="gemini-4-argon")
    later = dataclasses.replace(argon, time=dt.datetime(2026, 12, 2, tzinfo=dt.UTC))
    assert [cost([c]).thinking for c in (argon, later)] == [pytest.approx(0.01), pytest.approx(0.02)]


def test_wilson_as_in_the_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263, score method
    low, high = wilson(81, 263)
    assert low == pytest.approx(0.2553, abs=5e-5)
    assert high == pytest.approx(0.3662, abs=5e-5)


def test_quantiles_interpolate_between_closest_ranks() -> None:
    assert quantile([10, 20, 30, 40], 0.5) == 25
    assert quantile([10, 20, 30, 40], 0.95) == pytest.approx(38.5)
    assert quantile([7], 0.99) == 7


def test_ttr_leaves_out_requests_with_an_unknown_count() -> None:
    requests = [
        request(attempt(1, 1, 0), attempt(2, 2, 300)),
        request(attempt(1, 1, 0)),
        request(attempt(1, 1, 0), attempt(2, 2, None)),
        request(attempt(1, 2, 600)),
    ]
    found = ttr(requests)
    assert (found.n, found.mean, found.p50, found.left_out) == (3, 300, 300, 0.25)
    assert found.p95 == pytest.approx(570)


def test_escr_counts_fails_that_went_on_among_the_judged_at_tier_one() -> None:
    failed = attempt(1, 1, 0, passed=False)
    requests = [
        request(failed, attempt(2, 2, 100, passed=True)),
        request(failed),
        request(attempt(1, 1, 0, passed=True)),
        # the second try at tier 1 is the one that decides
        request(attempt(1, 1, 0, passed=True), attempt(2, 1, 0, passed=False), attempt(3, 3, 9)),
        request(attempt(1, 1, 0), attempt(2, 2, 9)),
        request(attempt(1, 2, 9, passed=False), attempt(2, 3, 9)),
    ]
    found = escr(requests)
    assert (found.rate.n, found.rate.value) == (4, 0.5)
    assert found.rescued is None
    assert (found.entered_above, found.failed_not_escalated, found.escalated_without_verdict) == (1, 1, 1)


def test_rescued_is_what_was_wrong_at_tier_one_and_right_in_the_end() -> None:
    found = escr(
        [labelled(True, False, True, 0.5), labelled(True, True, True, 0.25), request(attempt(1, 1, 0, passed=True))]
    )
    assert found.rescued == pytest.approx(2 / (2 + 4))


def test_vrate_weighs_labels_by_how_likely_they_were_asked_for() -> None:
    passed = [
        attempt(1, 1, 0, passed=True, label=True, label_probability=0.2),  # weight 5
        attempt(1, 1, 0, passed=True, label=False, label_probability=0.5),  # weight 2
        attempt(1, 1, 0, passed=True, label=True, label_probability=1.0),  # weight 1
        attempt(1, 1, 0, passed=True),
    ]
    failed = [
        attempt(1, 1, 0, passed=False, label=True, label_probability=0.5),  # weight 2
        attempt(1, 1, 0, passed=False, label=False, label_probability=0.25),  # weight 4
    ]
    found = vrate(passed + failed)
    assert (found.precision.n, found.precision.value) == (3, 0.75)
    # 4 passed, 3 of them right; 2 failed, a third of them right
    assert found.recall == pytest.approx(3 / (3 + 2 / 3))
    assert found.false_positive_rate == pytest.approx(1 / (1 + 4 / 3))
    effective = 64 / 30
    assert (found.precision.low, found.precision.high) == wilson(0.75 * effective, effective)


def labelled(escalated: bool, first: bool, final: bool, probability: float | None = None) -> Request:
    one = attempt(1, 1, 0, label=first, label_probability=probability)
    if not escalated:
        return request(one)
    return request(one, attempt(2, 2, 1_000, label=final, label_probability=probability))


def test_paired_cpq_weighs_each_stratum_by_its_share_of_the_population() -> None:
    requests = (
        [labelled(False, True, True) for _ in range(18)]
        + [labelled(False, False, False) for _ in range(2)]
        + [labelled(True, False, True) for _ in range(9)]
        + [labelled(True, True, True) for _ in range(3)]
        # not labelled: 68 that stayed, so that 88 of 100 did
        + [request(attempt(1, 1, 0)) for _ in range(68)]
    )
    found = cpq(requests)
    assert found is not None
    assert (found.baseline_kind, found.n, found.population) == ("paired", 32, 100)
    assert found.accuracy == pytest.approx(0.88 * 0.9 + 0.12 * 1.0)
    assert found.baseline == pytest.approx(0.88 * 0.9 + 0.12 * 0.25)
    spent = 12 * 1_000 * 5 / 1e6
    assert found.thinking_cost_usd == pytest.approx(spent)
    assert found.value == pytest.approx(spent / (100 * 0.09))
    assert found.per_extra_correct_usd == pytest.approx(spent / 100 / 0.09)
    # only the escalated vary: 12 of them at 9 in 12, so the bounds are 0.12 times a binomial's quantiles
    assert 0.12 * 6 / 12 in found.low
    assert 0.12 * 12 / 12 in found.high
    assert states(found) == {"ok"}


def test_paired_cpq_needs_both_labels_and_a_final_attempt_that_thought() -> None:
    thinking = [labelled(True, False, True) for _ in range(9)]
    assert cpq([labelled(False, True, True) for _ in range(30)] + thinking) is None
    assert cpq([labelled(False, True, True) for _ in range(30)] + [*thinking, labelled(True, True, True)]) is not None


def test_labels_count_by_their_probability_within_a_stratum() -> None:
    requests = (
        [labelled(False, True, True, 0.5) for _ in range(20)]
        + [labelled(False, False, False, 0.25) for _ in range(10)]
        + [labelled(True, False, True, 0.5) for _ in range(10)]
    )
    found = cpq(requests)
    assert found is not None
    assert found.baseline == pytest.approx(30 / 40 * (20 * 2) / (20 * 2 + 10 * 4))


def test_a_pinned_baseline_takes_the_whole_class() -> None:
    requests = [request(attempt(1, 1, 500, label=n % 4 != 0)) for n in range(40)]
    found = cpq(requests, pinned=0.5)
    assert found is not None
    assert (found.baseline_kind, found.accuracy, found.improvement) == ("pinned", 0.75, 0.25)
    assert found.thinking_cost_usd == pytest.approx(40 * 500 * 5 / 1e6)


def test_without_pairs_the_silent_are_the_baseline_of_those_that_thought() -> None:
    thought = [request(attempt(1, 1, 500, label=n % 10 != 0)) for n in range(30)]
    silent = [request(attempt(1, 1, 0, label=n % 2 == 0)) for n in range(30)]
    found = cpq(thought + silent)
    assert found is not None
    assert (found.baseline_kind, found.accuracy, found.baseline) == ("unpaired", 0.9, 0.5)
    assert cpq(thought[:29] + silent) is None


def test_states_of_cpq() -> None:
    stayed = [labelled(False, True, True) for _ in range(30)]
    assert states(cpq(stayed + [labelled(True, True, False) for _ in range(12)])) == {"worse"}
    same = [labelled(True, True, True) for _ in range(12)]
    assert states(cpq(stayed + same)) == {"no_gain"}
    mixed = [labelled(True, n < 7, n >= 4) for n in range(12)]
    assert states(cpq(stayed + mixed)) == {"inconclusive"}
    assert states(None) == {"insufficient_data"}


def test_bands_hold_a_percentile_of_two_thousand_draws() -> None:
    found, _ = bands([n / 100_000 for n in range(100_001)])
    error = 5 * math.sqrt(0.025 * 0.975 / 2_000)
    assert found.least == pytest.approx(0.025 - error, abs=1e-4)
    assert 0.025 in found
