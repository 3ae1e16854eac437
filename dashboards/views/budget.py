"""Budget: what the month will cost, and who is at the limit of thinking for the day."""

import dataclasses
import datetime as dt
from typing import Final

import streamlit as st

from thinkmeter.dashboards import reading, report_charts, wording
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.views import live
from thinkmeter.schema.metrics import wording as metric_wording
from thinkmeter.schema.metrics.wording import NOTHING, rate, tokens, usd

HISTORY: Final = dt.timedelta(days=90)
"""What a forecast looks back on, whatever window is chosen."""
SHOWN: Final = 50


def draw() -> None:
    """Draw the page."""
    live.draw({"This month": _month, "Thinking of users today": _users, "Thinking of sessions today": _sessions})


def _month(choice: Choice, selection: Selection) -> None:
    longer = dataclasses.replace(selection, since=selection.until - HISTORY)
    rows = reading.report("forecast", longer).rows
    if not rows:
        st.caption("No calls in the last 90 days.")
        return
    row = rows[0]
    said = f"{usd(row.detail['month_to_date_usd'])} so far"
    if row.value is None:
        said += f"; no forecast: {metric_wording.state(row.state, row.detail)}"
    else:
        said += f", expected {usd(row.value)} ({usd(row.low)} to {usd(row.high)})"
    if row.detail["budget_usd"] is None:
        said += "; no budget is set: [budgets] monthly_usd"
    elif row.value is not None:
        said += f"; over the budget: {row.detail['over_budget']}"
    if row.detail["estimated"]:
        said += f"; estimated from sampled traffic, {usd(row.detail['month_to_date_seen_usd'])} was seen this month"
    if uncosted := row.detail["uncosted_calls"]:
        said += f"; {uncosted:,} of {row.detail['calls']:,} calls in 90 days have no cost and are left out"
    st.markdown(wording.plain(said))
    if row.detail["month_to_date_usd"] is not None:
        live.chart(report_charts.forecast(row, live.colours()), "forecast", f"Cost of {row.detail['month']}: {said}")


def _users(choice: Choice, selection: Selection) -> None:
    _quota("user", selection)


def _sessions(choice: Choice, selection: Selection) -> None:
    _quota("session", selection)


def _quota(whose: str, selection: Selection) -> None:
    if selection.where:
        st.caption("A quota is of all that somebody thinks: show all task classes, models and environments.")
        return
    today = dataclasses.replace(selection, since=selection.until - dt.timedelta(days=1))
    rows = [row for row in reading.report("quota", today, (whose,)).rows if row.key.get(whose)]
    days = {row.key["day"] for row in rows}
    rows = sorted((row for row in rows if row.key["day"] == max(days)), key=lambda row: -(row.value or 0))
    if not rows:
        st.caption(f"No call of the last day names its {whose}.")
        return
    limit, owners, over = (rows[0].detail[name] for name in ("limit_tokens", "owners", "owners_over"))
    st.markdown(
        f"{owners:,} {whose}s, {over:,} over the limit of {tokens(limit)}"
        if limit is not None
        else f"{owners:,} {whose}s; no limit is set: `[quotas] {whose}_daily_thinking_tokens`"
    )
    if rows[0].detail["owners_sampled"]:
        st.caption("Traffic is sampled: quotas count what arrived, and the true use is higher.")
    st.dataframe(
        {
            whose.capitalize(): [str(row.key[whose]) for row in rows[:SHOWN]],
            "Thinking tokens": [tokens(row.value) for row in rows[:SHOWN]],
            "Of the limit": [rate(row.detail["used_share"]) for row in rows[:SHOWN]],
            "Calls": [row.n for row in rows[:SHOWN]],
        },
        hide_index=True,
        height=min(35 * (min(len(rows), SHOWN) + 1) + 3, 330),
        placeholder=NOTHING,
        key=f"quota_{whose}",
        alt=f"Thinking tokens of each {whose} on {max(days)}",
    )
