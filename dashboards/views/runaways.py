"""Runaways: which requests thought far more than their class does."""

from typing import Final

import streamlit as st

from thinkmeter.dashboards import charts, reading, states, tables, theme, wording
from thinkmeter.dashboards.clock import zone, zone_name
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.pages import Pages, bar
from thinkmeter.schema.metrics.wording import rate, tokens, usd
from thinkmeter.schema.query import ReportRow, Runaways

LIMIT: Final = 500


def draw(pages: Pages) -> None:
    """Draw the page, and keep it current."""
    choice = bar()
    states.when_ready(lambda: st.fragment(_live, run_every=choice.window.refresh)(choice, pages))


def _live(choice: Choice, pages: Pages) -> None:
    with states.told("This page"):
        states.behind()
    listed(choice, choice.at(reading.now()), pages, limit=LIMIT, first=False, drawn=True)


def listed(choice: Choice, selection: Selection, pages: Pages, *, limit: int, first: bool, drawn: bool = False) -> None:
    """List the newest runaways of a selection, at most `limit`, with what they come to; on request as a chart too."""
    with states.told("Runaways"):
        with states.filling(first=first, height_px=160):
            runaways = reading.runaways(selection, LIMIT)
            spent = reading.report("cost", selection).rows
        st.markdown("##### Runaways")
        st.markdown(_summary(runaways, spent[0] if spent else None, choice))
        shown = runaways.found[:limit]
        if not shown:
            return
        if drawn:
            st.plotly_chart(
                charts.runaways(shown, selection.span, theme.palette(st.context.theme.type), zone()),
                theme=None,
                config=charts.CONFIG,
                key="runaways_drawn",
                alt=f"{len(shown)} runaways by time: thinking tokens and the limit of the task class",
            )
        picked = st.dataframe(
            tables.runaways(shown),
            hide_index=True,
            column_config=tables.runaway_columns(zone_name()),
            placeholder="-",
            key="runaways",
            on_select="rerun",
            selection_mode="single-cell",
            alt="Runaways with their thinking tokens, the limit they exceeded, and cost",
        )
        for at, _ in picked.selection.cells:
            one = shown[at]
            pages.open_request({"project": one.project, "request_id": one.request_id}, choice)
        if len(runaways.found) > limit:
            st.page_link(
                pages.runaways,
                label=f"All {len(runaways.found)} runaways",
                icon=":material/arrow_forward:",
                query_params=choice.query,
            )


def _summary(runaways: Runaways, spent: ReportRow | None, choice: Choice) -> str:
    """What runaways come to, or that there are none, or that nobody looks."""
    requests = wording.count(spent.detail["requests"]) if spent else "0"
    if not runaways.found:
        if runaways.judged_until is None:
            return ":gray[Nobody looks for them: no alert engine has run on this store yet (`thinkmeter up` runs one).]"
        return f":green[None] in the last {choice.window.words}: {requests} requests checked."
    thought = sum(one.thinking_tokens for one in runaways.found)
    cost = sum(one.cost_usd for one in runaways.found)
    share = f", {rate(cost / spent.value)} of what was spent" if spent and spent.value else ""
    more = " or more" if len(runaways.found) == LIMIT else ""
    return (
        f"**{wording.count(len(runaways.found))}**{more} of {requests} requests: {tokens(thought)} thinking tokens, "
        f"{wording.plain(usd(cost))}{share}."
    )
