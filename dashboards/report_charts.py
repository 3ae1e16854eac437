"""Figures of the reports' own pages, from rows: pure functions, as in `charts`."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go

from thinkmeter.dashboards import layout, wording
from thinkmeter.dashboards.theme import Palette
from thinkmeter.schema.metrics.wording import rate, tokens, usd
from thinkmeter.schema.query import ReportRow

ROW_PX: Final = 30
"""Of one bar of a chart whose bars lie."""
LEAST_PX: Final = 120
CURVE_PX: Final = 330
UNKNOWN: Final = "not known"

Entry = Mapping[str, Any]


def name_of(row: ReportRow, *keys: str) -> str:
    """What a row is called, by some parts of its key."""
    return " ".join(str(row.key[key]) for key in keys if row.key.get(key) not in (None, "")) or UNKNOWN


def _lying(palette: Palette, bars: int, *, legend: bool) -> dict[str, Any]:
    return layout.frame(palette, height=max(ROW_PX * bars + 70, LEAST_PX), legend=legend)


def costs(rows: Sequence[ReportRow], key: str, palette: Palette) -> go.Figure:
    """Cost of each value of a key, the dearest on top, stacked by what it was paid for, in USD."""
    ordered = sorted(rows, key=lambda row: row.value or 0)
    names = [html.escape(name_of(row, key)) for row in ordered]
    figure = go.Figure()
    for part, title in layout.PARTS:
        amounts = [row.detail[f"{part}_usd"] or 0.0 for row in ordered]
        if any(amounts):
            figure.add_bar(
                y=names,
                x=amounts,
                name=title,
                orientation="h",
                marker={"color": layout.colour(part, palette), "line": {"width": 0}},
                customdata=[usd(amount) for amount in amounts],
                hovertemplate="%{customdata}",
            )
    for row, name in zip(ordered, names, strict=True):
        figure.add_annotation(
            y=name, x=row.value or 0, text=usd(row.value), xanchor="left", xshift=6, showarrow=False,
            font={"color": palette.text, "size": 12},
        )  # fmt: skip
    figure.update_layout(_lying(palette, len(rows), legend=True), barmode="stack", hovermode="y unified")
    most = max((row.value or 0 for row in ordered), default=0)
    figure.update_xaxes(layout.grid(palette), tickprefix="$", range=[0, 1.14 * most or 1])
    figure.update_yaxes(layout.ticks(palette), tickfont={"color": palette.text, "size": 12})
    return figure


def shares(
    entries: Sequence[tuple[str, float, float | None, float | None]], palette: Palette, target: float | None = None
) -> go.Figure:
    """Shares with their intervals, the first on top, and where they are meant to be.

    Args:
        entries: name, share and the ends of its interval.
        palette: colours of the viewer's theme.
        target: None for none.
    """
    ordered = list(reversed(entries))
    figure = go.Figure()
    figure.add_scatter(
        y=[html.escape(name) for name, *_ in ordered],
        x=[100 * share for _, share, _, _ in ordered],
        mode="markers",
        marker={"size": 11, "color": palette.answer},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [100 * ((share if high is None else high) - share) for _, share, _, high in ordered],
            "arrayminus": [100 * (share - (share if low is None else low)) for _, share, low, _ in ordered],
            "color": palette.muted,
            "thickness": 2,
            "width": 5,
        },
        customdata=[f"{rate(share)} ({rate(low)} to {rate(high)})" for _, share, low, high in ordered],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    if target is not None:
        figure.add_vline(100 * target, line={"color": palette.muted, "dash": "dash", "width": 1.5})
        figure.add_annotation(
            x=100 * target, y=1, yref="y domain", yanchor="bottom", text=f"target {wording.percent(target)}",
            showarrow=False, font={"color": palette.muted, "size": 11},
        )  # fmt: skip
    figure.update_layout(_lying(palette, len(entries), legend=False), margin_t=22)
    figure.update_xaxes(layout.grid(palette), range=[-2, 102], ticksuffix="%")
    figure.update_yaxes(layout.ticks(palette), tickfont={"color": palette.text, "size": 12})
    return figure


def accuracy_by_length(bins: Sequence[Entry], cap_tokens: float | None, palette: Palette) -> go.Figure:
    """Share of correct answers by thinking tokens, with its band and how many attempts are that long; and the cap."""
    known = [one for one in bins if one.get("correct") is not None and one["from_tokens"] > 0]
    middles = [(one["from_tokens"] * one["below_tokens"]) ** 0.5 for one in known]
    said = [
        f"{tokens(one['from_tokens'])} to {tokens(one['below_tokens'])}: {rate(one['correct'])} "
        f"({rate(one['low'])} to {rate(one['high'])}, n = {wording.count(one['n'])})"
        for one in known
    ]
    figure = go.Figure()
    for name, end, fill in (("high", "high", None), ("low", "low", "tonexty")):
        figure.add_scatter(
            x=middles,
            y=[100 * one[end] for one in known],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor=layout.faint(palette.answer, 0.2),
            hoverinfo="skip",
            showlegend=False,
            name=name,
        )
    figure.add_scatter(
        x=middles,
        y=[100 * one["correct"] for one in known],
        mode="lines+markers",
        line={"color": palette.answer, "width": 2.5},
        marker={"size": 8},
        name="correct, with 95% band",
        customdata=said,
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_bar(
        x=[(one["from_tokens"] * one["below_tokens"]) ** 0.5 for one in bins if one["from_tokens"] > 0],
        y=[one["attempts"] for one in bins if one["from_tokens"] > 0],
        width=[0.5 * one["from_tokens"] for one in bins if one["from_tokens"] > 0],
        yaxis="y2",
        name="attempts",
        marker={"color": layout.faint(palette.muted, 0.35), "line": {"width": 0}},
        hovertemplate="%{y:,} attempts<extra></extra>",
    )
    if cap_tokens:
        figure.add_vline(cap_tokens, line={"color": palette.thinking, "dash": "dash", "width": 2})
        figure.add_annotation(
            x=math.log10(cap_tokens), y=1, yref="y domain", yanchor="top", xanchor="left", xshift=5,
            text=f"cap to try: {tokens(cap_tokens)}", showarrow=False, font={"color": palette.thinking, "size": 12},
        )  # fmt: skip
    most = max((one["attempts"] for one in bins if one["from_tokens"] > 0), default=1)
    figure.update_layout(
        layout.frame(palette, height=CURVE_PX, legend=True),
        yaxis2={"overlaying": "y", "side": "right", "range": [0, 4 * most], "visible": False},
        hovermode="closest",
    )
    figure.update_xaxes(
        layout.ticks(palette), type="log", tickformat="~s", title={"text": "thinking tokens"}, dtick="D2"
    )
    figure.update_layout(yaxis={**layout.grid(palette), "range": [-4, 104], "ticksuffix": "%"})
    return figure


def reliability(curves: Mapping[str, Sequence[Entry]], palette: Palette) -> go.Figure:
    """How often answers of a score are correct, verifier by verifier, beside the line on which a score is true."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 100], mode="lines", name="as sure as it says", hoverinfo="skip",
        line={"color": palette.muted, "dash": "dash", "width": 1.5},
    )  # fmt: skip
    # of lengths without a common divisor, so that colour and symbol together repeat after thirty-five
    colours = (palette.answer, palette.thinking, palette.input, palette.cache, palette.verifier)
    symbols = ("circle", "square", "diamond", "cross", "triangle-up", "star", "x")
    for number, (name, curve) in enumerate(curves.items()):
        colour = colours[number % len(colours)]
        figure.add_scatter(
            x=[one["score"] for one in curve],
            y=[100 * one["correct"] for one in curve],
            mode="lines+markers",
            name=html.escape(name),
            line={"color": colour, "width": 2},
            marker={"size": 9, "symbol": symbols[number % len(symbols)]},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (one["high"] - one["correct"]) for one in curve],
                "arrayminus": [100 * (one["correct"] - one["low"]) for one in curve],
                "color": layout.faint(colour, 0.5),
                "width": 3,
            },
            customdata=[
                f"score {one['score']:.2f}: {rate(one['correct'])} correct ({rate(one['low'])} to {rate(one['high'])}, "
                f"n = {wording.count(one['n'])})"
                for one in curve
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_layout(layout.frame(palette, height=CURVE_PX, legend=True), hovermode="closest")
    figure.update_xaxes(layout.ticks(palette), range=[-0.02, 1.02], title={"text": "score"})
    figure.update_yaxes(layout.grid(palette), range=[-4, 104], ticksuffix="%")
    return figure


def thresholds(entries: Sequence[Entry], target: float | None, palette: Palette) -> go.Figure:
    """What other thresholds would have given: precision, recall, and how much would have escalated."""
    figure = go.Figure()
    for field, name, colour, dash in (
        ("precision", "precision", palette.answer, "solid"),
        ("recall", "recall", palette.input, "dot"),
        ("escalation_rate", "escalated", palette.thinking, "dash"),
    ):
        figure.add_scatter(
            x=[one["threshold"] for one in entries],
            y=[None if one[field] is None else 100 * one[field] for one in entries],
            mode="lines",
            name=name,
            line={"color": colour, "width": 2.5, "dash": dash},
            hovertemplate="%{y:.1f}%",
        )
    if target is not None:
        figure.add_hline(100 * target, line={"color": palette.muted, "dash": "dash", "width": 1})
    figure.update_layout(layout.frame(palette, height=CURVE_PX, legend=True), hovermode="x unified")
    figure.update_xaxes(layout.ticks(palette), title={"text": "threshold"})
    figure.update_yaxes(layout.grid(palette), range=[-4, 104], ticksuffix="%")
    return figure


def tiers(mix: Sequence[float], target: Sequence[float], palette: Palette) -> go.Figure:
    """Share of requests that each tier answered, beside what was meant."""
    names = ["tier 3", "tier 2", "tier 1"]
    figure = go.Figure()
    for name, values, colour in (
        ("meant", target, layout.faint(palette.muted, 0.45)),
        ("answered", mix, palette.answer),
    ):
        figure.add_bar(
            y=names,
            x=[100 * share for share in reversed(values)],
            name=name,
            orientation="h",
            marker={"color": colour, "line": {"width": 0}},
            text=[wording.percent(round(share, 3)) for share in reversed(values)],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x:.1f}%",
        )
    figure.update_layout(
        layout.frame(palette, height=210, legend=True), barmode="group", bargap=0.3, legend_traceorder="reversed"
    )
    figure.update_xaxes(layout.grid(palette), range=[0, 108], ticksuffix="%")
    figure.update_yaxes(layout.ticks(palette), tickfont={"color": palette.text, "size": 12})
    return figure


def amounts(entries: Sequence[tuple[str, float]], palette: Palette) -> go.Figure:
    """Amounts of money side by side; the first, on top, is what it was."""
    ordered = list(reversed(entries))
    figure = go.Figure()
    figure.add_bar(
        y=[name for name, _ in ordered],
        x=[amount for _, amount in ordered],
        orientation="h",
        marker={
            "color": [layout.faint(palette.muted, 0.5)] * (len(ordered) - 1) + [palette.answer],
            "line": {"width": 0},
        },
        text=[usd(amount) for _, amount in ordered],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(_lying(palette, len(entries), legend=False))
    most = max((amount for _, amount in entries), default=0)
    figure.update_xaxes(layout.grid(palette), tickprefix="$", range=[0, 1.14 * most or 1])
    figure.update_yaxes(layout.ticks(palette), tickfont={"color": palette.text, "size": 12})
    return figure


def forecast(row: ReportRow, palette: Palette) -> go.Figure:
    """The month so far, what it will come to with its band, and the budget, in USD."""
    detail = row.detail
    figure = go.Figure()
    figure.add_bar(
        y=[detail["month"]], x=[detail["month_to_date_usd"]], orientation="h", name="so far",
        marker={"color": palette.answer, "line": {"width": 0}}, hovertemplate="$%{x:,.2f}",
    )  # fmt: skip
    most = detail["month_to_date_usd"]
    if row.value is not None and row.low is not None and row.high is not None:
        figure.add_bar(
            y=[detail["month"]], x=[row.value - detail["month_to_date_usd"]], orientation="h", name="expected",
            marker={"color": layout.faint(palette.answer, 0.35), "line": {"width": 0}}, hoverinfo="skip",
            error_x={
                "type": "data", "symmetric": False, "array": [row.high - row.value],
                "arrayminus": [row.value - row.low], "color": palette.text, "thickness": 2, "width": 8,
            },
        )  # fmt: skip
        most = row.high
    if detail["budget_usd"] is not None:
        most = max(most, detail["budget_usd"])
        figure.add_vline(detail["budget_usd"], line={"color": palette.bad, "dash": "dash", "width": 2})
        figure.add_annotation(
            x=detail["budget_usd"], y=1, yref="y domain", yanchor="bottom", text=f"budget {usd(detail['budget_usd'])}",
            showarrow=False, font={"color": palette.bad, "size": 12},
        )  # fmt: skip
    figure.update_layout(layout.frame(palette, height=180, legend=True), barmode="stack", margin_t=52)
    figure.update_xaxes(layout.grid(palette), tickprefix="$", range=[0, 1.12 * most or 1])
    figure.update_yaxes(layout.ticks(palette), showticklabels=False)
    return figure
