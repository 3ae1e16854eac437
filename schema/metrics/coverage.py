"""How much of the traffic the other numbers speak of, and what is missing from the rest."""

from typing import Any

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.policy import Policy


def coverage(cells: Cells, _: Policy) -> Estimate:
    """Share of billed calls whose thinking and cost are both known; `detail` counts what is missing and why.

    Args:
        cells: rows of `coverage.sql`.

    Returns:
        `n` is the number of billed calls.
    """
    detail: dict[str, Any] = {
        name: cells.count(name) for name in cells.columns if name not in ("key", "task", "measured_calls")
    }
    tokens, unpriced = detail["tokens"], detail.pop("unpriced_tokens")
    detail["unpriced_token_share"] = unpriced / tokens if tokens else 0.0
    billed = cells.count("billed_calls")
    if not billed:
        return Estimate.insufficient(0, "no billed calls", detail)
    return Estimate(cells.count("measured_calls") / billed, None, None, billed, State.OK, detail)
