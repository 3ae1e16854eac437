"""What tiles and the table of task classes say, in every state a metric can be in."""

from typing import Any

import pytest

from thinkmeter.dashboards import tables, tiles
from thinkmeter.dashboards.tiles import TILES
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import NOTHING
from thinkmeter.schema.query import ReportRow

CPQ, TTR, ESCR, VRATE = TILES


def row(
    value: float | None, low: float | None = None, high: float | None = None, n: int = 100, state: State = State.OK,
    key: dict[str, Any] | None = None, **detail: Any,
) -> ReportRow:  # fmt: skip
    return ReportRow(key or {}, value, low, high, n, state, detail)


GAIN: dict[str, Any] = {
    "improvement_pp": 0.8,
    "improvement_low_pp": -0.4,
    "improvement_high_pp": 2.0,
    "thinking_cost_usd": 1.234,
}


SAID = [
    (CPQ, row(0.0412, 0.031, 0.058, 812), "$0.0412/pt", "95% interval $0.0310 to $0.0580 · n = 812 labelled requests"),
    (TTR, row(3312.4, 3000, 3700, 437), "3.3k", "95% interval 3.0k to 3.7k · n = 437 requests"),
    (ESCR, row(0.286, 0.257, 0.32, 406), "28.6%", "95% interval 25.7% to 32.0% · n = 406 tier-1 verdicts"),
    (
        VRATE,
        row(None, n=12, state=State.INSUFFICIENT_DATA, reason="12 of 30 labels of passed answers"),
        NOTHING,
        "Not enough data: 12 of 30 labels of passed answers",
    ),
    (
        CPQ,
        row(1.5, 0.6, None, 90, State.INCONCLUSIVE, **GAIN),
        "$1.50/pt",
        "95% interval $0.6000 or more · n = 90 labelled requests · inconclusive: accuracy may not have risen at all"
        " · +0.8 pp for $1.23 of thinking",
    ),
    (
        CPQ,
        row(None, n=90, state=State.NO_GAIN, **{**GAIN, "improvement_pp": -0.1}),
        "no gain",
        "n = 90 labelled requests · no gain: accuracy did not rise · -0.1 pp for $1.23 of thinking",
    ),
    (
        CPQ,
        row(None, n=90, state=State.WORSE, **{**GAIN, "improvement_pp": -3.0}),
        "worse",
        "n = 90 labelled requests · worse: accuracy fell · -3.0 pp for $1.23 of thinking",
    ),
    (CPQ, None, NOTHING, "Nothing to measure in this window."),
]


@pytest.mark.parametrize(("tile", "estimate", "headline", "sentence"), SAID)
def test_a_tile_says_its_value_or_why_there_is_none(
    tile: tiles.Tile, estimate: ReportRow | None, headline: str, sentence: str
) -> None:
    assert tiles.headline(tile, estimate) == headline
    assert tiles.sentence(tile, estimate) == sentence


def test_every_state_has_words() -> None:
    for state in State:
        estimate = row(
            1.0 if state in (State.OK, State.INCONCLUSIVE) else None, 0.5, 2.0, state=state, reason="r", **GAIN
        )
        assert tiles.sentence(CPQ, estimate)


def test_of_several_verifiers_the_most_labelled_one_speaks() -> None:
    small, large = row(0.5, n=10, key={"verifier": "a"}), row(0.9, n=80, key={"verifier": "b"})
    assert tiles.decisive([small, large]) is large
    assert tiles.decisive([]) is None


def test_more_traffic_alone_is_no_change_of_cpq() -> None:
    before = row(1.0, 0.8, 1.5, cost_per_extra_correct_usd=0.1)  # 1,000 requests
    now = row(4.0, 3.0, 5.0, cost_per_extra_correct_usd=0.1)  # 4,000 of the same
    scaled = tiles.at_equal_traffic(before, now)
    assert scaled is not None
    assert (scaled.value, scaled.low, scaled.high) == pytest.approx((4.0, 3.2, 6.0))
    assert tiles.at_equal_traffic(before, row(None, state=State.NO_GAIN)) == before
    share = row(0.2, 0.1, 0.3)
    assert tiles.at_equal_traffic(share, row(0.3, 0.2, 0.4)) == share


CLASS: dict[str, Any] = {"requests": 40, "thinking_usd": 3.0, "unpriced_token_share": 0.0}


def test_the_most_expensive_class_stands_first_and_what_stands_out_is_said() -> None:
    table = tables.task_classes(
        {
            "cost": [
                row(1.0, key={"task": "mail"}, **CLASS),
                row(4.0, key={"task": "law"}, **{**CLASS, "unpriced_token_share": 0.031}),
            ],
            "cpq": [row(None, key={"task": "law"}, state=State.NO_GAIN, **GAIN)],
            "escr": [
                row(0.3, 0.25, 0.35, key={"task": "law"}, target=0.2),
                row(0.21, 0.19, 0.24, key={"task": "mail"}, target=0.2),
            ],
            "vrate": [
                row(0.8, 0.7, 0.9, 50, key={"task": "law", "verifier": "a"}, target=0.95),
                row(None, n=3, key={"task": "mail", "verifier": "a"}, state=State.INSUFFICIENT_DATA, reason="3 of 30"),
            ],
        }
    )  # fmt: skip
    assert list(table["Task class"]) == ["law", "mail"]
    assert list(table["Thinking"]) == [75.0, 300.0]
    assert list(table["EscR"]) == [30.0, 21.0]
    assert list(table["What stands out"]) == [
        "EscR above 20% · VRate below 95% · thinking brings no gain · 3.1% of tokens unpriced",
        "not enough data for VRate",
    ]


def test_a_class_without_traffic_that_costs_is_not_lost() -> None:
    table = tables.task_classes({"cost": [], "ttr": [row(12.0, key={"task": "law"}, p95=40.0)]})
    assert table.iloc[0]["Task class"] == "law"
    assert table.iloc[0]["p95"] == 40.0


@pytest.mark.parametrize(
    ("first", "final", "text"), [(1, 1, "tier 1"), (1, 3, "tier 1 → 3"), (2, None, "tier 2"), (None, None, "no tier")]
)
def test_the_way_through_the_tiers(first: int | None, final: int | None, text: str) -> None:
    assert tables.tiers({"first_tier": first, "final_tier": final}) == text
