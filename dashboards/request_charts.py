"""Figures of one request, from rows of the views; pure functions as those of the overview."""

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from thinkmeter.dashboards import layout, wording
from thinkmeter.dashboards.theme import Palette
from thinkmeter.schema.metrics.wording import rate, tokens, usd

Row = Mapping[str, Any]


def cost_split(costs_usd: Mapping[str, float], palette: Palette) -> go.Figure:
    """What a cost was paid for, as one bar.

    Args:
        costs_usd: part of `layout.PARTS` -> USD.
        palette: colours of the viewer's theme.
    """
    figure = go.Figure()
    total = sum(costs_usd.values())
    for part, name in layout.PARTS:
        if value := costs_usd.get(part):
            share = value / total
            figure.add_bar(
                x=[value],
                y=[""],
                orientation="h",
                name=f"{name} {usd(value)}",
                marker={"color": layout.colour(part, palette), "line": {"width": 1, "color": palette.ground}},
                text=[rate(share) if share > 0.08 else ""],
                textposition="inside",
                insidetextanchor="middle",
                hovertemplate=f"{name}: {usd(value)}, {rate(share)}<extra></extra>",
            )
    figure.update_layout(layout.frame(palette, height=86, legend=True), barmode="stack", hovermode="closest")
    figure.update_xaxes(visible=False, range=[0, total or 1], fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True)
    return figure


def call_timeline(calls: Sequence[Row], palette: Palette) -> go.Figure:
    """The calls of a request on one clock; up to the first token of the answer a bar has the colour of thinking.

    Args:
        calls: rows of `calls` in time order, at least one.
        palette: colours of the viewer's theme.
    """
    figure = go.Figure()
    start = min(call["time"] for call in calls)
    seen: set[str] = set()
    for number, call in enumerate(calls):
        for name, colour, from_s, for_s in _stretches(call, start, palette):
            figure.add_bar(
                x=[for_s],
                base=[from_s],
                y=[number],
                orientation="h",
                name=name,
                legendgroup=name,
                showlegend=name not in seen,
                # a call of a moment among calls of minutes is still to be seen
                marker={"color": colour, "line": {"width": 1.5, "color": colour}},
                width=0.58,
                hovertemplate=f"{_hover(call)}<extra></extra>",
            )
            seen.add(name)
    figure.update_layout(
        layout.frame(palette, height=64 + 30 * len(calls), legend=True), barmode="overlay", hovermode="closest"
    )
    figure.update_xaxes(layout.grid(palette), ticksuffix=" s", rangemode="tozero", nticks=8)
    figure.update_yaxes(
        layout.ticks(palette),
        tickmode="array",
        tickvals=list(range(len(calls))),
        ticktext=[html.escape(_name(call)) for call in calls],
        autorange="reversed",
        fixedrange=True,
    )
    return figure


def _stretches(call: Row, start: dt.datetime, palette: Palette) -> list[tuple[str, str, float, float]]:
    """Name, colour, begin and length in seconds of what a call's bar consists of."""
    begin_s = (call["time"] - start).total_seconds()
    length_s = call["duration_ms"] / 1e3
    if call["error_type"]:
        return [("failed", palette.bad, begin_s, length_s)]
    if call["role"] != "answer":
        return [(call["role"], palette.verifier, begin_s, length_s)]
    first_ms = call["time_to_first_answer_ms"]
    if not call["thinking_tokens"] or first_ms is None:
        return [("answer", palette.answer, begin_s, length_s)]
    thought_s = min(first_ms / 1e3, length_s)
    return [
        ("until the first answer token", palette.thinking, begin_s, thought_s),
        ("answer", palette.answer, begin_s + thought_s, length_s - thought_s),
    ]


def _name(call: Row) -> str:
    role = "" if call["role"] == "answer" else f"{call['role']} · "
    return f"{call['attempt']} · {role}{call['model'] or 'unknown model'}"


def _hover(call: Row) -> str:
    lines = [
        f"<b>{html.escape(_name(call))}</b>",
        wording.duration(call["duration_ms"]),
        f"{tokens(call['thinking_tokens'])} thinking and {tokens(call['answer_tokens'])} answer tokens",
        usd(call["cost_usd"]),
    ]
    if call["error_type"]:
        lines.append(f"failed: {html.escape(str(call['error_type']))}")
    return "<br>".join(lines)
