"""Latency of calls, up to the first chunk, the first token of the answer and the end."""

from typing import Any, Final

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import Ranked, weighted_mean
from thinkmeter.schema.policy import Policy

FIRST_CHUNK: Final = "first chunk"


def latency(cells: Cells, policy: Policy) -> Estimate:
    """95th percentile of one latency of answering calls that did not fail, in milliseconds to three digits.

    Args:
        cells: rows of `latency.sql`.
        policy: of the task class: `min_requests`, `ttft_target_ms`, which is held against the first chunk.

    Returns:
        `n` is the number of calls that tell it; the interval is made of order statistics.
    """
    told = cells.where(cells["ms"] >= 0)
    n, calls = told.count("calls"), cells.count("calls")
    target = policy.ttft_target_ms if str(cells["measure_name"][0]) == FIRST_CHUNK else None
    detail: dict[str, Any] = {"calls": calls, "untold_calls": calls - n, "target_ms": target, "within_target": None}
    detail["estimated"] = bool((told["weight"] != 1).any())
    if n < policy.min_requests:
        return Estimate.insufficient(n, f"{n} of {policy.min_requests} calls that tell it", detail)
    columns = told["ms"], told["calls"], told["weight"]
    ranked = Ranked.of(*columns)
    low, high = ranked.interval(0.50)
    detail |= {"p50": ranked.quantile(0.50), "p50_low": low, "p50_high": high}
    if target is not None:
        detail["within_target"] = weighted_mean(told["ms"] <= target, *columns[1:])
    low, high = ranked.interval(0.95)
    return Estimate(ranked.quantile(0.95), low, high, n, State.OK, detail)
