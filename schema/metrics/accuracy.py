"""Accuracy: the share of labelled requests whose final answer is correct."""

from typing import Any

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import weighted_share
from thinkmeter.schema.policy import Policy


def accuracy(cells: Cells, policy: Policy) -> Estimate:
    """Accuracy of one group of requests, weighted by label-sampling probability, with Wilson's interval.

    Args:
        cells: rows of `accuracy.sql`.
        policy: of the task class: `min_labels`.

    Returns:
        `n` is the number of labelled requests.
    """
    settled = cells.where(cells["settled"])
    labelled = settled.where(settled["is_correct"] >= 0)
    n, requests = labelled.count("requests"), settled.count("requests")
    detail: dict[str, Any] = {
        "requests": requests,
        "open_requests": cells.count("requests") - requests,
        "labelled_share": n / requests if requests else 0.0,
        "estimated": bool((settled["weight"] != 1).any()),
    }
    if n < policy.min_labels:
        return Estimate.insufficient(n, f"{n} of {policy.min_labels} labels", detail)
    weights = labelled["weight"] / labelled["label_probability"]
    share, (low, high) = weighted_share(labelled["is_correct"], labelled["requests"], weights)
    return Estimate(share, low, high, n, State.OK, detail)
