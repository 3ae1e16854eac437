"""What the pages show, read through `schema.query` and kept for a minute: all viewers of a selection share it.

A selection moves on with the clock, so that what is kept is never older than its refresh interval.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from thinkmeter.dashboards import store
from thinkmeter.dashboards.filters import Selection
from thinkmeter.schema.query import (
    CostPoint,
    Filters,
    Freshness,
    Report,
    RequestRecord,
    RollupState,
    RuleAlerts,
    Runaways,
    ThinkingPoint,
)
from thinkmeter.schema.query.break_even import Gpus
from thinkmeter.schema.query.reader import Order
from thinkmeter.schema.query.review import MonthlyReview
from thinkmeter.schema.query.review import review as make_review

Row = dict[str, Any]


def now() -> dt.datetime:
    """The time, UTC."""
    return dt.datetime.now(dt.UTC)


@st.cache_data(ttl=1, max_entries=1, show_spinner=False)
def freshness() -> Freshness:
    """How current the store is.

    Raises:
        ThinkmeterError: as of `store.ask`, like all that follow.
    """
    return store.ask(lambda reader: reader.freshness())


@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def rollups() -> RollupState:
    """How far rollups are."""
    return store.ask(lambda reader: reader.rollups())


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def values(since: dt.datetime, until: dt.datetime) -> Mapping[str, Sequence[str]]:
    """Filter -> the values that occur in a window, so that they can be chosen."""
    return store.ask(lambda reader: reader.values(since, until))


@st.cache_data(ttl=60, max_entries=1000, show_spinner=False)
def report(metric: str, selection: Selection, by: tuple[str, ...] = ()) -> Report:
    """A metric over a selection; with an empty `by`, of all its task classes together."""
    return store.ask(
        lambda reader: reader.report(
            metric,
            since=selection.since,
            until=selection.until,
            by=by,
            project=selection.project,
            where=selection.where,
        )
    )


@st.cache_data(ttl=60, max_entries=200, show_spinner=False)
def cost_over_time(selection: Selection, step_s: int) -> Sequence[CostPoint]:
    """Cost by the time of the call."""
    return store.ask(lambda reader: reader.cost_over_time(_filters(selection), step_s=step_s))


@st.cache_data(ttl=60, max_entries=200, show_spinner=False)
def thinking_over_time(selection: Selection, step_s: int) -> Sequence[ThinkingPoint]:
    """Quantiles of thinking tokens a request, by task class."""
    return store.ask(lambda reader: reader.thinking_quantiles_over_time(_filters(selection), by="task", step_s=step_s))


@st.cache_data(ttl=60, max_entries=200, show_spinner=False)
def runaways(selection: Selection, limit: int) -> Runaways:
    """The newest runaways of a selection."""
    return store.ask(lambda reader: reader.runaways(_filters(selection), limit))


@st.cache_data(ttl=10, max_entries=200, show_spinner=False)
def rule_alerts(selection: Selection, limit: int) -> RuleAlerts:
    """What rules on metrics see, and the alerts of theirs that fire or fired in a selection's window."""
    return store.ask(lambda reader: reader.rule_alerts(_filters(selection), limit))


@st.cache_data(ttl=60, max_entries=200, show_spinner=False)
def requests(selection: Selection, where: tuple[tuple[str, str | int], ...], order: Order, limit: int) -> list[Row]:
    """The first requests of a selection in an order, with further conditions."""
    return store.ask(lambda reader: reader.requests(_filters(selection, dict(where)), limit, order))


@st.cache_data(ttl=2, max_entries=100, show_spinner=False)
def request(request_id: str, project: str | None) -> RequestRecord | None:
    """One request of a project; None for whichever has it."""
    return store.ask(lambda reader: reader.request(request_id, project=project))


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def review(month: str, project: str | None, task: str | None, gpus: Gpus | None = None) -> MonthlyReview:
    """The review of a month, `2026-10`, with the break-even of hardware where some is named."""
    return store.ask(lambda reader: make_review(reader, month, project=project, task=task, gpus=gpus))


def _filters(selection: Selection, where: Mapping[str, str | int] | None = None) -> Filters:
    return Filters(selection.since, selection.until, selection.project, {**selection.where, **(where or {})})
