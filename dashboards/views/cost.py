"""Cost: what was paid for, by whom and for what, and what has no price."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from thinkmeter.dashboards import charts, reading, report_charts, wording
from thinkmeter.dashboards.clock import zone
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.views import live
from thinkmeter.schema.metrics.wording import rate, usd

KEYS: Final = {
    "Task class": "task", "Model": "model", "Tier": "tier", "Strategy": "strategy", "Effort": "effort",
    "Phase": "phase", "User": "user", "Session": "session",
}  # fmt: skip
"""What a cost can be split by, as the page calls it."""
SHOWN: Final = 15


def draw() -> None:
    """Draw the page."""
    live.draw({"Cost over time": _over_time, "Where it goes": _split, "Without a price": _unpriced})


def _over_time(choice: Choice, selection: Selection) -> None:
    [whole] = reading.report("cost", selection).rows
    points = reading.cost_over_time(selection, int(choice.window.step.total_seconds()))
    thinking = f" · {rate(whole.detail['thinking_usd'] / whole.value)} of it thinking" if whole.value else ""
    st.markdown(f"**{wording.plain(usd(whole.value))}** for {wording.count(whole.n)} calls{thinking}")
    if whole.detail["estimated"]:
        st.caption(wording.plain(_sampled(whole.detail)))
    figure = charts.cost_over_time(points, selection.span, choice.window.step, live.colours(), zone())
    live.chart(figure, "cost_over_time", f"Cost over the last {choice.window.words}: {usd(whole.value)} in all")


def _sampled(detail: Mapping[str, Any]) -> str:
    return (
        f"Estimated from sampled traffic: {usd(detail['seen_usd'])} was seen, and stands for about "
        f"{wording.count(detail['estimated_calls'])} calls."
    )


def _split(choice: Choice, selection: Selection) -> None:
    title = live.pick("Split by", list(KEYS), "cost_by")
    assert title is not None
    rows = reading.report("cost", selection, (KEYS[title],)).rows
    dearest = sorted(rows, key=lambda row: -(row.value or 0))
    shown = [row for row in dearest[:SHOWN] if row.value]
    if not shown:
        st.caption("Nothing of it has a price.")
        return
    said = ", ".join(f"{report_charts.name_of(row, KEYS[title])} {usd(row.value)}" for row in shown[:3])
    live.chart(
        report_charts.costs(shown, KEYS[title], live.colours()), "cost_split", f"Cost by {title.lower()}: {said}"
    )
    if len(dearest) > len(shown):
        rest = sum(row.value or 0 for row in dearest[len(shown) :])
        st.caption(wording.plain(f"{len(dearest) - len(shown)} more come to {usd(rest)}."))


def _unpriced(choice: Choice, selection: Selection) -> None:
    rows = reading.report("cost", selection, ("provider", "model")).rows
    lacking = [row for row in rows if row.detail["unpriced_calls"] or row.detail["unknown_calls"]]
    if not lacking:
        st.markdown(":green[Every call has a price and known token counts.]")
        return
    for row in lacking:
        told = []
        if row.detail["unpriced_calls"]:
            told.append(f"{wording.count(row.detail['unpriced_calls'])} calls have no price")
        if row.detail["unknown_calls"]:
            told.append(f"{wording.count(row.detail['unknown_calls'])} have no token counts")
        name = wording.plain(report_charts.name_of(row, "provider", "model"))
        st.markdown(f"**{name}**: {wording.plain(', '.join(told))}")
    st.caption("`thinkmeter prices list` says what to type for a model without a price.")
