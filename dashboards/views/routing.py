"""Routing: which tier answers, what that saves, whether requests enter at the tier that they need, and strategies."""

import streamlit as st

from thinkmeter.dashboards import reading, report_charts, wording
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.views import live
from thinkmeter.schema.metrics import wording as metric_wording
from thinkmeter.schema.metrics.wording import points, rate, tokens, usd


def draw() -> None:
    """Draw the page."""
    live.draw(
        {
            "Tier mix": _mix,
            "What routing saves": _saving,
            "Right where requests enter": _entry,
            "Strategies": _strategies,
        }
    )


def _mix(choice: Choice, selection: Selection) -> None:
    if selection.model:
        st.caption("A mix of tiers is not a property of one model. Show all models.")
        return
    rows = reading.report("escr", selection).rows
    mix = rows[0].detail["tier_mix"] if rows else None
    if mix is None:
        st.caption(
            "No request that has settled has a known tier: name it in attempts, or in [tiers] of the configuration."
        )
        return
    target = rows[0].detail["tier_mix_target"]
    said = ", ".join(f"tier {tier} {rate(share)}" for tier, share in enumerate(mix, 1))
    live.chart(report_charts.tiers(mix, target, live.colours()), "tiers", f"Requests answered by tier: {said}")
    if unknown := rows[0].detail["tier_unknown"]:
        st.caption(f"{wording.count(unknown)} requests have no known tier.")


def _saving(choice: Choice, selection: Selection) -> None:
    rows = reading.report("routing", selection).rows
    if not rows or rows[0].detail["cost_usd"] is None:
        st.caption("No request whose cost is known has settled.")
        return
    row = rows[0]
    entries = [("as it was", row.detail["cost_usd"])]
    entries += [
        (f"all at tier {tier}", amount)
        for tier in (1, 2, 3)
        if (amount := row.detail[f"all_tier_{tier}_usd"]) is not None
    ]
    if row.value is None:
        st.markdown(wording.plain(metric_wording.state(row.state, row.detail).capitalize()))
    else:
        interval = f"{usd(row.low)} to {usd(row.high)}"
        st.markdown(
            wording.plain(f"Routing saves {usd(row.value)} a request over all at tier 3 ({interval}, n = {row.n:,}).")
        )
    said = ", ".join(f"{name} {usd(amount)}" for name, amount in entries)
    live.chart(report_charts.amounts(entries, live.colours()), "saving", f"Cost of the window: {said}")
    st.caption("Taken at each tier's mean cost an attempt; harder requests reach tier 3, so the saving is overstated.")


def _entry(choice: Choice, selection: Selection) -> None:
    rows = reading.report("routing", selection).rows
    calibration = rows[0].detail["calibration"] if rows else ()
    if not calibration:
        st.caption("No request is labelled at the tiers that it tried.")
        return
    entries = [
        (f"entered at tier {one['entry_tier']} (n = {one['n']:,})", one["right_there"], one["low"], one["high"])
        for one in calibration
    ]
    said = ", ".join(f"{name} {rate(share)}" for name, share, _, _ in entries)
    live.chart(report_charts.shares(entries, live.colours()), "entry", f"Requests right where they entered: {said}")
    needed = "; ".join(
        f"tier {one['entry_tier']}: {rate(one['needed_higher'])} needed a higher one, "
        f"{rate(one['right_nowhere'])} were right nowhere"
        for one in calibration
    )
    st.caption(wording.plain(needed.capitalize() + "."))


def _strategies(choice: Choice, selection: Selection) -> None:
    rows = [row for row in reading.report("strategies", selection).rows if row.value is not None]
    if not rows:
        st.caption("Too few labelled attempts of any strategy.")
        return
    ordered = sorted(rows, key=lambda row: -(row.value or 0))
    entries = [
        (f"{report_charts.name_of(row, 'strategy')} (n = {row.n:,})", row.value or 0.0, row.low, row.high)
        for row in ordered
    ]
    said = ", ".join(f"{name} {rate(share)}" for name, share, _, _ in entries)
    live.chart(report_charts.shares(entries, live.colours()), "strategies", f"Accuracy of attempts by strategy: {said}")
    st.dataframe(
        {
            "Strategy": [report_charts.name_of(row, "strategy") for row in ordered],
            "Thinking each": [tokens(row.detail["thinking_tokens_per_attempt"]) for row in ordered],
            "Cost each": [usd(row.detail["cost_per_attempt_usd"]) for row in ordered],
            "Over greedy": [points(row.detail["gain_pp"]) for row in ordered],
            "Per extra correct answer": [usd(row.detail["cost_per_extra_correct_usd"]) for row in ordered],
        },
        hide_index=True,
        key="strategies_table",
        alt="What each strategy thinks and costs, and what one more correct answer costs against greedy",
    )
    st.caption(
        "Compared over different attempts: where harder requests get the dearer strategy, it looks worse than it is."
    )
