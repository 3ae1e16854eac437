"""The reports' own pages: they say what the reports say, and what is missing where something is."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.dashboards.conftest import Filled
from thinkmeter.dashboards import report_charts, store
from thinkmeter.dashboards.theme import DARK, LIGHT, Palette
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import rate, usd
from thinkmeter.schema.query import Reader, ReportRow
from thinkmeter.schema.store.client import StoreAddress

PATIENCE_S = 90


def cost() -> None:
    from thinkmeter.dashboards.views import cost

    cost.draw()


def thinking() -> None:
    from thinkmeter.dashboards.views import thinking

    thinking.draw()


def routing() -> None:
    from thinkmeter.dashboards.views import routing

    routing.draw()


def verifier() -> None:
    from thinkmeter.dashboards.views import verifier

    verifier.draw()


def budget() -> None:
    from thinkmeter.dashboards.views import budget

    budget.draw()


def review() -> None:
    from thinkmeter.dashboards.views import review

    review.draw()


@pytest.fixture(autouse=True)
def _read_again() -> Iterator[None]:
    """Nothing is kept from one test to the next."""
    st.cache_data.clear()
    yield
    store.read_from(Path("/nowhere"))
    st.cache_data.clear()


def drawn(page: Callable[[], None], address: StoreAddress | Path, **query: str) -> AppTest:
    store.read_from(address)
    app = AppTest.from_function(page, default_timeout=PATIENCE_S)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    parts = (*app.subheader, *app.markdown, *app.caption, *app.warning)
    return "\n".join(str(part.value).replace("\\", "") for part in parts)


def charts(app: AppTest) -> int:
    return len(app.get("plotly_chart"))


def test_pages_say_what_the_reports_say(filled: Filled) -> None:
    now = dt.datetime.now(dt.UTC)
    with Reader(filled.address) as reader:
        found = {
            name: reader.report(name, since=now - dt.timedelta(hours=24), until=now, by=(), project=None).rows
            for name in ("cost", "routing", "vrate")
        }
    [whole], [routed], [judged] = found["cost"], found["routing"], found["vrate"]

    app = drawn(cost, filled.address)
    assert f"**{usd(whole.value)}** for {whole.n:,} calls" in said(app)
    assert "vllm qwen3-32b-local**: " in said(app)
    assert charts(app) == 2
    app = drawn(routing, filled.address)
    assert f"Routing saves {usd(routed.value)} a request" in said(app)
    assert charts(app) == 4
    app = drawn(verifier, filled.address)
    assert f"orm-v3 2026-11: recall {rate(judged.detail['recall'])}" in said(app)
    assert charts(app) == 3


def test_pages_say_what_is_missing(filled: Filled) -> None:
    app = drawn(thinking, filled.address)
    assert "Share of calls whose thinking reached its budget" in said(app)
    assert "Hard requests think longer" in said(app)
    assert len(app.dataframe) == 1
    assert "of the sentences of visible thinking reflect, turn or conclude" in said(app)
    app = drawn(budget, filled.address)
    assert "no forecast: not enough data: 0 of 14 whole days of history" in said(app)
    assert "no limit is set: `[quotas] user_daily_thinking_tokens`" in said(app)
    app = drawn(review, filled.address)
    assert [one.disabled for one in app.selectbox if one.key in ("environment", "model")] == [True, True]
    assert "Self-hosting" not in said(app)
    tasks = said(app).count("What to change")
    assert tasks > 1
    calibrated = [one for one in app.dataframe if "Right there" in one.value or "Verifier" in one.value]
    assert len(app.dataframe) - len(calibrated) == tasks
    assert calibrated
    assert "Not enough data to say what thinking brings" in said(app)


def test_hardware_that_the_viewer_names_is_weighed(filled: Filled) -> None:
    app = drawn(review, filled.address, gpu_hour_usd="2.8", gpus="8", gpu_tokens_per_second="2400")
    assert "Self-hosting, all task classes together: $16,352 a month against" in said(app)
    assert said(app).count("Self-hosting: $16,352 a month against") == said(app).count("What to change")


def test_without_calls_or_store_a_page_says_so(database: StoreAddress) -> None:
    for page in (thinking, review):
        st.cache_data.clear()
        assert "Send the first span" in said(drawn(page, database))
    st.cache_data.clear()
    assert "The store does not answer" in said(drawn(cost, StoreAddress("127.0.0.1", 1)))


def row(value: float | None, key: str = "", **detail: object) -> ReportRow:
    return ReportRow({"task": key}, value, None, None, 10, State.OK, detail)


BUCKETS = dict.fromkeys((f"{part}_usd" for part in ("answer", "unsplit", "input", "cache", "verifier", "router")), 0.0)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_the_dearest_stands_on_top_and_names_are_text(palette: Palette) -> None:
    figure = report_charts.costs(
        [row(3.0, "<b>x</b>", **BUCKETS, thinking_usd=3.0), row(9.0, "y", **BUCKETS, thinking_usd=9.0)], "task", palette
    )
    [bar] = figure.data  # parts that cost nothing are not drawn
    assert (list(bar.x), list(bar.y)) == ([3.0, 9.0], ["&lt;b&gt;x&lt;/b&gt;", "y"])
    assert bar.marker.color == palette.thinking
    assert [note.text for note in figure.layout.annotations] == ["$3.00", "$9.00"]


def test_the_knee_is_drawn_over_bands_of_those_that_thought() -> None:
    one: dict[str, Any] = {"attempts": 9, "n": 8, "correct": 0.5, "low": 0.2, "high": 0.8}
    bins = [
        {"from_tokens": 0, "below_tokens": 1, **one, "attempts": 900},
        {"from_tokens": 256, "below_tokens": 512, **one},
        {"from_tokens": 512, "below_tokens": 1024, "attempts": 2, "n": 0},
    ]
    figure = report_charts.accuracy_by_length(bins, 1024, LIGHT)
    high, low, correct, attempts = figure.data
    assert (list(high.y), list(low.y), list(correct.y)) == ([80], [20], [50])
    assert list(attempts.y) == [9, 2]
    assert figure.layout.yaxis2.range[1] == 36
    assert [shape.x0 for shape in figure.layout.shapes] == [1024]


def test_a_forecast_stands_beside_its_budget() -> None:
    detail: dict[str, Any] = {"month": "2026-11", "month_to_date_usd": 60.0, "estimated": False, "budget_usd": 90.0}
    expected = ReportRow({}, 100.0, 80.0, 130.0, 60, State.OK, detail)
    so_far, rest = report_charts.forecast(expected, LIGHT).data
    assert (list(so_far.x), list(rest.x)) == ([60.0], [40.0])
    assert (list(rest.error_x.array), list(rest.error_x.arrayminus)) == ([30.0], [20.0])
    [alone] = report_charts.forecast(row(None, **detail), LIGHT).data
    assert alone.name == "so far"


def test_shares_keep_their_intervals_and_their_order() -> None:
    figure = report_charts.shares([("first", 0.9, 0.8, 0.95), ("second", 0.5, None, None)], LIGHT, 0.95)
    [points] = figure.data
    assert list(points.y) == ["second", "first"]
    assert list(points.x) == pytest.approx([50, 90])
    assert list(points.error_x.array) == pytest.approx([0, 5])
    assert list(points.error_x.arrayminus) == pytest.approx([0, 10])
    assert [shape.x0 for shape in figure.layout.shapes] == [95]
