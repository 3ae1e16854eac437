"""What the figures show, without drawing them."""

import datetime as dt
from typing import Any

import pytest

from thinkmeter.dashboards import charts, layout, report_charts, request_charts
from thinkmeter.dashboards.theme import DARK, LIGHT, Palette
from thinkmeter.dashboards.wording import percent
from thinkmeter.schema.metrics.wording import usd
from thinkmeter.schema.query import CostPoint, Runaway, ThinkingPoint

NOON = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = (NOON - 22.5 * HOUR, NOON + 1.5 * HOUR)
NOTHING = {f"{part}_usd": 0.0 for part, _ in layout.PARTS}


def cost(at_h: int, *, complete: bool = True, **parts: float) -> CostPoint:
    return CostPoint(NOON + at_h * HOUR, {}, complete, sum(parts.values()), {**NOTHING, **parts})


def thinking(task: str, at_h: int, p50: float, p95: float, n: int = 50) -> ThinkingPoint:
    return ThinkingPoint(NOON + at_h * HOUR, {"task": task}, True, n, p50, p50, p95, p95)


def call(at_s: float, **columns: Any) -> dict[str, Any]:
    return {
        "time": NOON + dt.timedelta(seconds=at_s),
        "duration_ms": 2000.0,
        "role": "answer",
        "attempt": 1,
        "model": "acme-think-1",
        "thinking_tokens": 100,
        "answer_tokens": 20,
        "time_to_first_answer_ms": 1500.0,
        "cost_usd": 0.01,
        "error_type": "",
        **columns,
    }


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_cost_is_stacked_with_thinking_at_the_ground(palette: Palette) -> None:
    figure = charts.cost_over_time(
        [cost(0, thinking_usd=2.0, answer_usd=0.5), cost(1, complete=False, thinking_usd=1.0, verifier_usd=0.25)],
        DAY,
        HOUR,
        palette,
    )
    assert figure.layout.barmode == "stack"
    assert [(bar.name, bar.y, bar.marker.color) for bar in figure.data] == [
        ("thinking", (2.0, 1.0), palette.thinking),
        ("answer", (0.5, 0.0), palette.answer),
        ("verifier", (0.0, 0.25), palette.verifier),
    ]
    assert figure.data[0].marker.pattern.shape == ("", "/")
    assert figure.data[0].customdata == ("$2.00", "$1.00")


def test_cost_stands_at_the_viewers_time() -> None:
    figure = charts.cost_over_time([cost(0, thinking_usd=1)], DAY, HOUR, LIGHT, dt.timezone(dt.timedelta(hours=-5)))
    assert figure.data[0].x[0].isoformat() == "2026-11-25T07:00:00-05:00"


def test_a_chart_shows_the_whole_window_and_its_last_bucket() -> None:
    figure = charts.cost_over_time([cost(0, thinking_usd=1), cost(1, thinking_usd=1)], DAY, HOUR, LIGHT)
    assert figure.layout.xaxis.range == (DAY[0], NOON + 2 * HOUR)


def test_each_class_has_its_panel_in_the_order_given() -> None:
    points = [thinking("sql", 0, 100, 900), thinking("law", 0, 4000, 21_000), thinking("sql", 1, 120, 1100)]
    figure = charts.thinking_by_class(points, {"law": (4000.0, 21_000.0), "sql": (110.0, 1050.0)}, DAY, HOUR, LIGHT)
    assert [(bar.yaxis, bar.name.split(":")[0], bar.y) for bar in figure.data] == [
        ("y", "p50", (4000,)),
        ("y", "p95", (21_000,)),
        ("y2", "p50", (100, 120)),
        ("y2", "p95", (900, 1100)),
    ]
    assert [note.text for note in figure.layout.annotations] == [
        "<b>law</b>",
        "p50 4.0k · p95 21.0k",
        "<b>sql</b>",
        "p50 110 · p95 1.1k",
    ]
    assert [bar.name for bar in figure.data if bar.showlegend] == ["p50: half think less", "p95: 19 of 20 think less"]


def test_quantiles_of_few_requests_are_not_drawn() -> None:
    points = [thinking("sql", 0, 100, 900, n=4), thinking("sql", 1, 120, 1100, n=5)]
    figure = charts.thinking_by_class(points, {"sql": (110.0, 1000.0)}, DAY, HOUR, LIGHT)
    assert [bar.y for bar in figure.data] == [(120,), (1100,)]


def test_names_from_outside_are_no_markup() -> None:
    figure = charts.thinking_by_class([], {'<a href="http://x">t</a>': (1.0, 2.0)}, DAY, HOUR, LIGHT)
    assert figure.layout.annotations[0].text == "<b>&lt;a href=&quot;http://x&quot;&gt;t&lt;/a&gt;</b>"
    timeline = request_charts.call_timeline([call(0, model="<b>m</b>")], LIGHT)
    assert timeline.layout.yaxis.ticktext == ("1 · &lt;b&gt;m&lt;/b&gt;",)
    assert "<b>m</b>" not in timeline.data[0].hovertemplate


def test_a_runaway_stands_above_the_limit_of_its_class() -> None:
    one = Runaway("default", "r", "<sql>", "m", NOON, 9000.0, 0.1, 2000.0, "sql", 300, 1000.0)
    figure = charts.runaways([one], DAY, LIGHT)
    assert [(trace.name, trace.y) for trace in figure.data] == [
        (None, (2000.0, 9000.0, None)),
        ("limit of its class", (2000.0,)),
        ("thinking tokens", (9000.0,)),
    ]
    assert figure.layout.yaxis.type == "log"
    assert figure.data[2].customdata == ("&lt;sql&gt;: 9,000",)


def standing(value: float, low: float | None, high: float | None, **options: Any) -> Any:
    chosen = {
        "before": None,
        "target": None,
        "lower_is_better": True,
        "is_share": False,
        "show": usd,
        **options,
    }
    before, target = chosen.pop("before"), chosen.pop("target")
    return charts.standing(value, low, high, before, target, palette=LIGHT, **chosen)


def test_a_value_stands_between_its_bounds_and_beside_its_target() -> None:
    figure = standing(0.3, 0.25, 0.35, before=0.2, target=0.2, is_share=True, show=percent)
    axis, interval, before, now = figure.data
    assert (axis.x, interval.x, before.x, now.x) == ((0, pytest.approx(0.392)), (0.25, 0.35), (0.2,), (0.3,))
    tinted = figure.layout.shapes[0]
    assert (tinted.x0, tinted.x1) == (0.2, pytest.approx(0.392))
    assert figure.layout.xaxis.ticktext == ("0%", "target 20%", "39.2%")


def test_the_wrong_side_of_a_target_that_is_meant_to_be_passed_is_below() -> None:
    figure = standing(0.97, 0.94, 0.99, target=0.95, is_share=True, lower_is_better=False, show=percent)
    begin, end = figure.layout.xaxis.range
    assert 0.9 < begin < 0.94
    assert end == 1
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (begin, 0.95)


def test_an_open_interval_runs_to_the_end_of_the_axis() -> None:
    figure = standing(2.0, 1.0, None)
    assert figure.data[1].x == (1.0, figure.layout.xaxis.range[1])


def test_a_cost_is_split_into_what_is_there() -> None:
    figure = request_charts.cost_split({"thinking": 0.9, "answer": 0.1, "cache": 0.0}, LIGHT)
    assert [(bar.name, bar.x, bar.text) for bar in figure.data] == [
        ("thinking $0.90", (0.9,), ("90.0%",)),
        ("answer $0.10", (0.1,), ("10.0%",)),
    ]


def test_calls_stand_on_one_clock_and_thinking_is_what_comes_before_the_answer() -> None:
    figure = request_charts.call_timeline(
        [
            call(0),
            call(2, role="verifier", model="judge", thinking_tokens=0),
            call(3, attempt=2, error_type="429"),
            call(4, attempt=2, thinking_tokens=None),
        ],
        LIGHT,
    )
    assert [(bar.name, bar.y[0], bar.base[0], bar.x[0]) for bar in figure.data] == [
        ("until the first answer token", 0, 0.0, 1.5),
        ("answer", 0, 1.5, 0.5),
        ("verifier", 1, 2.0, 2.0),
        ("failed", 2, 3.0, 2.0),
        ("answer", 3, 4.0, 2.0),
    ]
    assert figure.layout.yaxis.ticktext == (
        "1 · acme-think-1",
        "1 · verifier · judge",
        "2 · acme-think-1",
        "2 · acme-think-1",
    )
    assert [bar.showlegend for bar in figure.data] == [True, True, True, True, False]


def test_no_two_verifiers_look_alike() -> None:
    point = {"score": 0.5, "correct": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    figure = report_charts.reliability({f"judge {number}": [point] for number in range(12)}, LIGHT)
    looks = [(curve.line.color, curve.marker.symbol) for curve in figure.data[1:]]
    assert len(set(looks)) == 12
