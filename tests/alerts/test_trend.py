"""Thinking that grows over days: what counts as growth, what is only another mix, and when nothing can be said."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinkmeter.alerts.conditions import Holds, Reading
from thinkmeter.alerts.settings import RuleSettings
from thinkmeter.alerts.trend import Quality, Series, quality, readings, series, slope
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.query.report import ReportRow
from thinkmeter.schema.query.results import ThinkingPoint

FIRST = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
DAYS = 28
RULE = RuleSettings.model_validate({"name": "grows", "metric": "ttr", "trend": 0.1, "window": "28d"})
STEADY = Quality(False, "no rise is shown")


def point(day: int, task: str, mean: float, n: int = 50) -> ThinkingPoint:
    time = FIRST + dt.timedelta(days=day)
    return ThinkingPoint(time, {"task": task}, True, n, mean, mean / 2, 3 * mean, 4 * mean)


def made(points: list[ThinkingPoint], field: str = "value") -> Series:
    found = series(points, FIRST, field, lambda _: 20)
    assert found is not None
    return found


def judged(over: Series | None, accuracy: Quality = STEADY) -> Reading:
    [reading] = readings(RULE, [({"task": "sql"}, over, accuracy)], DAYS)
    return reading


def days_of(level: Callable[[int], float], task: str = "sql") -> list[ThinkingPoint]:
    return [point(day, task, level(day)) for day in range(DAYS + 1)]


def test_thinking_that_grows_by_a_quarter_is_found_and_said() -> None:
    reading = judged(made(days_of(lambda day: 1000 + 10 * day + 7 * (day * 37 % 11 - 5))))
    assert reading.holds is Holds.YES
    assert reading.before is not None
    assert reading.value == pytest.approx(1280, abs=40)
    assert reading.before == pytest.approx(1000, abs=40)
    assert reading.limit == pytest.approx(1.1 * reading.before)
    assert reading.low is not None
    assert reading.high is not None
    assert reading.value is not None
    assert reading.low < reading.value < reading.high
    assert "of task sql went from 1.0k to 1.3k (+2" in reading.said
    assert "over 29 days, n = 1,450, p < 0.0001; no rise is shown" in reading.said


@pytest.mark.parametrize(
    ("level", "holds"),
    [
        (lambda day: 1000.0, Holds.NO),
        (lambda day: 1000 + 2 * day, Holds.NO),  # surely, but by less than a tenth
        (lambda day: 1300 - 10 * day, Holds.NO),
        (lambda day: 1000 + 8 * day + 120 * (day * 37 % 11 - 5), Holds.DOUBTFUL),
        (lambda day: 10.0 * day, Holds.YES),  # from nothing
        (lambda day: 0.0, Holds.NO),
    ],
)
def test_growth_has_to_be_large_and_certain(level: Callable[[int], float], holds: Holds) -> None:
    assert judged(made(days_of(level))).holds is holds


def test_growth_that_pays_is_no_alarm() -> None:
    over = made(days_of(lambda day: 1000 + 10 * day))
    assert judged(over, Quality(True, "it rose")).holds is Holds.NO


def test_more_of_a_class_that_always_thought_long_is_no_growth() -> None:
    points = []
    for day in range(DAYS + 1):
        points += [point(day, "triage", 500, n=600 - 20 * day), point(day, "review", 5000, n=30 + 20 * day)]
    plain = [
        sum(p.mean * p.n for p in points[at : at + 2]) / sum(p.n for p in points[at : at + 2]) for at in (0, 2 * DAYS)
    ]
    assert plain[1] > 3 * plain[0]
    over = made(points)
    assert np.ptp(over.values) == pytest.approx(0, abs=1e-6)
    reading = judged(over)
    assert reading.holds is Holds.NO
    assert "mix of 2 task classes held fixed" in reading.said


def test_growth_that_a_shifting_mix_hides_is_found() -> None:
    points = []
    for day in range(DAYS + 1):
        growth = 1 + 0.015 * day
        points += [
            point(day, "triage", 500 * growth, n=50 + 20 * day), point(day, "review", 5000 * growth, n=600 - 20 * day)
        ]  # fmt: skip
    plain = [
        sum(p.mean * p.n for p in points[at : at + 2]) / sum(p.n for p in points[at : at + 2]) for at in (0, 2 * DAYS)
    ]
    assert plain[1] < plain[0]
    assert judged(made(points)).holds is Holds.YES


def test_a_class_that_is_absent_on_some_days_moves_nothing() -> None:
    points = days_of(lambda day: 1000.0, "sql") + [p for p in days_of(lambda day: 9000.0, "rare") if p.time.day % 3]
    assert np.ptp(made(points).values) == pytest.approx(0, abs=1e-6)


def test_a_quantile_can_be_watched_in_place_of_the_mean() -> None:
    assert made(days_of(lambda day: 1000.0), "p95").values == pytest.approx([3000.0] * (DAYS + 1))


@pytest.mark.parametrize(
    "points",
    [
        [],
        days_of(lambda day: 1000.0)[:13],
        [point(day, "sql", 1000, n=19) for day in range(DAYS + 1)],
        # what can be told of is a third of the traffic
        [p for day in range(DAYS + 1) for p in (point(day, "sql", 1000, n=20), point(day, f"one-off {day}", 9, n=40))],
    ],
)
def test_with_too_few_days_or_requests_nothing_is_said(points: list[ThinkingPoint]) -> None:
    assert series(points, FIRST, "value", lambda _: 20) is None
    reading = judged(None)
    assert (reading.holds, reading.value) == (Holds.UNKNOWN, None)
    assert "is not known: fewer than 14 days with enough requests" in reading.said


def test_a_last_day_alone_does_not_decide() -> None:
    """It has to rise in the window that ended a day before, too."""
    over = made(days_of(lambda day: 1000 + day**2 / 2))
    until_now, before = slope(over.since(1)), slope(over.until(DAYS))
    assert until_now.rise > before.rise
    [reading] = readings(
        RULE.model_copy(update={"trend": (until_now.rise + before.rise) / 2}),
        [({}, over, STEADY)],
        DAYS,
    )
    assert reading.holds is Holds.NO


def test_many_groups_without_growth_seldom_fire_and_growth_among_them_is_found() -> None:
    """Log-normal days of a spread of 10 %: 50 classes at once, one of which grows by half."""
    rng = np.random.default_rng(20_261_126)
    fired = found = 0
    for _ in range(10):
        groups: list[tuple[dict[str, Any], Series | None, Quality]] = []
        for number in range(50):
            growth = 1 + (0.018 if number == 0 else 0.0) * np.arange(DAYS + 1)
            levels = 1000 * growth * np.exp(rng.normal(0, 0.1, DAYS + 1))
            groups.append(({"task": number}, made(days_of(levels.tolist().__getitem__)), STEADY))
        holding = [reading.key["task"] for reading in readings(RULE, groups, DAYS) if reading.holds is Holds.YES]
        found += 0 in holding
        fired += len(set(holding) - {0})
    assert found >= 8
    assert fired <= 2  # of 490


def row(task: str, value: float | None, half: float = 0.02, n: int = 400) -> ReportRow:
    state = State.OK if value is not None else State.INSUFFICIENT_DATA
    low, high = (None, None) if value is None else (value - half, value + half)
    return ReportRow({"task": task}, value, low, high, n, state, {})


@pytest.mark.parametrize(
    ("before", "now", "rose", "told"),
    [
        ([row("a", 0.80)], [row("a", 0.90)], True, "accuracy 80.0% to 90.0%, +10.0 pp (+7.2 pp to +12.8 pp) over 800"),
        ([row("a", 0.80)], [row("a", 0.81)], False, "no rise is shown"),
        ([row("a", 0.80)], [row("a", None, n=3)], False, "it takes 30 labels of each half"),
        ([], [], False, "thinkmeter labels sample"),
        # every class is as it was, and more of the right answers come from the easy one
        ([row("a", 0.9), row("b", 0.5)], [row("a", 0.9, n=9000), row("b", 0.5)], False, "accuracy 74.0% to 74.0%"),
    ],
)
def test_accuracy_is_compared_at_the_same_mix(
    before: list[ReportRow], now: list[ReportRow], rose: bool, told: str
) -> None:
    found = quality({"a": 0.6, "b": 0.4}, before, now)
    assert found.rose is rose
    assert told in found.said
