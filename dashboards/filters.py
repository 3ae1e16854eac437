"""What the viewer chose to look at: a window and a slice of the traffic, bound to the page's address."""

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Self

import streamlit as st

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A length of time that ends now, and how finely it is drawn.

    Attributes:
        name: as it stands on the control and in the address.
        words: as it stands in a sentence.
        length: from its begin to its end.
        step: width of a bucket of sums.
        coarse_step: width of a bucket of quantiles, which need more requests. Both widths divide a day.
        refresh: how often what is shown is read anew; the end of the window moves in such steps.
    """

    name: str
    words: str
    length: dt.timedelta
    step: dt.timedelta
    coarse_step: dt.timedelta
    refresh: dt.timedelta


def _window(name: str, words: str, length_h: float, step_s: int, coarse_step_s: int, refresh_s: int) -> Window:
    return Window(
        name,
        words,
        dt.timedelta(hours=length_h),
        dt.timedelta(seconds=step_s),
        dt.timedelta(seconds=coarse_step_s),
        dt.timedelta(seconds=refresh_s),
    )


WINDOWS: Final = {
    window.name: window
    for window in (
        _window("1h", "hour", 1, 300, 600, 10),
        _window("24h", "24 hours", 24, 3_600, 10_800, 30),
        _window("7d", "7 days", 168, 21_600, 43_200, 60),
        _window("30d", "30 days", 720, 86_400, 86_400, 120),
    )
}
DEFAULT_WINDOW: Final = "24h"

SLICES: Final = {
    "project": "All projects",
    "environment": "All environments",
    "task": "All task classes",
    "model": "All models",
}
"""Name of a filter, in the address and in `Selection`, and what it says while it filters nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """One window of one slice: the key by which what was read is kept.

    Attributes:
        since: begin of the window, UTC.
        until: its end, UTC.
        project: only requests of this project; None for all.
        environment: only of this environment; None for all.
        task: only of this task class; None for all.
        model: only where this model answered; None for all.
    """

    since: dt.datetime
    until: dt.datetime
    project: str | None = None
    environment: str | None = None
    task: str | None = None
    model: str | None = None

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """Begin and end."""
        return self.since, self.until

    @property
    def where(self) -> dict[str, str]:
        """The conditions beside window and project, as the query layer names them."""
        named = {"environment": self.environment, "task": self.task, "model": self.model}
        return {name: value for name, value in named.items() if value is not None}

    @property
    def before(self) -> Self:
        """The same slice in the window of the same length just before."""
        return dataclasses.replace(self, since=self.since - (self.until - self.since), until=self.since)


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """What the viewer chose, whatever time it is."""

    window: Window
    slices: Mapping[str, str | None]

    def at(self, now: dt.datetime) -> Selection:
        """The selection at a moment; the same for all moments of one refresh interval."""
        until = now - (now - EPOCH) % self.window.refresh
        return Selection(until - self.window.length, until, **self.slices)

    @property
    def query(self) -> dict[str, str]:
        """The same choice in the address of a page: what differs from the default."""
        window = {"window": self.window.name} if self.window.name != DEFAULT_WINDOW else {}
        return {**window, **{name: value for name, value in self.slices.items() if value is not None}}


def choose(known: Mapping[str, Sequence[str]], held: Collection[str] | None = None) -> Choice:
    """Draw the filters, side by side, and return what is chosen.

    Args:
        known: filter -> the values that occur; one with nothing to choose between is not drawn.
        held: those that hold for what is shown, `window` among them; the others cannot be touched. None: all hold.
    """
    window = st.segmented_control(
        "Window",
        list(WINDOWS),
        default=DEFAULT_WINDOW,
        required=True,
        key="window",
        bind="query-params",
        label_visibility="collapsed",
        disabled=held is not None and "window" not in held,
    )
    slices = {
        name: _slice(name, nothing, known.get(name, ()), held is None or name in held)
        for name, nothing in SLICES.items()
    }
    return Choice(WINDOWS[window], slices)


def _slice(name: str, nothing: str, known: Sequence[str], holds: bool) -> str | None:
    # what the address names stays, though it may be gone from the window or the store may not answer right now
    named = [value for value in (st.query_params.get(name), st.session_state.get(name)) if value and value != nothing]
    values = sorted({*known, *named} - {""})
    if len(values) < 2 and not named:
        return None
    chosen = st.selectbox(
        nothing.removeprefix("All ").capitalize(),
        [nothing, *values],
        key=name,
        bind="query-params",
        label_visibility="collapsed",
        width=182,
        disabled=not holds,
    )
    return None if chosen == nothing or not holds else chosen
