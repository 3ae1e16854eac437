"""Requests: find one, by who asked, by what came of it, or by what it used."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from thinkmeter.dashboards import reading, states, tables, theme, wording
from thinkmeter.dashboards.clock import zone_name
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.pages import Pages, bar
from thinkmeter.schema.metrics.wording import NOTHING
from thinkmeter.schema.query.reader import Order

LIMIT: Final = 200

OUTCOMES: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "All": (),
    "Escalated": (("escalated", 1),),
    "Verdict failed": (("verdict", 0),),
    "Labelled wrong": (("correct", 0),),
    "Passed but wrong": (("verdict", 1), ("correct", 0)),
}
"""What can be chosen, and the conditions behind it."""

ORDERS: Final[dict[str, Order]] = {
    "Newest": "time",
    "Most thinking": "thinking_tokens",
    "Most expensive": "cost_usd",
}


def draw(pages: Pages) -> None:
    """Draw the page, and keep it current."""
    choice = bar()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        search = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            placeholder="Request, user or session id",
            icon=":material/search:",
            label_visibility="collapsed",
            width=270,
        )
        outcome = _control("Outcome", OUTCOMES, "outcome")
        order = _control("Order", ORDERS, "order")
    states.when_ready(
        lambda: st.fragment(_list, run_every=choice.window.refresh)(choice, search.strip(), outcome, order, pages)
    )


def _control(label: str, options: Mapping[str, object], key: str) -> str:
    chosen: str = st.segmented_control(
        label,
        list(options),
        default=next(iter(options)),
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen


def _list(choice: Choice, search: str, outcome: str, order: str, pages: Pages) -> None:
    with states.told("Requests"):
        states.behind()
        rows = _found(choice.at(reading.now()), search, OUTCOMES[outcome], ORDERS[order])
        if not rows:
            _nothing(choice, search, outcome)
            return
        shown = f"{outcome.lower()}, {order.lower()} first" if outcome != "All" else f"{order.lower()} first"
        st.caption(f"The first {LIMIT}, {shown}" if len(rows) >= LIMIT else f"{len(rows)} requests, {shown}")
        picked = st.dataframe(
            tables.coloured(tables.requests(rows), ("Verdict", "Label"), theme.palette(st.context.theme.type)),
            hide_index=True,
            height=min(36 + 35 * len(rows), 700),
            column_config=tables.request_columns(rows, zone_name()),
            placeholder=NOTHING,
            key="requests",
            on_select="rerun",
            selection_mode="single-cell",
            alt="Requests with their tiers, model, thinking tokens, cost, verdict and label",
        )
        for at, _ in picked.selection.cells:
            pages.open_request(rows[at], choice)


def _found(selection: Selection, search: str, where: tuple[tuple[str, int], ...], order: Order) -> list[reading.Row]:
    """The requests to list: with a search the one of that id, else those of the user or session of that id."""
    if not search:
        return reading.requests(selection, where, order, LIMIT)
    if record := reading.request(search, selection.project):
        return [record.request]
    by_id = {
        (row["project"], row["request_id"]): row
        for name in ("user", "session")
        for row in reading.requests(selection, (*where, (name, search)), order, LIMIT)
    }
    return list(by_id.values())


def _nothing(choice: Choice, search: str, outcome: str) -> None:
    what = "request" if outcome == "All" else f"request “{outcome.lower()}”"
    with st.container(border=True):
        st.subheader(f":material/search_off: No {what} in the last {choice.window.words}", anchor=False)
        st.markdown(
            f"No request, user or session of this window is called {wording.plain(search)}."
            if search
            else "Choose a longer window, or fewer filters."
        )
