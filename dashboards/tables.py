"""Tables from rows: which columns they have, how those are written, and what stands out in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from thinkmeter.dashboards import tiles, wording
from thinkmeter.dashboards.theme import Palette
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import rate, tokens
from thinkmeter.schema.query import ReportRow, Runaway

Row = Mapping[str, Any]

_number = st.column_config.NumberColumn
_PASS: Final = {True: "✓ pass", False: "✕ fail", None: None}
_GAINS: Final = {
    State.NO_GAIN: "thinking brings no gain",
    State.WORSE: "thinking makes it worse",
    State.INCONCLUSIVE: "gain not certain",
}
_CORRECT: Final = {True: "✓ correct", False: "✕ wrong", None: None}

TASK_CLASS_COLUMNS: Final[dict[str, Any]] = {
    "Task class": st.column_config.TextColumn(width="medium"),
    "Requests": _number(format="localized"),
    "Cost": _number(format="$%.2f"),
    "Thinking": st.column_config.ProgressColumn(
        "Thinking share", format="%.1f %%", min_value=0, max_value=100, help="Share of the cost that paid for thinking"
    ),
    "CPQ": _number(format="$%.4f", help="USD per percentage point of accuracy"),
    "TTR": _number(format="%,.0f", help="Mean thinking tokens a request"),
    "p95": _number(format="%,.0f", help="19 of 20 requests think less"),
    "EscR": _number(format="%.1f %%", help="Share of tier-1 verdicts that failed and escalated"),
    "VRate": _number(format="%.1f %%", help="Share of passed answers that were correct"),
    "What stands out": st.column_config.TextColumn(width="large"),
}
"""Formats of the columns of `task_classes`."""


def task_classes(reports: Mapping[str, Sequence[ReportRow]]) -> pd.DataFrame:
    """A row a task class, the most expensive first.

    Args:
        reports: metric -> rows of its report by task; `cost` is there, others may be missing.
    """
    found: dict[str, dict[str, ReportRow]] = {}
    for metric, rows in reports.items():
        for task in dict.fromkeys(row.key["task"] for row in rows):
            decisive = tiles.decisive([row for row in rows if row.key["task"] == task])
            if decisive is not None:
                found.setdefault(task, {})[metric] = decisive
    ordered = sorted(found.items(), key=lambda item: -(item[1]["cost"].value or 0) if "cost" in item[1] else 0)
    return pd.DataFrame([_task_class(task, by_metric) for task, by_metric in ordered], columns=list(TASK_CLASS_COLUMNS))


def _task_class(task: str | None, by_metric: Mapping[str, ReportRow]) -> dict[str, Any]:
    cost, ttr = by_metric.get("cost"), by_metric.get("ttr")
    values = {metric: row.value for metric, row in by_metric.items()}
    return {
        "Task class": task or "unknown",
        "Requests": cost.detail["requests"] if cost else None,
        "Cost": values.get("cost"),
        "Thinking": 100 * cost.detail["thinking_usd"] / cost.value if cost and cost.value else None,
        "CPQ": values.get("cpq"),
        "TTR": values.get("ttr"),
        "p95": ttr.detail.get("p95") if ttr else None,
        "EscR": _hundredfold(values.get("escr")),
        "VRate": _hundredfold(values.get("vrate")),
        "What stands out": " · ".join(_stands_out(by_metric)),
    }


def _stands_out(by_metric: Mapping[str, ReportRow]) -> list[str]:
    """What a row says that is out of the ordinary: past a target with its whole interval, or not known."""
    said = []
    escr, vrate = by_metric.get("escr"), by_metric.get("vrate")
    if escr is not None and escr.low is not None and escr.low > escr.detail["target"]:
        said.append(f"EscR above {wording.percent(escr.detail['target'])}")
    if vrate is not None and vrate.high is not None and vrate.high < vrate.detail["target"]:
        said.append(f"VRate below {wording.percent(vrate.detail['target'])}")
    if (cpq := by_metric.get("cpq")) is not None and cpq.state in _GAINS:
        said.append(_GAINS[cpq.state])
    cost = by_metric.get("cost")
    if cost is not None and cost.detail["unpriced_token_share"] >= 0.005:
        said.append(f"{rate(cost.detail['unpriced_token_share'])} of tokens unpriced")
    names = {"cpq": "CPQ", "ttr": "TTR", "escr": "EscR", "vrate": "VRate"}
    short = [
        name
        for metric, name in names.items()
        if metric in by_metric and by_metric[metric].state is State.INSUFFICIENT_DATA
    ]
    if short:
        said.append(f"not enough data for {', '.join(short)}")
    return said


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


def tiers(request: Row) -> str:
    """The way of a request through the tiers: `tier 1`, `tier 1 → 3`."""
    first, final = request["first_tier"], request["final_tier"]
    if first is None:
        return "no tier"
    return f"tier {first}" if final in (None, first) else f"tier {first} → {final}"


def requests(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a request."""
    return pd.DataFrame(
        {
            "Time": [row["time"] for row in rows],
            "Request": [row["request_id"] for row in rows],
            "Task class": [row["task"] for row in rows],
            "Tiers": [tiers(row).removeprefix("tier ") for row in rows],
            "Model": [row["final_model"] for row in rows],
            "Thinking tokens": _integers(row["thinking_tokens"] for row in rows),
            "Cost": [row["cost_usd"] + row["verifier_cost_usd"] for row in rows],
            "Took": [(row["end_time"] - row["time"]).total_seconds() for row in rows],
            "Verdict": [_PASS[row["verdict_passed"]] for row in rows],
            "Label": [_CORRECT[row["correct"]] for row in rows],
            "User": [row["user_id"] or None for row in rows],
        }
    )


def coloured(rows: pd.DataFrame, columns: Sequence[str], palette: Palette) -> Styler:
    """The same table, what went well and what did not in the colours of that."""
    colours = {"✓": f"color: {palette.good}", "✕": f"color: {palette.bad}"}
    return rows.style.map(lambda cell: colours.get(str(cell)[:1], ""), subset=list(columns))


def request_columns(rows: Sequence[Row], zone: str) -> dict[str, Any]:
    """Formats of the columns of `requests`; the longest bar is the request that thought most."""
    most = max((row["thinking_tokens"] or 0 for row in rows), default=0)
    return {
        "Time": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", timezone=zone),
        "Thinking tokens": st.column_config.ProgressColumn(format="localized", min_value=0, max_value=max(most, 1)),
        "Cost": _number(format="$%.4f"),
        "Took": _number(format="%.1f s"),
    }


def runaways(found: Sequence[Runaway]) -> pd.DataFrame:
    """A row a runaway."""
    return pd.DataFrame(
        {
            "Time": [one.began for one in found],
            "Request": [one.request_id for one in found],
            "Task class": [one.task for one in found],
            "Model": [one.model for one in found],
            "Thinking tokens": [one.thinking_tokens for one in found],
            "Over the limit": [one.thinking_tokens / one.threshold_tokens for one in found],
            "Limit": [one.threshold_tokens for one in found],
            "Measured against": [_measure(one) for one in found],
            "Cost": [one.cost_usd for one in found],
        }
    )


def _measure(one: Runaway) -> str:
    if one.baseline_p95_tokens is None or not one.baseline_task:
        return "the policy's cap"
    p95, n = tokens(one.baseline_p95_tokens), wording.count(one.baseline_n)
    return f"p95 {p95} of {n} requests" + (f" of {one.baseline_task}" if one.baseline_task != one.task else "")


def runaway_columns(zone: str) -> dict[str, Any]:
    """Formats of the columns of `runaways`."""
    return {
        "Time": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", timezone=zone),
        "Thinking tokens": _number(format="%,.0f"),
        "Over the limit": _number(format="%.2f x", help="Its thinking tokens in multiples of what had to be exceeded"),
        "Limit": _number(format="%,.0f", help="Thinking tokens above which a request of this class is a runaway"),
        "Cost": _number(format="$%.2f"),
    }


CALL_COLUMNS: Final[dict[str, Any]] = {
    name: _number(format="localized") for name in ("Input", "Cached", "Thinking", "Answer", "Budget")
} | {"Cost": _number(format="$%.6f"), "Took": _number(format="%.1f s")}
"""Formats of the columns of `calls`; tokens, USD and seconds."""


def calls(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a call."""
    return pd.DataFrame(
        {
            "Attempt": [row["attempt"] for row in rows],
            "Role": [row["role"] for row in rows],
            "Provider": [row["provider"] for row in rows],
            "Model": [row["model"] for row in rows],
            "Input": _integers(row["input_tokens"] for row in rows),
            "Cached": _integers(row["cache_read_tokens"] for row in rows),
            "Thinking": _integers(row["thinking_tokens"] for row in rows),
            "Known by": [row["thinking_source"] for row in rows],
            "Answer": _integers(row["answer_tokens"] for row in rows),
            "Budget": _integers(row["budget_tokens"] for row in rows),
            "Cost": pd.Series([row["cost_usd"] for row in rows], dtype="Float64"),
            "Priced": [row["cost_source"] for row in rows],
            "Took": [row["duration_ms"] / 1e3 for row in rows],
            "Ended": [row["error_type"] or row["finish_reason"] for row in rows],
        }
    )


def verdicts(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a verdict, the newest last."""
    return pd.DataFrame(
        {
            "Time": [row["time"] for row in rows],
            "Attempt": _integers(row["attempt"] or None for row in rows),
            "Verifier": [" ".join(filter(None, (row["name"], row["version"]))) for row in rows],
            "Verdict": [_PASS[row["outcome"]] for row in rows],
            "Score": pd.Series([row["score"] for row in rows], dtype="Float64"),
            "Threshold": pd.Series([row["threshold"] for row in rows], dtype="Float64"),
        }
    )


def labels(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a label, the newest last."""
    return pd.DataFrame(
        {
            "Time": [row["time"] for row in rows],
            "Attempt": _integers(row["attempt"] or None for row in rows),
            "Label": [_CORRECT[row["outcome"]] for row in rows],
            "Source": [row["source"] for row in rows],
            "By": [row["labeler"] or None for row in rows],
            "Explanation": [row["explanation"] or None for row in rows],
        }
    )


def evaluation_columns(zone: str) -> dict[str, Any]:
    """Formats of the columns of `verdicts` and `labels`."""
    return {
        "Time": st.column_config.DatetimeColumn(format="D MMM HH:mm:ss", timezone=zone),
        "Attempt": _number(help="Empty: the final one, whichever that is", width="small"),
        "Score": _number(format="%.3f"),
        "Threshold": _number(format="%.3f"),
    }


def _integers(values: Iterable[int | None]) -> "pd.Series[Any]":
    """Whole numbers that may be unknown, and are not turned into fractions by that."""
    return pd.Series(list(values), dtype="Int64")
