"""Figures of the overview, from rows: pure functions, so that what a chart shows can be tested without drawing it."""

import datetime as dt
import html
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from thinkmeter.dashboards import layout, wording
from thinkmeter.dashboards.theme import Palette
from thinkmeter.schema.metrics.wording import tokens, usd
from thinkmeter.schema.query import CostPoint, Runaway, ThinkingPoint

CONFIG: Final = layout.CONFIG

COST_PX: Final = 330
PANELS_PX: Final = 366
RUNAWAYS_PX: Final = 260
"""Heights. The first two stand side by side; the first has a line of text above it."""


def cost_over_time(
    points: Sequence[CostPoint],
    window: tuple[dt.datetime, dt.datetime],
    step: dt.timedelta,
    palette: Palette,
    zone: dt.tzinfo = dt.UTC,
) -> go.Figure:
    """Cost by the time at which calls were made, stacked by what it was paid for, in USD.

    Args:
        points: one a stretch of time with calls. One that is not complete is hatched: it is still filling up.
        window: its begin and end, all of which is shown.
        step: length of a stretch.
        palette: colours of the viewer's theme.
        zone: the viewer's.
    """
    figure = go.Figure()
    begins = [point.time.astimezone(zone) for point in points]
    hatched = ["" if point.complete else "/" for point in points]
    step_ms = step.total_seconds() * 1e3
    for part, name in layout.PARTS:
        values = [point.detail[f"{part}_usd"] for point in points]
        if any(values):
            figure.add_bar(
                x=begins,
                y=values,
                name=name,
                width=step_ms * 0.86,
                offset=step_ms * 0.07,
                marker={
                    "color": layout.colour(part, palette),
                    "line": {"width": 0},
                    "pattern": {"shape": hatched, "fgcolor": palette.ground, "fillmode": "overlay", "size": 5},
                },
                customdata=[usd(value) for value in values],
                hovertemplate="%{customdata}",
            )
    figure.update_layout(layout.frame(palette, height=COST_PX, legend=True), barmode="stack", hovermode="x unified")
    figure.update_yaxes(layout.grid(palette), tickprefix="$", tickformat=",~r", rangemode="tozero", nticks=5)
    figure.update_xaxes(layout.times(palette), range=_whole(window, [point.time for point in points], step, zone))
    return figure


def thinking_by_class(
    points: Sequence[ThinkingPoint],
    whole: Mapping[str, tuple[float, float]],
    window: tuple[dt.datetime, dt.datetime],
    step: dt.timedelta,
    palette: Palette,
    zone: dt.tzinfo = dt.UTC,
    *,
    most: int = 4,
    least_n: int = 5,
) -> go.Figure:
    """Thinking tokens a request over time, a panel a task class: below which half of the requests stay, and 19 of 20.

    Each panel has its own scale from 0, since classes differ by orders of magnitude and what is asked is how each one
    moves.

    Args:
        points: one a task class and stretch of time.
        whole: task class -> p50 and p95 of the whole window, in the order in which the classes are drawn.
        window: its begin and end, all of which is shown.
        step: length of a stretch.
        palette: colours of the viewer's theme.
        zone: the viewer's.
        most: how many classes are drawn.
        least_n: so many requests a stretch needs to be drawn: the quantiles of fewer say nothing.
    """
    tasks = list(whole)[:most]
    panels = max(len(tasks), 1)
    figure = make_subplots(rows=panels, cols=1, shared_xaxes=True, vertical_spacing=0.26 / panels)
    for number, task in enumerate(tasks, 1):
        mine = [point for point in points if point.key["task"] == task and point.n >= least_n]
        _draw_panel(figure, number, mine, step, palette, zone)
        _name_panel(figure, number, task, whole[task], palette)
    figure.update_layout(layout.frame(palette, height=PANELS_PX, legend=True), hovermode="x unified", barmode="overlay")
    figure.update_layout(margin_t=48)  # the first panel has its name there
    figure.update_yaxes(layout.grid(palette), rangemode="tozero", nticks=3, tickformat="~s")
    figure.update_xaxes(layout.times(palette), range=_whole(window, [point.time for point in points], step, zone))
    return figure


def _draw_panel(
    figure: go.Figure,
    number: int,
    points: Sequence[ThinkingPoint],
    step: dt.timedelta,
    palette: Palette,
    zone: dt.tzinfo,
) -> None:
    step_ms = step.total_seconds() * 1e3
    for name, words, opacity in (("p50", "half think less", 1.0), ("p95", "19 of 20 think less", 0.35)):
        figure.add_bar(
            x=[point.time.astimezone(zone) for point in points],
            y=[getattr(point, name) for point in points],
            width=step_ms * 0.86,
            offset=step_ms * 0.07,
            name=f"{name}: {words}",
            legendgroup=name,
            showlegend=number == 1,
            zorder=1 if name == "p50" else 0,
            marker={"color": layout.faint(palette.thinking, opacity), "line": {"width": 0}},
            customdata=[[tokens(getattr(point, name)), wording.count(point.n)] for point in points],
            hovertemplate="%{customdata[0]} of %{customdata[1]} requests",
            row=number,
            col=1,
        )


def _name_panel(figure: go.Figure, number: int, task: str, quantiles: tuple[float, float], palette: Palette) -> None:
    axis = str(number) if number > 1 else ""
    p50, p95 = (tokens(quantile) for quantile in quantiles)
    for text, x, anchor in ((f"<b>{html.escape(task)}</b>", 0, "left"), (f"p50 {p50} · p95 {p95}", 1, "right")):
        figure.add_annotation(
            text=text,
            x=x,
            xref=f"x{axis} domain",
            xanchor=anchor,
            y=1,
            yref=f"y{axis} domain",
            yanchor="bottom",
            showarrow=False,
            font={"size": 12, "color": palette.text},
        )


def runaways(
    found: Sequence[Runaway], window: tuple[dt.datetime, dt.datetime], palette: Palette, zone: dt.tzinfo = dt.UTC
) -> go.Figure:
    """Runaways by the time at which they began: how far each went, in thinking tokens, and the limit it passed.

    Args:
        found: in any order, at least one.
        window: its begin and end, all of which is shown.
        palette: colours of the viewer's theme.
        zone: the viewer's.
    """
    figure = go.Figure()
    begins = [one.began.astimezone(zone) for one in found]
    figure.add_scatter(
        x=[x for begin in begins for x in (begin, begin, None)],
        y=[y for one in found for y in (one.threshold_tokens, one.thinking_tokens, None)],
        mode="lines",
        line={"color": palette.line, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, symbol, colour, values in (
        ("limit of its class", "line-ew", palette.muted, [one.threshold_tokens for one in found]),
        ("thinking tokens", "circle", palette.thinking, [one.thinking_tokens for one in found]),
    ):
        figure.add_scatter(
            x=begins,
            y=values,
            name=name,
            mode="markers",
            cliponaxis=False,  # the newest stands at the very edge
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"color": colour, "width": 2}},
            customdata=[html.escape(f"{one.task}: {value:,.0f}") for one, value in zip(found, values, strict=True)],
            hovertemplate="%{customdata}<extra>" + name + "</extra>",
        )
    figure.update_layout(layout.frame(palette, height=RUNAWAYS_PX, legend=True), hovermode="closest")
    # a logarithmic axis: runaways differ by orders of magnitude
    figure.update_yaxes(layout.grid(palette), type="log", tickformat="~s", dtick="D2")
    figure.update_xaxes(layout.times(palette), range=_whole(window, [], dt.timedelta(), zone))
    return figure


def _whole(
    window: tuple[dt.datetime, dt.datetime], begins: Sequence[dt.datetime], step: dt.timedelta, zone: dt.tzinfo
) -> list[dt.datetime]:
    """The window, and what of the first and last bucket reaches out of it."""
    since, until = window
    return [min([since, *begins]).astimezone(zone), max([until, *(begin + step for begin in begins)]).astimezone(zone)]


def standing(
    value: float,
    low: float | None,
    high: float | None,
    before: float | None,
    target: float | None,
    *,
    lower_is_better: bool,
    is_share: bool,
    show: Callable[[float], str],
    palette: Palette,
) -> go.Figure:
    """Where a value stands: its interval, the period before, and its target, on one axis.

    Args:
        value: now.
        low: lower end of its interval.
        high: upper end; None where it is open.
        before: the value of the period before, a hollow dot.
        target: what it is meant to stay below or above; the wrong side is tinted.
        lower_is_better: which side is the wrong one.
        is_share: whether it ends at 1; the axis of a share that is meant to be high begins near it.
        show: how a value is written.
        palette: colours of the viewer's theme.
    """
    seen = [x for x in (value, low, high, before, target) if x is not None]
    end = max(seen) * (1.12 if high is not None else 1.4) or 1.0
    begin = 0.0
    if is_share:
        end = min(end, 1.0)
        begin = 0.0 if lower_is_better else max(0.0, min(seen) - 0.25 * (1 - min(seen)) - 0.01)
    figure = go.Figure()
    if target is not None:
        wrong = (target, max(end, target)) if lower_is_better else (begin, target)
        for kind, x0, x1 in (("rect", *wrong), ("line", target, target)):
            figure.add_shape(
                type=kind,
                x0=x0,
                x1=x1,
                y0=0,
                y1=1,
                yref="paper",
                layer="below",
                line={"width": 0 if kind == "rect" else 1.5, "color": palette.bad},
                fillcolor=layout.faint(palette.bad, 0.1),
            )
    figure.add_scatter(
        x=[begin, end], y=[0, 0], mode="lines", line={"color": palette.line, "width": 2}, hoverinfo="skip"
    )
    if low is not None:
        figure.add_scatter(
            x=[low, end if high is None else high],
            y=[0, 0],
            mode="lines",
            line={"color": layout.faint(palette.answer, 0.45), "width": 8},
            hoverinfo="skip",
        )
    for name, x, fill, edge in (
        ("before", before, palette.ground, palette.muted),
        ("now", value, palette.answer, palette.ground),
    ):
        if x is not None:
            figure.add_scatter(
                x=[x],
                y=[0],
                mode="markers",
                marker={"size": 12, "color": fill, "line": {"color": edge, "width": 2}},
                cliponaxis=False,
                hovertemplate=f"{name}: {show(x)}<extra></extra>",
            )
    marks = [begin, end] if target is None else [begin, target, end]
    if target is not None and end - target < 0.15 * (end - begin):
        marks = [begin, target]
    figure.update_layout(layout.frame(palette, height=58, legend=False), hovermode="closest", dragmode=False)
    figure.update_layout(margin={"l": 16, "r": 16, "b": 20})
    figure.update_xaxes(
        layout.ticks(palette),
        range=[begin, end],
        tickmode="array",
        tickvals=marks,
        ticktext=[f"target {show(mark)}" if mark == target else show(mark) for mark in marks],
        tickangle=0,
        fixedrange=True,
    )
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True)
    return figure
