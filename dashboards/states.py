"""Whether what is shown is true right now: nothing received yet, behind, or not to be had; and back by itself."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Literal

import streamlit as st

from thinkmeter.dashboards import reading, wording
from thinkmeter.dashboards.clock import zone
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.query import Freshness

RETRY: Final = dt.timedelta(seconds=2)
"""How often a page that waits looks again."""
STATUS_EVERY: Final = dt.timedelta(seconds=5)
"""How often the line that says how current the page is looks."""
CATCHING_UP_S: Final = 10.0
"""A lag above it is said beside the filters."""
STALE_S: Final = 60.0
"""A lag above it is said in a banner."""
QUIET_S: Final = 900.0
"""Without a new span for so long, the page does not call itself live."""

AWAY_SINCE: Final = "away_since"
"""In the session: since when the store has not been to be read; absent while it is."""

FIRST_SPAN: Final = """\
import thinkmeter

thinkmeter.instrument(endpoint="http://127.0.0.1:4318")  # where `thinkmeter up` says it takes OTLP/HTTP

# from here on every call of a supported provider client is measured, for example:
import openai

reply = openai.OpenAI().chat.completions.create(
    model="gpt-5-nano", messages=[{"role": "user", "content": "How many primes are there below 100?"}]
)
"""


def when_ready(draw: Callable[[], None]) -> None:
    """Draw a page if there is something to show; else say what is missing, and draw it once it is there."""
    try:
        freshness = reading.freshness()
    except ThinkmeterError as error:
        st.session_state.setdefault(AWAY_SINCE, reading.now())
        st.fragment(_away, run_every=RETRY)(error)
        return
    st.session_state.pop(AWAY_SINCE, None)
    if freshness.newest_inserted is None:
        st.fragment(_empty, run_every=RETRY)()
        return
    draw()


def status() -> None:
    """A line that says how current the page is, kept current itself."""
    st.fragment(_status, run_every=STATUS_EVERY)()


def filling(*, first: bool, height_px: int) -> AbstractContextManager[object]:
    """While something is read for the first time, its place; later what was there before stays until then.

    Either way it is one element, so that what follows replaces itself and does not stand there twice meanwhile.
    """
    if first:
        return st.skeleton(height=height_px)
    st.empty()
    return nullcontext()


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say in place what could not be read, so that the rest of the page stands."""
    try:
        yield
    except RetryableError:
        st.warning(f"{what} cannot be shown: the store does not answer right now.", icon=":material/cloud_off:")
    except ThinkmeterError as error:
        st.warning(f"{what} cannot be shown: {wording.plain(error)}", icon=":material/error:")


def _status() -> None:
    try:
        freshness = reading.freshness()
    except ThinkmeterError:
        st.badge("Store away", icon=":material/cloud_off:", color="red")
        if AWAY_SINCE not in st.session_state:
            st.session_state[AWAY_SINCE] = reading.now()
            st.rerun()  # the page as a whole says more
        return
    if freshness.newest_inserted is None:
        st.badge("Waiting", icon=":material/hourglass_empty:", color="gray")
        return
    badge, color = _how_current(freshness)
    icon = ":material/schedule:" if color != "green" else ":material/sensors:"
    st.badge(badge, icon=icon, color=color, help=rollups_told(freshness.as_of))


def rollups_told(now: dt.datetime) -> str | None:
    """What long windows are read from, where rollups are in use and can be read."""
    try:
        state = reading.rollups()
    except ThinkmeterError:
        return None
    if not state.in_use:
        return None
    told = f"Long windows read rollups: {state.quarters - state.waiting:,} of {state.quarters:,} quarters of an hour"
    if state.waiting_since is None:
        return f"{told} are counted."
    age = wording.lag((now - state.waiting_since).total_seconds())
    return f"{told} are counted; the others wait, the first for {age}, and are read request by request meanwhile."


def _how_current(freshness: Freshness) -> tuple[str, Literal["green", "blue", "gray", "orange"]]:
    assert freshness.newest_inserted is not None
    if freshness.lag_s > STALE_S:
        return f"Behind by {wording.lag(freshness.lag_s)}", "orange"
    if freshness.lag_s > CATCHING_UP_S:
        return f"Catching up · {wording.count(freshness.waiting_spans)} spans", "blue"
    age_s = (freshness.as_of - freshness.newest_inserted).total_seconds()
    if age_s > QUIET_S:
        return f"Quiet for {wording.lag(age_s)}", "gray"
    return f"Live · newest span {wording.lag(age_s)} ago", "green"


def behind() -> None:
    """A banner while what came in is not counted yet."""
    place = st.empty()
    freshness = reading.freshness()
    if freshness.lag_s > STALE_S:
        until = wording.clock(freshness.shown_until, zone(), now=reading.now())
        place.warning(
            f"Shown is what came in until **{until}**, {wording.lag(freshness.lag_s)} ago. "
            f"{_waiting(freshness)} that came in since are not counted yet: do the jobs run "
            "(`thinkmeter up` or `thinkmeter jobs`)?",
            icon=":material/update:",
        )


def _waiting(freshness: Freshness) -> str:
    """What is waited for: spans, or where there are none, verdicts and labels without any."""
    return f"{wording.count(freshness.waiting_spans)} spans" if freshness.waiting_spans else "Verdicts or labels"


def _away(error: ThinkmeterError) -> None:
    try:
        reading.freshness()
    except ThinkmeterError as newest:
        error = newest
    else:
        st.rerun()
    what = "does not answer" if isinstance(error, RetryableError) else "cannot be read"
    since = wording.clock(st.session_state.get(AWAY_SINCE, reading.now()), zone(), now=reading.now())
    with st.container(border=True):
        st.subheader(f":material/cloud_off: The store {what}", anchor=False)
        st.markdown(wording.plain(error))
        st.caption(f"Away since {since}. Looking again every {RETRY.seconds} s; the page comes back by itself.")


def _empty() -> None:
    with st.container(border=True):
        st.subheader(":material/waving_hand: Send the first span", anchor=False)
        st.markdown("Nothing has been received yet. One line measures every call of a supported client:")
        st.code(FIRST_SPAN, language="python")
        st.markdown("Nothing at hand that calls a model? `thinkmeter up --demo` brings traffic of its own.")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge("Waiting for the first span", icon="spinner", color="blue")
    with told("What was received"):
        if reading.freshness().newest_inserted is not None:
            st.rerun()
