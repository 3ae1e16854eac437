"""Thinking: how long, whether it pays to think longer, and how budgets are used."""

import streamlit as st

from thinkmeter.dashboards import reading, report_charts, wording
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.views import live
from thinkmeter.schema.metrics import wording as metric_wording
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import NOTHING, points, rate, tokens, usd
from thinkmeter.schema.query import ReportRow


def draw() -> None:
    """Draw the page."""
    live.draw(
        {
            "Accuracy by length of thinking": _knee,
            "Use of budgets": _budgets,
            "Length by task class": _lengths,
            "Reflection": _reflection,
        }
    )


def _knee(choice: Choice, selection: Selection) -> None:
    rows = reading.report("overthinking", selection, ("task",)).rows
    by_task = {report_charts.name_of(row, "task"): row for row in sorted(rows, key=lambda row: -row.n)}
    task = live.pick("Task class", list(by_task), "knee_of")
    if task is None:
        st.caption("No attempt that has settled in this window.")
        return
    row = by_task[task]
    bins = row.detail["bins"]
    if not any(one.get("correct") is not None and one["from_tokens"] > 0 for one in bins):
        st.caption(wording.plain(metric_wording.state(row.state, row.detail).capitalize()))
        return
    st.markdown(_waste(row))
    live.chart(
        report_charts.accuracy_by_length(bins, row.detail.get("suggested_cap_tokens"), live.colours()),
        "knee",
        f"Share of correct answers of {task} by thinking tokens. {_waste(row)}",
    )
    st.caption("Hard requests think longer, so accuracy may fall with length without thinking being at fault.")


def _waste(row: ReportRow) -> str:
    if row.value is None:
        return wording.plain(metric_wording.state(row.state, row.detail).capitalize())
    waste = "" if row.detail.get("wasted_usd") is None else f", {usd(row.detail['wasted_usd'])}"
    said = f"{rate(row.value)} of the thinking tokens{waste} lie past the length from which accuracy no longer rises"
    chance = "; there may be no waste at all" if row.state is State.INCONCLUSIVE else ""
    return wording.plain(f"{said}{chance} (n = {wording.count(row.n)}).")


def _budgets(choice: Choice, selection: Selection) -> None:
    rows = [row for row in reading.report("overthinking", selection, ("task",)).rows if row.detail["budgeted_calls"]]
    if not rows:
        st.caption("No call said how much it may think.")
        return
    entries = [
        (
            report_charts.name_of(row, "task"),
            row.detail["capped_share"],
            row.detail["capped_low"],
            row.detail["capped_high"],
        )
        for row in sorted(rows, key=lambda row: -(row.detail["capped_share"] or 0))
        if row.detail["capped_share"] is not None
    ]
    st.markdown("Share of calls whose thinking reached its budget: those may have been cut short.")
    said = ", ".join(f"{name} {rate(share)}" for name, share, _, _ in entries)
    live.chart(report_charts.shares(entries, live.colours()), "capped", f"Calls that reached their budget: {said}")
    used = "; ".join(
        f"{report_charts.name_of(row, 'task')} {rate(row.detail['budget_use'])} of it over "
        f"{wording.count(row.detail['budgeted_calls'])} calls"
        for row in rows
    )
    st.caption(wording.plain(f"Budget used on average: {used}."))


def _lengths(choice: Choice, selection: Selection) -> None:
    rows = [row for row in reading.report("ttr", selection, ("task",)).rows if row.value is not None]
    if not rows:
        st.caption("Not enough requests that have settled: 20 a task class are needed.")
        return
    ordered = sorted(rows, key=lambda row: -(row.value or 0))
    st.dataframe(
        {
            "Task class": [report_charts.name_of(row, "task") for row in ordered],
            "Mean": [tokens(row.value) for row in ordered],
            "95% interval": [f"{tokens(row.low)} to {tokens(row.high)}" for row in ordered],
            "p50": [tokens(row.detail["p50"]) for row in ordered],
            "p95": [tokens(row.detail["p95"]) for row in ordered],
            "p99": [tokens(row.detail["p99"]) for row in ordered],
            "Requests": [row.n for row in ordered],
            "Left out": [rate(row.detail["left_out_share"]) for row in ordered],
        },
        hide_index=True,
        placeholder=NOTHING,
        key="lengths",
        alt="Thinking tokens a request by task class: mean with interval and quantiles",
    )


def _reflection(choice: Choice, selection: Selection) -> None:
    rows = [row for row in reading.report("reflection", selection, ("task",)).rows if row.detail["attempts"]]
    by_task = {report_charts.name_of(row, "task"): row for row in sorted(rows, key=lambda row: -row.n)}
    task = live.pick("Task class", list(by_task), "reflection_of")
    if task is None:
        st.caption(
            "No call tells how much its thinking reflects: the SDK does where a reply shows its thinking, and whatever "
            "else sends `thinkmeter.thinking.reflection_ratio`."
        )
        return
    row = by_task[task]
    said = _turns_back(row)
    st.markdown(said)
    entries = [
        (
            f"{100 * band['from']:.0f} to {100 * band['to']:.0f}% reflect, {tokens(band['thinking_tokens'])} tokens "
            f"(n = {band['n']:,})",
            band["correct"],
            band["low"],
            band["high"],
        )
        for band in reversed(row.detail["bands"])
        if band["correct"] is not None
    ]
    if entries:
        st.markdown("Share of correct answers, and mean thinking tokens, by how much of the thinking reflects.")
        told = ", ".join(f"{name} {rate(share)}" for name, share, _, _ in entries)
        live.chart(report_charts.shares(entries, live.colours()), "reflection", f"Correct answers of {task}: {told}")
    else:
        st.caption("None of these attempts is labelled, so what reflection brings cannot be said.")
    st.caption("Hard requests are thought over more often, so accuracy may fall with it without its being at fault.")


def _turns_back(row: ReportRow) -> str:
    if row.value is None:
        return wording.plain(metric_wording.state(row.state, row.detail).capitalize())
    said = (
        f"{rate(row.value)} ({rate(row.low)} to {rate(row.high)}) of the sentences of visible thinking reflect, turn "
        f"or conclude (n = {wording.count(row.n)})"
    )
    gap, low, high = (row.detail[f"right_less_wrong{end}"] for end in ("", "_low", "_high"))
    if gap is None:
        few = f"{row.detail['right']} right and {row.detail['wrong']} wrong answers are labelled"
        return wording.plain(f"{said}; too few labels to compare right with wrong answers: {few}.")
    told = f"in right answers {points(100 * gap)} ({points(100 * low)} to {points(100 * high)}) against wrong ones"
    return wording.plain(f"{said}; {told}.")
