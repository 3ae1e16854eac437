"""The reports' own pages: they say what the reports say, and what is missing where something is."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from clickhouse_connect.driver.client import Client
from streamlit.testing.v1 import AppTest

from tests.dashboards.conftest import Filled
from tests.schema.rows import Row, insert, span
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


def metrics() -> None:
    from thinkmeter.dashboards.views import metrics

    metrics.draw()


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


def test_any_metric_can_be_looked_at(filled: Filled) -> None:
    app = drawn(metrics, filled.address, metric="accuracy")
    [table] = app.dataframe
    assert list(table.value.columns) == ["Task", "Value", "95 % interval", "n", "State"]
    assert "contract_review" in set(table.value["Task"])
    assert "share of labelled requests whose final answer is correct; higher is better" in said(app)


def test_hardware_that_the_viewer_names_is_weighed(filled: Filled) -> None:
    app = drawn(review, filled.address, gpu_hour_usd="2.8", gpus="8", gpu_tokens_per_second="2400")
    assert "Self-hosting, all task classes together: $16,352 a month against" in said(app)
    assert said(app).count("Self-hosting: $16,352 a month against") == said(app).count("What to change")


def alerts() -> None:
    import streamlit as st

    from thinkmeter.dashboards.pages import Pages
    from thinkmeter.dashboards.views import alerts

    page = st.Page(lambda: None, title="Elsewhere", url_path="elsewhere")
    st.navigation([page])
    alerts.draw(Pages(page, page, page, page, page))


def test_the_alerts_page_lists_what_rules_see_and_what_fired(client: Client, database: StoreAddress) -> None:
    insert(client, "spans", [span()])
    assert "No rule on a metric was looked at in the last day" in said(drawn(alerts, database))
    now = dt.datetime.now(dt.UTC)
    usual = {"project": "default", "time": now, "task": "sql", "metric": "escr", "field": "value", "n": 50}
    readings: list[Row] = [
        {"rule": "climbs", "key": "escr task=sql", "state": "firing", "since": now, "value": 0.8, "low": 0.67,
         "high": 0.888, "target": 0.2, "said": "seen", **usual},
        {"rule": "thinks", "key": "ttr task=sql", "state": "insufficient_data", "said": "too few", **usual,
         "metric": "ttr", "n": 3},
        {"rule": "gone", "key": "ttr", "state": "ok", "said": "of a rule that is no more", **usual,
         "time": now - dt.timedelta(minutes=9)},
    ]  # fmt: skip
    for one in readings:
        insert(client, "alert_readings", [one])
    key = "escr task=sql 2026-11-20T12:00:00.000Z"
    event: Row = {
        "project": "default", "rule": "climbs", "key": key, "state": "firing", "time": now, "event": "e",
        "channels": ["team"], "task": "sql", "began": now, "ended": now, "value": 0.8, "threshold": 0.2, "calls": 50,
        "baseline_task": "Escalation rate is 80.0%",
    }  # fmt: skip
    over = now - dt.timedelta(hours=2)
    events = [
        event,
        {**event, "key": "escr task=law t", "time": over, "event": "f", "task": "law", "muted": "silence 1a"},
        {**event, "key": "escr task=law t", "time": over + dt.timedelta(hours=1), "event": "g", "task": "law",
         "state": "resolved", "baseline_task": "Escalation rate is 9.0%"},
        {**event, "key": "escr task=old t", "time": now - dt.timedelta(days=3), "event": "h"},
        {**event, "key": "escr task=old t", "time": now - dt.timedelta(days=2), "event": "i", "state": "resolved"},
    ]  # fmt: skip
    insert(client, "alert_events", events)
    attempt = {"time": now, "project": "default", "rule": "climbs", "event": "e", "channel": "team", "attempt": 1}
    insert(client, "alert_attempts", [{**attempt, "alert_state": "firing", "state": "retrying", "error": "refused"}])
    until = now + dt.timedelta(hours=1)
    insert(client, "alert_silences", [{"id": "2b", "rule": "thinks", "since": now, "until": until}])
    st.cache_data.clear()

    app = drawn(alerts, database)
    assert "2 rules: **:red[1 firing]**, 1 without enough data; looked at" in said(app)
    assert "team was not told of all of them: refused" in said(app)
    seen, fired = (table.value for table in app.dataframe)
    assert list(seen["State"]) == ["● fires", "- not enough data"]
    first = seen.iloc[0]
    assert (first["Of"], first["Value"], first["Limit"], first["95 % interval"], first["n"]) == (
        "task=sql", "80.0%", "20.0%", "67.0% to 88.8%", 50
    )  # fmt: skip
    assert list(seen["Silenced"].fillna("no")) == ["no", f"until {until:%d %b %H:%M} UTC"]
    assert list(zip(fired["Of"], fired["Silenced"].fillna("no"), fired["Told"], strict=True)) == [
        ("task=sql", "no", "team retrying"),
        ("task=law", "silence 1a", "team pending"),
    ]
    assert list(fired["Seen when it ended"].fillna("")) == ["", "Escalation rate is 9.0%"]
    of_class = drawn(alerts, database, task="other")
    assert "No rule on a metric was looked at" in said(of_class)


def test_pages_stand_where_there_is_next_to_nothing(client: Client, database: StoreAddress) -> None:
    """Failed calls of one class, one answered request of another, of one tier, without label or verdict."""
    began = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    failed: Row = {"task": "failing", "tier": 1, "error_type": "500", "input_tokens": None, "output_tokens": None}
    spans = [span(request_id=f"f-{n}", time=began, response_id="", **failed) for n in range(30)]
    insert(client, "spans", [*spans, span(request_id="one", time=began, task="one", tier=2, thinking_tokens=5)])
    for page in (cost, thinking, routing, verifier, budget, review, metrics):
        text = said(drawn(page, database))
        assert "cannot be shown" not in text, page.__name__
        assert "nan" not in text.lower().split(), page.__name__
    assert "Nothing in this window tells of it." in said(drawn(metrics, database, metric="vrate"))


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
