"""Metrics: any of them, split as the viewer likes; those that an installation has added, too."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from thinkmeter.dashboards import reading, wording
from thinkmeter.dashboards.filters import Choice, Selection
from thinkmeter.dashboards.views import live
from thinkmeter.schema.metrics import wording as metric_wording
from thinkmeter.schema.metrics.catalogue import METRICS, Metric
from thinkmeter.schema.metrics.wording import NOTHING
from thinkmeter.schema.query import ReportRow

SHOWN: Final = 200


def draw() -> None:
    """Draw the page."""
    live.draw({"Any metric": _chosen})


def _chosen(choice: Choice, selection: Selection) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        name = st.selectbox("Metric", list(METRICS), key="metric", bind="query-params")
        metric = METRICS[name]
        splits = [one for one in metric.by if one != "attr"]
        usual = next(iter(metric.default), None)
        by = st.selectbox(
            "Split by",
            splits,
            index=splits.index(usual) if usual in splits else None,
            placeholder="all together",
            key=f"split_{name}",
        )
    st.markdown(f"**{wording.plain(metric.title)}**, in {wording.plain(metric.unit)}; {metric.direction} is better.")
    st.caption(wording.plain(metric.why))
    rows = reading.report(name, selection, () if by is None else (by,)).rows
    if not rows:
        st.markdown("Nothing in this window tells of it.")
        return
    st.dataframe(
        table(metric, rows[:SHOWN]),
        hide_index=True,
        placeholder=NOTHING,
        key=f"metric_{name}",
        alt=f"{metric.title} of {len(rows)} groups, with interval, sample and state",
    )
    if len(rows) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(rows):,}; `thinkmeter report {name} --csv` has all.")
    if metric.note:
        st.caption(wording.plain(metric.note))


def table(metric: Metric, rows: Sequence[ReportRow]) -> pd.DataFrame:
    """A row a group: what it is told apart by, value, interval, sample and state."""
    keys: dict[str, list[Any]] = {
        name.capitalize(): [None if row.key[name] is None else str(row.key[name]) for row in rows]
        for name in (rows[0].key if rows else ())
    }
    return pd.DataFrame(
        {
            **keys,
            "Value": [metric_wording.value(metric, row.value) for row in rows],
            "95 % interval": [metric_wording.interval(metric, row.low, row.high) for row in rows],
            "n": [row.n for row in rows],
            "State": [metric_wording.state(row.state, row.detail, metric.name) for row in rows],
        }
    )
