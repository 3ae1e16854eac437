"""Runaways: requests that thought far more than their class, each with what it was judged by."""

from typing import Any

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.policy import Policy


def runaways(cells: Cells, _: Policy) -> Estimate:
    """Thinking tokens of one request that ran away, as last known.

    Args:
        cells: the row of `runaways.sql` of that request.

    Returns:
        `n` is the number of requests that the baseline was made of; 0 where the policy's cap was the threshold.
        `detail` has all that the threshold was made of: max(p95_factor x baseline_bound, floor_tokens), or cap_tokens.
    """
    row = {
        name: column[0].item() if hasattr(column[0], "item") else column[0] for name, column in cells.columns.items()
    }
    capped = row["baseline_task"] == ""
    detail: dict[str, Any] = {
        "threshold_tokens": row["threshold_tokens"],
        "times_threshold": row["used_tokens"] / row["threshold_tokens"] if row["threshold_tokens"] else None,
        "baseline_task": None if capped else row["baseline_task"],
        "baseline_n": row["baseline_n"],
        "baseline_p95": _known(row["baseline_p95"]),
        "baseline_bound": _known(row["baseline_bound"]),
        "baseline_since": None if capped else row["baseline_since"],
        "baseline_until": None if capped else row["baseline_until"],
        "p95_factor": row["p95_factor"],
        "floor_tokens": row["floor_tokens"],
        "cap_tokens": _known(row["cap_tokens"]),
        "began": row["began"],
        "fired": row["fired"],
        "alert_state": row["newest_state"],
        "model": row["model_name"],
        "cost_usd": row["used_usd"],
        # then the request thought at least as much as is said
        "unknown_calls": row["unknown_calls"],
        "requests": row["group_requests"],
    }
    return Estimate(row["used_tokens"], None, None, int(row["baseline_n"]), State.OK, detail)


def _known(number: float) -> float | None:
    return number if number >= 0 else None
