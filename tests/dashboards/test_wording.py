"""Numbers as people read them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkmeter.dashboards import wording
from thinkmeter.schema.metrics.wording import NOTHING

NOON = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)


DURATIONS = {
    0: "0 ms",
    840: "840 ms",
    2400: "2.4 s",
    59_960: "1 min",
    200_000: "3 min 20 s",
    7_500_000: "2 h 5 min",
    259_200_000: "3 days",
}


@pytest.mark.parametrize(("milliseconds", "text"), DURATIONS.items())
def test_durations_take_the_unit_that_fits(milliseconds: float, text: str) -> None:
    assert wording.duration(milliseconds) == text


def test_what_is_not_known_is_never_a_zero() -> None:
    assert {wording.count(None), wording.duration(None)} == {NOTHING}


def test_shares_change_by_points_and_the_rest_by_per_cent() -> None:
    assert wording.change(0.286, 0.241, is_share=True) == (4.5, "+4.5 pp")
    assert wording.change(90.0, 100.0, is_share=False) == (-10.0, "-10.0%")
    assert wording.change(0.2, 0.2, is_share=True) == (0.0, "+0.0 pp")
    assert wording.change(5.0, 0.0, is_share=False) is None


def test_a_moment_of_another_day_says_the_day() -> None:
    berlin = dt.timezone(dt.timedelta(hours=1))
    assert wording.clock(NOON, berlin, now=NOON) == "13:00:00"
    assert wording.clock(NOON, berlin, now=NOON + dt.timedelta(hours=12)) == "25 Nov 13:00:00"


@given(st.text(alphabet=st.sampled_from("ab !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), max_size=30))
def test_text_from_outside_reads_as_it_stands(text: str) -> None:
    escaped = wording.plain(text)
    unescaped = escaped
    for mark in "\\`*_{}[]<>()#+-.!|$~:&@/":
        if mark != "\\":
            unescaped = unescaped.replace("\\" + mark, mark)
    assert unescaped.replace("\\\\", "\\") == text
    bare = escaped.replace("\\\\", "")
    assert all(bare[at - 1] == "\\" for at, mark in enumerate(bare) if mark in "`*_{}[]<>()#+-.!|$~:&@/")
