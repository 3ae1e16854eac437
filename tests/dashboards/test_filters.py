"""The window moves with the clock in steps, so that viewers share what was read."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkmeter.dashboards.filters import DEFAULT_WINDOW, WINDOWS, Choice, Selection, Window

NOW = dt.datetime(2026, 11, 25, 12, 34, 56, 789, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NOTHING = {"project": None, "environment": None, "task": None, "model": None}


@given(st.sampled_from(sorted(WINDOWS)), st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2040, 1, 1)))
def test_a_window_ends_within_a_refresh_of_now(name: str, moment: dt.datetime) -> None:
    window, now = WINDOWS[name], moment.replace(tzinfo=dt.UTC)
    selection = Choice(window, NOTHING).at(now)
    assert dt.timedelta() <= now - selection.until < window.refresh
    assert selection.until - selection.since == window.length
    assert Choice(window, NOTHING).at(selection.until) == selection


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_a_window_holds_a_readable_number_of_buckets(window: Window) -> None:
    assert 10 <= window.length / window.step <= 40
    assert 6 <= window.length / window.coarse_step <= 30
    assert not DAY % window.step
    assert not DAY % window.coarse_step


def test_the_window_before_ends_where_this_one_begins() -> None:
    selection = Choice(WINDOWS["24h"], {**NOTHING, "task": "sql"}).at(NOW)
    assert selection.before == Selection(selection.since - dt.timedelta(hours=24), selection.since, task="sql")


def test_only_what_was_chosen_is_a_condition_and_stands_in_the_address() -> None:
    choice = Choice(WINDOWS["7d"], {**NOTHING, "model": "claude-opus-4-5", "project": "shop"})
    assert choice.query == {"window": "7d", "model": "claude-opus-4-5", "project": "shop"}
    assert choice.at(NOW).where == {"model": "claude-opus-4-5"}
    assert Choice(WINDOWS[DEFAULT_WINDOW], NOTHING).query == {}
