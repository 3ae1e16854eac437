"""The monthly review: what changed, split into what changed it, and what it says to do."""

import dataclasses
import datetime as dt
import math
import sys
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.metrics.traffic import Attempt, Request, Verdict, insert_traffic
from tests.schema.rows import START, insert, price
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.policy import Policy
from thinkmeter.schema.query import Reader, ReportRow
from thinkmeter.schema.query.advice import advice
from thinkmeter.schema.query.break_even import BreakEven, Gpus
from thinkmeter.schema.query.repriced import Use, compare, reprice
from thinkmeter.schema.query.review import Month, review
from thinkmeter.schema.store.client import StoreAddress

ZONE = ZoneInfo("Europe/Berlin")
MONTH_S = 31 * 86_400  # from START, the first of November, into October
names = st.sampled_from(["a", "b", "c"])
uses = st.dictionaries(names, st.builds(Use, st.floats(1, 1e6), st.floats(0.01, 1e3)), min_size=1)


@settings(max_examples=60)
@given(uses, st.integers(1, 1000), uses, st.integers(1, 1000))
@example({"a": Use(283457.0, 0.875)}, 1, {"a": Use(1.0, 180.0)}, 23)
def test_the_effects_add_up_to_the_change(before: dict[str, Use], n: int, now: dict[str, Use], m: int) -> None:
    found = reprice(before, n, now, m)
    assert found is not None
    assert found.before_usd == pytest.approx(sum(use.usd for use in before.values()) / n)
    assert found.now_usd == pytest.approx(sum(use.usd for use in now.values()) / m)
    effects_usd = (found.price_effect_usd, found.mix_effect_usd, found.length_effect_usd)
    # effects that nearly cancel each other are as exact as the largest of them
    magnitude_usd = sum(map(abs, effects_usd)) + found.now_usd + found.before_usd
    rounding_usd = 64 * sys.float_info.epsilon * magnitude_usd
    assert sum(effects_usd) == pytest.approx(found.now_usd - found.before_usd, rel=0, abs=rounding_usd)
    assert found.left_out_token_share == pytest.approx(0, abs=1e-9)


def test_each_effect_is_what_it_says() -> None:
    cheap, dear = Use(1000, 1.0), Use(1000, 10.0)
    doubled = reprice({"a": cheap}, 10, {"a": Use(1000, 2.0)}, 10)
    mixed = reprice({"a": cheap, "b": dear}, 10, {"b": Use(2000, 20.0)}, 10)
    longer = reprice({"a": cheap}, 10, {"a": Use(3000, 3.0)}, 10)
    assert doubled is not None
    assert mixed is not None
    assert longer is not None
    assert [doubled.price_effect_usd, doubled.mix_effect_usd, doubled.length_effect_usd] == pytest.approx([0.1, 0, 0])
    assert [mixed.price_effect_usd, mixed.mix_effect_usd, mixed.length_effect_usd] == pytest.approx([0, 0.9, 0])
    assert [longer.price_effect_usd, longer.mix_effect_usd, longer.length_effect_usd] == pytest.approx([0, 0, 0.2])
    assert mixed.now_same_mix_usd == pytest.approx(1.1)
    assert reprice({"a": Use(10, 0.0)}, 1, {"a": cheap}, 1) is None


def test_months_are_those_of_the_project() -> None:
    now = dt.datetime(2026, 11, 16, tzinfo=ZONE)
    month = Month.of("2026-11", ZONE, now)
    assert (month.begin, month.end) == (dt.datetime(2026, 11, 1, tzinfo=ZONE), now)
    assert month.elapsed == pytest.approx(0.5)
    october = month.before()
    assert (october.name, october.end, october.elapsed) == ("2026-10", month.begin, 1.0)
    assert october.before().before().name == "2026-08"
    assert Month.of("2026-10", ZONE, now) == october
    for name in ("2026-13", "October", "2027-01"):
        with pytest.raises(ThinkmeterError, match=name):
            Month.of(name, ZONE, now)


def row(state: State = State.OK, n: int = 100, **detail: object) -> ReportRow:
    return ReportRow({"task": "sql"}, 0.3, 0.25, 0.35, n, state, detail)


def cpq(gain: float, half: float, state: State = State.OK) -> ReportRow:
    ends: dict[str, Any] = {"improvement_low_pp": gain - half, "improvement_high_pp": gain + half}
    return row(state, thinking_cost_usd=12.0, improvement_pp=gain, **ends)


def test_months_are_compared_at_the_same_prices_and_mix() -> None:
    repriced = reprice({"a": Use(1000, 1.0)}, 10, {"a": Use(1500, 3.0)}, 10)  # twice the price, half as much again
    assert repriced is not None
    change = compare(cpq(10, 2), cpq(10, 2), repriced)
    assert change.ratio == pytest.approx(1.5)
    assert (change.before_usd, change.now_usd) == pytest.approx((2.0, 3.0))
    assert change.low is not None
    assert change.high is not None
    assert math.sqrt(change.low * change.high) == pytest.approx(1.5)
    assert change.high / change.low == pytest.approx((12 / 8) ** math.sqrt(2))
    open_ended = compare(cpq(10, 2), cpq(1, 2, State.INCONCLUSIVE), repriced)
    assert (open_ended.ratio, open_ended.state) == (None, State.INSUFFICIENT_DATA)
    assert compare(None, cpq(10, 2), repriced).state == State.INSUFFICIENT_DATA


@pytest.mark.parametrize(
    ("metric", "found", "said"),
    [
        ("cpq", cpq(-3, 2, State.WORSE), "Thinking cost $12.00 and brought no accuracy: -3.0 points (-5.0 to -1.0)"),
        ("cpq", cpq(1, 2, State.INCONCLUSIVE), "is open: +1.0 points (-1.0 to +3.0), n = 100. More labels would tell."),
        ("cpq", row(State.INSUFFICIENT_DATA, reason="3 of 30 labels"), "Not enough data to say what thinking brings"),
        (
            "overthinking",
            row(suggested_cap_tokens=2048, suggested_cap_low_tokens=2048, suggested_cap_high_tokens=2048),
            "30.0% (25.0% to 35.0%, n = 100) of the thinking tokens lie past the length from which accuracy no longer "
            "rises: try a cap of 2.0k tokens. Hard",
        ),
        (
            "overthinking",
            row(suggested_cap_tokens=2048, suggested_cap_low_tokens=512, suggested_cap_high_tokens=8192),
            "try a cap of 8.2k tokens first; 2.0k fit best, and 512 to 8.2k cannot be told apart. Hard",
        ),
        ("escr", row(), "Of tier 1, 30.0% (25.0% to 35.0%, n = 100) escalate, above the target of 20.0%"),
        ("vrate", row(thresholds=[]), "no threshold would have reached it"),
        (
            "vrate",
            row(thresholds=[{"threshold": 0.8, "precision": 0.96, "escalation_rate": 0.4}]),
            "a threshold of 0.80 would have given 96.0% and 40.0% escalated",
        ),
        (
            "vrate",
            row(reliability=[{"score": 0.9, "correct": 0.5, "low": 0.4, "high": 0.6, "n": 80}]),
            "too sure: of answers with scores around 0.90, 50.0% (40.0% to 60.0%, n = 80) are correct",
        ),
        (
            "routing",
            row(calibration=[{"entry_tier": 1, "n": 90, "right_there": 0.5, "low": 0.4, "high": 0.6,
                              "needed_higher": 0.4, "right_nowhere": 0.1}]),
            "Of the requests that enter at tier 1, 50.0% (40.0% to 60.0%, n = 90) are right there",
        ),
        ("routing", row(calibration=[]), "Not enough data to judge the router"),
    ],
)  # fmt: skip
def test_a_number_becomes_a_sentence_with_its_sample(metric: str, found: ReportRow, said: str) -> None:
    assert said in " ".join(advice({metric: [found]}, Policy()))


def test_what_is_well_is_not_advised_against() -> None:
    fine = dataclasses.replace(row(), value=0.97, low=0.955, high=0.98)
    assert advice({"cpq": [cpq(10, 2)], "vrate": [fine], "escr": [dataclasses.replace(row(), low=0.1)]}, Policy()) == []


def requests(at_s: float, *, thinking: int, model: str, gained: int) -> list[Request]:
    """40 requests that began without thinking and all climbed; `gained` of them were wrong and became right."""
    return [
        Request(
            f"{model} {n}",
            (
                Attempt(1, 0, verdicts=(Verdict(False, 0.2),), correct=n >= gained),
                Attempt(2, thinking, output=thinking + 100, correct=True, model=model),
            ),
            at_s=at_s + 60 * n,
        )
        for n in range(40)
    ]


def test_a_month_is_reviewed_against_the_one_before(database: StoreAddress, client: Client) -> None:
    insert(client, "prices", [price(), price(model="new", thinking_per_mtok_usd=8.0)])
    insert_traffic(client, requests(-MONTH_S, thinking=1000, model="acme-think-1", gained=20))
    insert_traffic(client, requests(0, thinking=2000, model="new", gained=10))
    with Reader(database) as reader:
        found = review(reader, "2026-11", gpus=Gpus(1.0, 2, 1000))
    [sql] = found.reviews
    assert sql.before is not None
    assert sql.repriced is not None
    assert (sql.task, sql.before.state, sql.now["cpq"][0].state) == ("sql", State.OK, State.OK)
    assert sql.repriced.before_usd == pytest.approx(1000 * 4e-6)
    assert sql.repriced.now_usd == pytest.approx(2000 * 8e-6)
    assert sql.repriced.mix_effect_usd == pytest.approx(1000 * 4e-6)  # the same thinking by the dearer model
    assert sql.repriced.length_effect_usd == pytest.approx(1000 * 8e-6)
    assert sql.change.ratio == pytest.approx(2 * (0.5 / 0.25))  # twice as long for half the gain
    assert any("thinking pays less" in sentence for sentence in sql.advice)
    even = found.whole
    assert isinstance(even, BreakEven)
    assert even.rent_usd == pytest.approx(2 * 730)
    assert even.break_even_tokens == pytest.approx(even.rent_usd / even.billed_usd * even.output_tokens)
    assert not even.pays
    assert START.month == 11
