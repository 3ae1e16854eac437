"""The pages, so that they can link to each other."""

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

import streamlit as st

from thinkmeter.dashboards import filters, reading, states
from thinkmeter.schema.errors import ThinkmeterError

WAY_BACK: Final = "way_back"
"""In the session: the filters with which the list of requests was left."""

CHOSEN: Final = "chosen"
"""In the session: name and query of the page to go to."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pages:
    """Each page by its name."""

    overview: st.Page
    runaways: st.Page
    alerts: st.Page
    requests: st.Page
    request: st.Page

    def open_request(self, row: Mapping[str, Any], choice: filters.Choice) -> None:
        """Go to the request of a row of `requests`; the way back keeps the filters."""
        st.session_state[WAY_BACK] = choice.query
        _leave("request", address(row))

    def open_requests(self, query: Mapping[str, str]) -> None:
        """Go to the list of requests with those filters."""
        _leave("requests", query)

    def follow(self) -> None:
        """Go where the last run was told to."""
        if chosen := st.session_state.pop(CHOSEN, None):
            name, query = chosen
            st.switch_page(getattr(self, name), query_params=query)


def _leave(name: Literal["request", "requests"], query: Mapping[str, str]) -> None:
    """Have the next run go to a page.

    A page that is switched to from within a fragment is now and then drawn and then emptied (Streamlit 1.67): seen with
    a slow store, three times of twenty-five.
    """
    st.session_state[CHOSEN] = name, dict(query)
    st.rerun()


def address(request: Mapping[str, Any]) -> dict[str, str]:
    """What names a request in the address of its page."""
    project = {} if request["project"] == "default" else {"project": request["project"]}
    return {"id": request["request_id"], **project}


def bar(held: Collection[str] | None = None) -> filters.Choice:
    """Draw the filters and the state of what is shown in one row; what is chosen of those held (`filters.choose`)."""
    try:
        known = reading.values(*_recently())
    except ThinkmeterError:
        known = {}  # what the address names can still be chosen
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="bar"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            choice = filters.choose(known, held)
        with st.container(width="content"):
            states.status()
    return choice


def _recently() -> tuple[dt.datetime, dt.datetime]:
    """The longest window, to the minute."""
    until = reading.now().replace(second=0, microsecond=0)
    return until - filters.WINDOWS["30d"].length, until + dt.timedelta(minutes=1)
