"""One request: its attempts, calls, verdicts and labels, and what its cost was paid for."""

import datetime as dt
import urllib.parse
from typing import Final, Literal

import streamlit as st

from thinkmeter.dashboards import layout, reading, request_charts, states, tables, theme, wording
from thinkmeter.dashboards.clock import zone, zone_name
from thinkmeter.dashboards.pages import WAY_BACK, Pages, address
from thinkmeter.schema.metrics.wording import NOTHING, usd
from thinkmeter.schema.query import RequestRecord

FOLLOW_EVERY: Final = dt.timedelta(seconds=5)
"""How often a request that is still open, or has not arrived, is looked at again."""


def draw(pages: Pages) -> None:
    """Draw the page of the request that the address names."""
    request_id, project = st.query_params.get("id", ""), st.query_params.get("project")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            pages.requests,
            label="All requests",
            icon=":material/arrow_back:",
            query_params=st.session_state.get(WAY_BACK, {}),
        )
    states.when_ready(lambda: _follow(request_id, project))


def _follow(request_id: str, project: str | None) -> None:
    """Draw the request, and go on while it may still change."""
    record = None
    with states.told("This request"):
        record = reading.request(request_id, project)
    is_over = record is not None and record.request["settled"]
    st.fragment(_draw, run_every=None if is_over else FOLLOW_EVERY)(request_id, project)


def _draw(request_id: str, project: str | None) -> None:
    with states.told("This request"):
        record = reading.request(request_id, project)
        if record is None:
            st.subheader(":material/search_off: No such request", anchor=False)
            st.markdown(
                f"The store knows no request {wording.plain(request_id)}. It may have been forgotten, or not have "
                "arrived yet: then it appears here by itself."
            )
            return
        palette = theme.palette(st.context.theme.type)
        _head(record)
        _numbers(record.request)
        _cost(record.request, palette)
        _ladder(record)
        _calls(record, palette)
        _evaluations(record)


def _head(record: RequestRecord) -> None:
    request = record.request
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(wording.plain(request["request_id"]), anchor=False, width="content")
        st.code(f"{st.context.url or ''}?{urllib.parse.urlencode(address(request))}", language=None, width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.badge(wording.plain(request["task"]), icon=":material/category:", color="blue")
        st.badge(tables.tiers(request), icon=":material/stairs:", color="gray")
        _outcome("verdict", request["verdict_passed"], {True: "passed", False: "failed", None: "none"})
        _outcome("label", request["correct"], {True: "correct", False: "wrong", None: "none"})
        if not request["settled"]:
            st.badge("still open", icon=":material/pending:", color="orange")
        began = wording.clock(request["time"], zone(), now=reading.now())
        who = [f"{name} {request[f'{name}_id']}" for name in ("user", "session") if request[f"{name}_id"]]
        where = filter(None, (began, request["environment"], *who))
        st.caption(wording.plain(" · ".join(where)), width="content")


def _outcome(what: str, outcome: bool | None, words: dict[bool | None, str]) -> None:
    icon = {True: ":material/check:", False: ":material/close:", None: ":material/remove:"}[outcome]
    st.badge(f"{what}: {words[outcome]}", icon=icon, color=_color(outcome))


def _color(outcome: bool | None) -> Literal["gray", "green", "red"]:
    return "gray" if outcome is None else "green" if outcome else "red"


def _numbers(request: reading.Row) -> None:
    took_ms = (request["end_time"] - request["time"]).total_seconds() * 1e3
    thinking = request["thinking_tokens"]
    with st.grid(4, min_column_width=170, border=True) as grid:
        with grid.cell():
            st.metric("Cost", wording.plain(usd(request["cost_usd"] + request["verifier_cost_usd"])))
            if request["cost_unknown_calls"]:
                st.caption(f"at least: {request['cost_unknown_calls']} calls have no known cost")
        with grid.cell():
            st.metric("Thinking tokens", wording.count(thinking))
            if thinking is None:
                known = wording.count(request["known_thinking_tokens"])
                st.caption(f"at least {known}: {request['thinking_unknown_calls']} calls do not say")
        with grid.cell():
            st.metric("Took", wording.duration(took_ms))
        with grid.cell():
            st.metric("Attempts", wording.count(request["attempts"]))
            failed = f", {request['failed_calls']} failed" if request["failed_calls"] else ""
            st.caption(f"{request['calls']} calls{failed}")


def _cost(request: reading.Row, palette: theme.Palette) -> None:
    parts = {
        part: request["verifier_cost_usd" if part == "verifier" else f"cost_{part}_usd"]
        for part, _ in layout.PARTS
        if part != "router"  # the view has all that is not an answer in one
    }
    st.markdown("##### What it was paid for")
    if not any(parts.values()):
        st.caption("No cost is known.")
        return
    st.plotly_chart(
        request_charts.cost_split(parts, palette),
        theme=None,
        config=layout.CONFIG,
        key="split",
        alt="Cost: " + ", ".join(f"{part} {usd(value)}" for part, value in parts.items() if value),
    )


def _ladder(record: RequestRecord) -> None:
    st.markdown("##### Attempts")
    with st.grid(3, min_column_width=260, border=True) as grid:
        for attempt in record.attempts:
            with grid.cell():
                tier = f" · tier {attempt['tier']}" if attempt["tier"] else ""
                st.markdown(f"**Attempt {attempt['attempt']}**{tier}")
                how = [attempt["model"], attempt["strategy"], attempt["effort"] and f"effort {attempt['effort']}"]
                st.caption(wording.plain(" · ".join(filter(None, how))))
                thinking, cost = wording.count(attempt["thinking_tokens"]), usd(attempt["cost_usd"])
                st.markdown(f"**{thinking}** thinking tokens · **{wording.plain(cost)}**")
                with st.container(horizontal=True, gap="xsmall"):
                    for verdict in attempt["verdicts"]:
                        st.badge(wording.plain(_verdict(verdict)), color=_color(verdict["passed"]))
                    if attempt["correct"] is not None:
                        word = "correct" if attempt["correct"] else "wrong"
                        st.badge(f"{wording.plain(attempt['label_source'])}: {word}", color=_color(attempt["correct"]))


def _verdict(verdict: reading.Row) -> str:
    word = {True: "pass", False: "fail", None: "no verdict"}[verdict["passed"]]
    if verdict["score"] is None:
        return f"{verdict['verifier']}: {word}"
    sign = "≥" if verdict["passed"] else "<"
    limit = f" {sign} {verdict['threshold']:.3g}" if verdict["threshold"] is not None else ""
    return f"{verdict['verifier']}: {word}, {verdict['score']:.3g}{limit}"


def _calls(record: RequestRecord, palette: theme.Palette) -> None:
    st.markdown("##### Calls")
    st.plotly_chart(
        request_charts.call_timeline(record.calls, palette),
        theme=None,
        config=layout.CONFIG,
        key="timeline",
        alt="The calls of the request on one clock, first to last",
    )
    st.dataframe(
        tables.calls(record.calls),
        hide_index=True,
        column_config=tables.CALL_COLUMNS,
        placeholder=NOTHING,
        key="calls",
        alt="Calls with their models, tokens and costs",
    )


def _evaluations(record: RequestRecord) -> None:
    with st.grid(2, min_column_width=380) as grid:
        for title, rows, nothing in (
            ("Verdicts", tables.verdicts(record.verdicts), "No verifier has judged this request."),
            ("Labels", tables.labels(record.labels), "Nobody has labelled this request: `thinkmeter.label(...)`."),
        ):
            with grid.cell():
                st.markdown(f"##### {title}")
                if rows.empty:
                    st.caption(nothing)
                    continue
                st.dataframe(
                    rows,
                    hide_index=True,
                    column_config=tables.evaluation_columns(zone_name()),
                    placeholder=NOTHING,
                    key=title,
                    alt=title,
                )
