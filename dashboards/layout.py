"""What all figures have in common: type, grounds, axes, legend."""

from typing import Any, Final

from thinkmeter.dashboards.theme import Palette

FONT: Final = '"Source Sans", "Source Sans Pro", sans-serif'
"""Streamlit's own, which it brings along."""

CONFIG: Final = {"displayModeBar": False, "scrollZoom": False, "doubleClick": "reset"}
"""Plotly's own settings: no toolbar over the chart; dragging zooms, a double click goes back."""

PARTS: Final = (
    ("thinking", "thinking"),
    ("answer", "answer"),
    ("unsplit", "output, not split"),
    ("input", "input"),
    ("cache", "cache"),
    ("verifier", "verifier"),
    ("router", "router"),
)
"""What a cost consists of, in the order in which it is stacked, each with its name on the legend."""


def colour(part: str, palette: Palette) -> str:
    """Colour of a part of the cost, the same on every chart."""
    return {
        "thinking": palette.thinking,
        "answer": palette.answer,
        "unsplit": palette.unsplit,
        "input": palette.input,
        "cache": palette.cache,
        "verifier": palette.verifier,
        "router": palette.muted,
    }[part]


def faint(colour: str, opacity: float = 0.16) -> str:
    """A colour `#rrggbb` that lets the ground through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def frame(palette: Palette, *, height: int, legend: bool) -> dict[str, Any]:
    """Layout of a figure; the legend, where there is one, stands in a row above."""
    font = {"family": FONT, "color": palette.text, "size": 12}
    return {
        "height": height,
        "margin": {"l": 2, "r": 2, "t": 30 if legend else 2, "b": 2, "pad": 2},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": font,
        "hoverlabel": {"bgcolor": palette.ground, "bordercolor": palette.line, "font": font},
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "traceorder": "normal",
            "font": font,
            "bgcolor": "rgba(0,0,0,0)",
        },
    }


def ticks(palette: Palette) -> dict[str, Any]:
    """An axis without a grid."""
    return {"tickfont": {"color": palette.muted, "size": 11}, "automargin": True, "showgrid": False, "zeroline": False}


def grid(palette: Palette) -> dict[str, Any]:
    """An axis whose values are read off across the figure."""
    return {**ticks(palette), "showgrid": True, "gridcolor": palette.line, "zerolinecolor": palette.line}


def times(palette: Palette) -> dict[str, Any]:
    """An axis of time."""
    return {
        **ticks(palette),
        "type": "date",
        "hoverformat": "%a %-d %b %H:%M",
        "nticks": 7,
        "tickformatstops": [
            {"dtickrange": [None, 86_399_999], "value": "%H:%M\n%-d %b"},
            {"dtickrange": [86_400_000, None], "value": "%-d %b"},
        ],
    }
