"""Verifiers: how precise they are, whether their scores mean what they say, and what other thresholds would give."""

import streamlit as st

from thinkmeter.dashboards import reading, report_charts, wording
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.views import live
from thinkmeter.schema.metrics import wording as metric_wording
from thinkmeter.schema.metrics.wording import rate
from thinkmeter.schema.query import ReportRow


def draw() -> None:
    """Draw the page."""
    live.draw({"Precision": _precision, "Reliability": _reliability, "Other thresholds": _thresholds})


def _rows(selection: Selection) -> list[ReportRow]:
    return sorted(reading.report("vrate", selection).rows, key=lambda row: -row.n)


def _name(row: ReportRow) -> str:
    return report_charts.name_of(row, "verifier", "version")


def _precision(choice: Choice, selection: Selection) -> None:
    rows = _rows(selection)
    if not rows:
        st.caption("No verifier has judged anything in this window.")
        return
    entries = [(f"{_name(row)} (n = {row.n:,})", row.value, row.low, row.high) for row in rows if row.value is not None]
    if entries:
        st.markdown("Of what a verifier passes, the share that is correct.")
        said = ", ".join(f"{name} {rate(share)}" for name, share, _, _ in entries)
        target = rows[0].detail["target"]
        live.chart(report_charts.shares(entries, live.colours(), target), "precision", f"Precision: {said}")
    for row in rows:
        if row.value is None:
            told = metric_wording.state(row.state, row.detail)
            st.caption(wording.plain(f"{_name(row)}: {told}"))
        else:
            detail = row.detail
            st.caption(
                wording.plain(
                    f"{_name(row)}: recall {rate(detail['recall'])}, {rate(detail['false_positive_rate'])} of wrong "
                    f"answers pass, calibration error {rate(detail['expected_calibration_error'])}"
                )
            )


def _reliability(choice: Choice, selection: Selection) -> None:
    curves = {_name(row): row.detail["reliability"] for row in _rows(selection) if row.detail["reliability"]}
    if not curves:
        st.caption("No labelled verdict has a score between 0 and 1.")
        return
    live.chart(
        report_charts.reliability(curves, live.colours()),
        "reliability",
        f"How often answers of a score are correct, of {', '.join(curves)}",
    )
    st.caption("Above the dashed line a verifier is less sure than it could be, below it surer than it may be.")


def _thresholds(choice: Choice, selection: Selection) -> None:
    rows = {_name(row): row for row in _rows(selection) if row.detail["thresholds"]}
    name = live.pick("Verifier", list(rows), "thresholds_of")
    if name is None:
        st.caption("No labelled verdict has a score.")
        return
    row = rows[name]
    live.chart(
        report_charts.thresholds(row.detail["thresholds"], row.detail["target"], live.colours()),
        "thresholds",
        f"Precision, recall and escalation rate of {name} at other thresholds",
    )
    st.caption("A higher threshold passes less and escalates more; the dashed line is the target of precision.")
