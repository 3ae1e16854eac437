"""Escalation rate: every way through the tiers, against plain Python and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics import reference
from tests.metrics.conftest import Reported
from tests.metrics.scenarios import SCENARIOS
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.escr import escalation_rate
from thinkmeter.schema.policy import Policy


def test_it_is_what_plain_python_makes_of_the_requests(reported: Reported) -> None:
    row, wanted = reported("escr", "cascade"), reference.escr(SCENARIOS["cascade"])
    assert (row.state, row.n) == ("ok", wanted.n)
    assert row.value == pytest.approx(wanted.value)
    assert (row.low, row.high) == pytest.approx(wanted.interval)
    for name in ("pre_routed", "failed_not_escalated", "escalated_without_verdict"):
        assert row.detail[name] == getattr(wanted, name), name
    assert row.detail["rescued_share"] == pytest.approx(wanted.rescued)
    assert row.detail["usd_per_rescued"] == pytest.approx(wanted.usd_per_rescued)


def test_the_figures_of_a_cascade(reported: Reported) -> None:
    # judged at tier 1: 30 passed, 6 + 3 + 2 failed and climbed, 4 failed and stayed, 1 retried and climbed
    row = reported("escr", "cascade")
    assert row.n == 46
    assert row.value == pytest.approx(12 / 46)
    assert row.detail["failed"] == 16
    assert row.detail["failed_and_escalated"] == 12
    assert row.detail["failed_not_escalated"] == 4
    assert row.detail["escalated"] == 12 + 5
    assert row.detail["escalated_without_verdict"] == 5
    assert (row.detail["pre_routed"], row.detail["pre_routed_share"]) == (7, pytest.approx(7 / 59))
    # 6 and the retried one, of 12 labelled at both ends
    assert (row.detail["labelled_escalations"], row.detail["rescued_share"]) == (12, pytest.approx(7 / 12))
    # 35 + 1 stayed at tier 1, 11 + 5 ended at 2, 7 + 1 at 3
    assert row.detail["tier_mix"] == pytest.approx([35 / 59, 16 / 59, 8 / 59])
    assert (row.detail["tier_unknown"], row.detail["target"]) == (1, 0.20)


def test_sampled_traffic_stands_for_more(reported: Reported) -> None:
    row, wanted = reported("escr", "sampled"), reference.escr(SCENARIOS["sampled"])
    assert (row.state, row.n) == ("insufficient_data", 16)
    assert row.detail["tier_mix"] == pytest.approx([96 / 112, 16 / 112, 0])
    assert row.detail["rescued_share"] == pytest.approx(wanted.rescued)


def test_the_policys_verifier_decides(reported: Reported) -> None:
    row = reported("escr", "two verifiers")
    assert (row.state, row.n, row.detail["failed_not_escalated"]) == ("ok", 16, 4)


def test_too_few_verdicts_have_no_rate(reported: Reported) -> None:
    row = reported("escr", "ok")
    assert (row.state, row.n, row.value) == ("insufficient_data", 13, None)
    assert row.detail["reason"] == "13 of 30 tier-1 verdicts"


kinds = st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([-1, 0, 1]), st.booleans(), st.integers(1, 20))


def cells(rows: list[tuple[int, int, bool, int]], weight: float = 1.0) -> Cells:
    entry, passed, escalated, requests = (np.array(column) for column in zip(*rows, strict=True))
    size = len(rows)
    return Cells.of(
        settled=np.ones(size),
        weight=np.full(size, weight),
        escalated=escalated.astype(int),
        entry_tier=entry,
        answer_tier=entry + escalated,
        passed=passed,
        tier_1_correct=np.full(size, -1),
        final_correct=np.full(size, -1),
        label_probability=np.ones(size),
        requests=requests,
        costed_requests=requests,
        climb_usd=np.zeros(size),
    )


@settings(max_examples=60)
@given(st.lists(kinds, min_size=1, max_size=12), st.floats(0.01, 1))
def test_its_interval_contains_it_and_one_weight_for_all_changes_nothing(
    rows: list[tuple[int, int, bool, int]], probability: float
) -> None:
    plain = escalation_rate(cells(rows), Policy(min_labels=1))
    heavy = escalation_rate(cells(rows, 1 / probability), Policy(min_labels=1))
    assert (plain.state, plain.n) == (heavy.state, heavy.n)
    if plain.value is not None:
        assert plain.low is not None
        assert plain.high is not None
        assert 0 <= plain.low <= plain.value <= plain.high <= 1
        for name in ("value", "low", "high"):
            assert getattr(heavy, name) == pytest.approx(getattr(plain, name))
        assert plain.value * plain.n == pytest.approx(plain.detail["failed_and_escalated"])
