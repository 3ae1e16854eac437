"""Tables of rules on metrics: what each sees, and what fired."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from thinkmeter.schema.metrics import wording
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query import RuleAlerts

READING_STATES: Final = {
    "firing": "● fires",
    "pending": "◐ holds, not for long enough",
    "doubtful": "◌ beyond, not for certain",
    "ok": "○ within",
    "insufficient_data": "- not enough data",
    "error": "✕ cannot be judged",
}
"""State of what a rule sees -> how it is written."""


def rule_readings(found: RuleAlerts) -> pd.DataFrame:
    """A row a group of a rule on a metric, as it was last looked at."""
    rows = found.readings
    fired = {(one.project, one.rule, one.group): one for one in found.firing}
    metrics = [METRICS.get(row.metric) for row in rows]
    groups = [row.key.partition(" ")[2] for row in rows]

    def written(at: int, number: float | None) -> str | None:
        metric = metrics[at]
        return None if metric is None or number is None else wording.part(metric, rows[at].field, number)

    def silenced(at: int) -> str | None:
        row = rows[at]
        known = fired.get((row.project, row.rule, groups[at]))
        silence = found.silence(row.project, row.rule, row.task, row.key, row.time)
        if known is not None and known.muted:
            return f"yes: {known.muted}"
        if silence is None:
            return None
        # what fired before the silence began is told all the same
        return f"from {silence.since:%H:%M} UTC on, not this one" if known else f"until {silence.until:%d %b %H:%M} UTC"

    ends = [(written(at, row.low), written(at, row.high)) for at, row in enumerate(rows)]
    return pd.DataFrame(
        {
            "State": [READING_STATES.get(row.state, row.state) for row in rows],
            "Rule": [row.rule for row in rows],
            "Of": [group or None for group in groups],
            "Value": [written(at, row.value) for at, row in enumerate(rows)],
            "Limit": [written(at, row.target) for at, row in enumerate(rows)],
            "95 % interval": [None if low is None or high is None else f"{low} to {high}" for low, high in ends],
            "n": pd.Series([row.n or None for row in rows], dtype="Int64"),
            "Since": [row.since for row in rows],
            "Silenced": [silenced(at) for at in range(len(rows))],
            "Seen": [row.said for row in rows],
            **_projects([row.project for row in rows]),
        }
    )


def rule_alerts(found: RuleAlerts, *, firing: bool = False) -> pd.DataFrame:
    """A row an alert of a rule on a metric; on request only those that fire."""
    rows = found.firing if firing else found.alerts
    table = {
        "Fired": [row.fired for row in rows],
        "Ended": [row.ended for row in rows],
        "Rule": [row.rule for row in rows],
        "Of": [row.group or None for row in rows],
        "Silenced": [row.muted or None for row in rows],
        "Told": [", ".join(f"{one.channel} {one.state}" for one in row.told) or None for row in rows],
        "Seen when it fired": [row.said for row in rows],
        "Seen when it ended": [row.end_said or None for row in rows],
        **_projects([row.project for row in rows]),
    }
    left_out = ("Ended", "Seen when it ended") if firing else ()
    return pd.DataFrame({name: column for name, column in table.items() if name not in left_out})


def _projects(names: Sequence[str]) -> dict[str, list[str | None]]:
    """A column of projects, where there are several."""
    return {"Project": [name or None for name in names]} if len({*names} - {""}) > 1 else {}


def alert_columns(zone: str) -> dict[str, Any]:
    """Formats of the columns of `rule_readings` and `rule_alerts`."""
    time = st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", timezone=zone, width=125)
    return {name: time for name in ("Fired", "Ended", "Since")} | {
        "State": st.column_config.TextColumn(width=185),
        "Of": st.column_config.TextColumn(width="medium"),
        "Seen": st.column_config.TextColumn(width="large"),
        "n": st.column_config.NumberColumn(format="localized"),
        "Limit": st.column_config.TextColumn(help="What the value is compared with: of the rule, or of the policy"),
        "Silenced": st.column_config.TextColumn(help="Nobody is told of an alert that fires while a silence holds"),
    }
