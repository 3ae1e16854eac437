"""What the reports' own pages have in common: filters, freshness, blocks one below the other, kept current."""

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from thinkmeter.dashboards import charts, reading, states, theme, wording
from thinkmeter.dashboards.clock import zone
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.pages import bar

Block = Callable[[Choice, Selection], None]


def draw(blocks: Mapping[str, Block]) -> None:
    """Draw a page of blocks, title -> what it holds, and keep it current; one that fails leaves the others standing."""
    choice = bar()
    states.when_ready(lambda: st.fragment(_live, run_every=choice.window.refresh)(choice, blocks))


def _live(choice: Choice, blocks: Mapping[str, Block]) -> None:
    with states.told("This page"):
        states.behind()
        selection = choice.at(reading.now())
        if not reading.report("cost", selection).rows:
            nothing(choice)
            return
        for title, block in blocks.items():
            with st.container(border=True), states.told(title):
                st.markdown(f"##### {title}")
                block(choice, selection)


def nothing(choice: Choice) -> None:
    """Say that the window holds no calls, and when there were some."""
    freshness = reading.freshness()
    assert freshness.newest_inserted is not None  # else the page would not be drawn
    seen = wording.clock(freshness.newest_inserted, zone(), now=reading.now())
    with st.container(border=True):
        if freshness.waiting_spans:
            waiting = wording.count(freshness.waiting_spans)
            st.subheader(f":material/hourglass_top: Spans received: {waiting}", anchor=False)
            st.markdown("They are being counted, and appear here by themselves.")
        else:
            st.subheader(f":material/search_off: No calls in the last {choice.window.words}", anchor=False)
            st.markdown(f"The newest span came in at {seen}. Choose a longer window, or fewer filters.")


def chart(figure: go.Figure, key: str, alt: str) -> None:
    """Draw a figure."""
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key=key, alt=alt)


def colours() -> theme.Palette:
    """Colours of the viewer's theme."""
    return theme.palette(st.context.theme.type)


def pick(label: str, options: Sequence[str], key: str) -> str | None:
    """Let the viewer choose one of several, where there are several; the first by default."""
    if len(options) < 2:
        return next(iter(options), None)
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, key=key, label_visibility="collapsed"
    )
    return str(chosen)
