"""Routing: what tiers save over sending all requests to one, and whether they enter at the tier that they need."""

import math
from statistics import NormalDist
from typing import Any, Final

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import CONFIDENCE, effective_size, weighted_mean, weighted_share, wilson
from thinkmeter.schema.policy import Policy

TIERS: Final = (1, 2, 3)


def routing(cells: Cells, policy: Policy) -> Estimate:
    """What one group's requests cost less than if each had gone to tier 3 at once, in USD a request.

    A request sent to a tier is taken to cost the mean of the class's attempts there: those that reach tier 3 are the
    harder ones, so that the saving is overstated. The interval is that of a difference of two means (Welch).

    Args:
        cells: rows of `routing.sql`.
        policy: of the task class: `min_requests`, `min_labels`.

    Returns:
        `n` is the number of requests whose cost is known. `detail` has the window's cost as it was, with all at each
        tier, each tier's accuracy, and for requests that entered at a tier the tier that they turned out to need.
    """
    settled = cells.where(cells["settled"])
    requests, n = settled.where(settled["ends"]).count("attempts"), settled.count("costed_requests")
    actual = _mean(settled, "request_usd", "costed_requests")
    means = {tier: _mean(settled.where(settled["at_tier"] == tier), "attempt_usd", "costed_attempts") for tier in TIERS}
    whole = float(settled["costed_requests"] @ settled["weight"])
    detail: dict[str, Any] = {
        "requests": requests,
        "open_requests": cells.where(cells["ends"]).count("attempts") - requests,
        "estimated": bool((settled["weight"] != 1).any()),
        "uncosted_requests": requests - n,
        "cost_usd": None if actual is None else actual[0] * whole,
        "cost_per_request_usd": None if actual is None else actual[0],
    }
    for tier in TIERS:
        mine = settled.where(settled["at_tier"] == tier)
        known = means[tier] if mine.count("costed_attempts") >= policy.min_requests else None
        detail |= {
            f"tier_{tier}_attempts": mine.count("attempts"),
            f"tier_{tier}_cost_per_attempt_usd": None if known is None else known[0],
            f"all_tier_{tier}_usd": None if known is None else known[0] * whole,
        }
    detail |= {"accuracy_by_tier": _accuracies(settled), "calibration": _calibration(settled)}
    if n < policy.min_requests:
        return Estimate.insufficient(n, f"{n} of {policy.min_requests} requests whose cost is known", detail)
    top = settled.where(settled["at_tier"] == TIERS[-1]).count("costed_attempts")
    if actual is None or means[3] is None or top < policy.min_requests:
        return Estimate.insufficient(
            n, f"{top} of {policy.min_requests} attempts at tier 3 whose cost is known", detail
        )
    saving = means[3][0] - actual[0]
    half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * math.sqrt(means[3][1] + actual[1])
    detail["saved_usd"] = saving * whole
    return Estimate(saving, saving - half, saving + half, n, State.OK, {**detail, "confounded": True})


def _mean(cells: Cells, amount: str, count: str) -> tuple[float, float] | None:
    """Weighted mean of an amount, and the variance of that mean."""
    weights, counts = cells["weight"], cells[count]
    mass = float(counts @ weights)
    if not mass:
        return None
    mean = float(cells[amount] @ weights) / mass
    square = float(cells[f"{amount}_squared"] @ weights) / mass
    return mean, max(square - mean**2, 0.0) / max(effective_size(counts, weights) - 1, 1.0)


def _accuracies(settled: Cells) -> list[dict[str, Any]]:
    """Share of labelled attempts at each tier that are correct."""
    found = []
    for tier in TIERS:
        mine = settled.where((settled["at_tier"] == tier) & (settled["is_correct"] >= 0))
        n = mine.count("attempts")
        if n:
            weights = mine["weight"] / mine["own_probability"]
            share, (low, high) = weighted_share(mine["is_correct"], mine["attempts"], weights)
            found.append({"tier": tier, "correct": share, "low": low, "high": high, "n": n})
    return found


def _calibration(settled: Cells) -> list[dict[str, Any]]:
    """For each tier at which requests enter: how many were right there, needed a higher one, or were right nowhere.

    Whether a lower tier would have done is not seen, where none was tried.
    """
    found = []
    for entry in TIERS:
        mine = settled.where(settled["ends"].astype(bool) & (settled["entry"] == entry) & (settled["needed_tier"] >= 0))
        n = mine.count("attempts")
        if not n:
            continue
        weights = mine["weight"] / mine["probability"]
        size = effective_size(mine["attempts"], weights)
        told: dict[str, Any] = {"entry_tier": entry, "n": n}
        shares = {
            "right_there": mine["needed_tier"] == entry,
            "needed_higher": mine["needed_tier"] > entry,
            "right_nowhere": mine["needed_tier"] == 0,
        }
        for name, chosen in shares.items():
            told[name] = weighted_mean(chosen, mine["attempts"], weights)
        low, high = wilson(told["right_there"], size)
        found.append({**told, "low": low, "high": high})
    return found
