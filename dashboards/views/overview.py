"""Overview: better or worse than before, where the money goes, and what needs a look."""

from typing import Final

import streamlit as st

from thinkmeter.dashboards import charts, reading, states, tables, theme, tiles, wording
from thinkmeter.dashboards.clock import zone
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.pages import Pages, bar
from thinkmeter.dashboards.tiles import TILES, Tile
from thinkmeter.dashboards.views import alerts, live, runaways
from thinkmeter.schema.metrics.wording import NOTHING, rate, usd
from thinkmeter.schema.query import ReportRow

RUNAWAYS_SHOWN: Final = 8


def draw(pages: Pages) -> None:
    """Draw the page, and keep it current."""
    choice = bar()
    st.session_state["overview_first"] = True
    states.when_ready(lambda: st.fragment(_live, run_every=choice.window.refresh)(choice, pages))


def _live(choice: Choice, pages: Pages) -> None:
    """Everything that follows the clock. Its blocks are read side by side on the first paint."""
    first = bool(st.session_state.pop("overview_first", False))
    with states.told("This page"):
        states.behind()
        selection = choice.at(reading.now())
        if not reading.report("cost", selection).rows:
            live.nothing(choice)
            return
        with st.grid(4, min_column_width=255, border=True) as tiles_grid:
            for tile in TILES:
                with tiles_grid.cell():
                    st.fragment(_tile, parallel=True)(tile, choice, selection, first)
        st.fragment(_coverage, parallel=True)(selection)
        with st.grid(2, min_column_width=440, border=True) as charts_grid:
            with charts_grid.cell():
                st.fragment(_cost, parallel=True)(choice, selection, first)
            with charts_grid.cell():
                st.fragment(_thinking, parallel=True)(choice, selection, first)
        st.fragment(_classes, parallel=True)(choice, selection, first, pages)
        st.fragment(alerts.listed, parallel=True)(choice, selection, pages, first=first)
        st.fragment(runaways.listed, parallel=True)(choice, selection, pages, limit=RUNAWAYS_SHOWN, first=first)


def _tile(tile: Tile, choice: Choice, selection: Selection, first: bool) -> None:
    with states.told(tile.title):
        if tile.metric.name == "escr" and selection.model:
            st.metric(tile.title, NOTHING)
            st.caption("Escalation goes from one model to another: it is not a property of one. Show all models.")
            return
        with states.filling(first=first, height_px=190):
            rows = reading.report(tile.metric.name, selection).rows
            before = reading.report(tile.metric.name, selection.before).rows
        tiles.draw(tile, rows, before, choice.window.words, _palette())


def _coverage(selection: Selection) -> None:
    """What the numbers above do not speak of."""
    with states.told("Coverage"):
        rows = reading.report("coverage", selection).rows
        if rows:
            st.caption(wording.plain(coverage(rows[0])))


def coverage(row: ReportRow) -> str:
    """How many calls have known thinking and cost, and what the others lack."""
    detail = row.detail
    if not row.n:
        return "Coverage: all calls failed before anything was generated, and were not billed"
    lacks = {
        "thinking_unknown_calls": "do not say how much they thought",
        "unpriced_calls": "have no price",
        "usage_unknown_calls": "have no token counts",
    }
    said = [f"Coverage: {rate(row.value)} of {wording.count(row.n)} calls have known thinking and cost"]
    said += [f"{wording.count(detail[name])} {what}" for name, what in lacks.items() if detail[name]]
    if detail["repeated_spans"] > 0:
        said.append(f"{wording.count(detail['repeated_spans'])} repeats taken out")
    return " · ".join(said)


def _cost(choice: Choice, selection: Selection, first: bool) -> None:
    with states.told("Cost"):
        with states.filling(first=first, height_px=400):
            [whole] = reading.report("cost", selection).rows
            points = reading.cost_over_time(selection, int(choice.window.step.total_seconds()))
        st.markdown("##### Cost, by what it was paid for")
        st.markdown(_spent(whole))
        st.plotly_chart(
            charts.cost_over_time(points, selection.span, choice.window.step, _palette(), zone()),
            theme=None,
            config=charts.CONFIG,
            key="cost",
            alt=f"Cost over the last {choice.window.words}, stacked by thinking, answer, input, cache and verifier: "
            f"{usd(whole.value)} in all.",
        )


def _spent(whole: ReportRow) -> str:
    """What was spent in a sentence, unpriced tokens included."""
    detail = whole.detail
    parts = [f"**{wording.plain(usd(whole.value))}**"]
    if whole.value:
        parts.append(f"{rate(detail['thinking_usd'] / whole.value)} of it thinking")
    if detail["unpriced_token_share"]:
        parts.append(f":orange[{rate(detail['unpriced_token_share'])} of tokens have no price]")
    if detail["unknown_calls"]:
        parts.append(f":orange[{wording.count(detail['unknown_calls'])} calls without token counts]")
    return " · ".join(parts)


def _thinking(choice: Choice, selection: Selection, first: bool) -> None:
    with states.told("Thinking tokens"):
        with states.filling(first=first, height_px=400):
            rows = [row for row in reading.report("ttr", selection, ("task",)).rows if row.value is not None]
            points = reading.thinking_over_time(selection, int(choice.window.coarse_step.total_seconds()))
        rows.sort(key=lambda row: -(row.value or 0) * row.n)  # what thinks most in all stands first
        whole = {row.key["task"]: (row.detail["p50"], row.detail["p95"]) for row in rows}
        st.markdown("##### Thinking tokens a request, by task class")
        if not whole:
            st.caption("Not enough requests that have settled: 20 a task class are needed.")
            return
        st.plotly_chart(
            charts.thinking_by_class(points, whole, selection.span, choice.window.coarse_step, _palette(), zone()),
            theme=None,
            config=charts.CONFIG,
            key="thinking",
            alt="Thinking tokens a request over time: "
            + ", ".join(f"{task} p50 {p50:.0f} p95 {p95:.0f}" for task, (p50, p95) in whole.items()),
        )


def _classes(choice: Choice, selection: Selection, first: bool, pages: Pages) -> None:
    with states.told("Task classes"):
        metrics = ("cost", *(tile.metric.name for tile in TILES if tile.metric.name != "escr" or not selection.model))
        with states.filling(first=first, height_px=260):
            reports = {metric: reading.report(metric, selection, ("task",)).rows for metric in metrics}
        rows = tables.task_classes(reports)
        st.markdown("##### Task classes")
        picked = st.dataframe(
            rows,
            hide_index=True,
            column_config=tables.TASK_CLASS_COLUMNS,
            placeholder=NOTHING,
            key="classes",
            on_select="rerun",
            selection_mode="single-cell",
            alt="Requests, cost, CPQ, thinking tokens, escalation and verifier precision of each task class",
        )
        for at, _ in picked.selection.cells:
            pages.open_requests({**choice.query, "task": rows["Task class"][at]})


def _palette() -> theme.Palette:
    return theme.palette(st.context.theme.type)
