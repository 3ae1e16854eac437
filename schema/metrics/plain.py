"""Arithmetic for metrics that are a share, a mean or a total: their SQL file says which, and needs no code."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import mean_interval, weighted_mean, weighted_share
from thinkmeter.schema.policy import Policy


def share(cells: Cells, policy: Policy) -> Estimate:
    """Share of items whose `value` is 1, with Wilson's interval.

    Args:
        cells: rows with `value` (0 or 1; -1: not known), `items` and `weight`.
        policy: of the task class: `min_requests`.
    """
    known, detail = _known(cells)
    n = detail["known"]
    if n < policy.min_requests:
        return Estimate.insufficient(n, f"{n} of {policy.min_requests} items that are known", detail)
    found, (low, high) = weighted_share(known["value"], known["items"], known["weight"])
    return Estimate(found, low, high, n, State.OK, detail)


def mean(cells: Cells, policy: Policy) -> Estimate:
    """Mean of `value` over items, with a bootstrap interval.

    Args:
        cells: rows with `value` (0 or more; -1: not known), `items` and `weight`.
        policy: of the task class: `min_requests`.
    """
    known, detail = _known(cells)
    n = detail["known"]
    if n < policy.min_requests:
        return Estimate.insufficient(n, f"{n} of {policy.min_requests} items that are known", detail)
    columns = known["value"], known["items"], known["weight"]
    low, high = mean_interval(*columns)
    return Estimate(weighted_mean(*columns), low, high, n, State.OK, detail)


def total(cells: Cells, _: Policy) -> Estimate:
    """Sum of `value` over items, each by its weight; it is counted, so that it has no interval.

    Args:
        cells: rows with `value` (0 or more; -1: not known), `items` and `weight`.
    """
    known, detail = _known(cells)
    if not detail["known"]:
        return Estimate.insufficient(0, "nothing is known", detail)
    found = float(known["value"] @ (known["items"] * known["weight"]))
    return Estimate(found, None, None, detail["known"], State.OK, detail)


def _known(cells: Cells) -> tuple[Cells, dict[str, Any]]:
    known = cells.where(cells["value"] >= 0)
    items = cells.count("items")
    detail = {
        "items": items,
        "known": known.count("items"),
        "unknown": items - known.count("items"),
        "estimated": bool((cells["weight"] != 1).any()),
    }
    return known, detail


PLAIN: Final[Mapping[str, Callable[[Cells, Policy], Estimate]]] = {"share": share, "mean": mean, "total": total}
"""What `-- estimate:` in the head of a metric's file may name."""
