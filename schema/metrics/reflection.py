"""Reflection: how much of the visible thinking turns back on itself, against accuracy and length."""

from typing import Any, Final

import numpy as np

from thinkmeter.schema.metrics import statistics
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import (
    mean_interval,
    percentile_interval,
    resampled_means,
    weighted_mean,
    weighted_share,
)
from thinkmeter.schema.policy import Policy

BANDS: Final = 5
"""Of equal width, in which accuracy and length are told."""
_GAP: Final = ("right_less_wrong", "right_less_wrong_low", "right_less_wrong_high")


def reflection(cells: Cells, policy: Policy) -> Estimate:
    """Mean reflection ratio of one group of attempts, where it is sent, with accuracy and length by how high it is.

    Args:
        cells: rows of `reflection.sql`.
        policy: of the task class: `min_requests`, and `min_labels` for each side of the comparison.

    Returns:
        `n` is the number of settled attempts that tell it. `right_less_wrong` in `detail` is the mean ratio of right
        answers less that of wrong ones, with a bootstrap interval over both; `bands` has accuracy and length.
    """
    settled = cells.where(cells["settled"])
    n = settled.count("attempts")
    detail: dict[str, Any] = {
        "attempts": n,
        "open_attempts": cells.count("attempts") - n,
        "estimated": bool((settled["weight"] != 1).any()),
        "bands": _bands(settled),
        **_comparison(settled, policy.min_labels),
    }
    if n < policy.min_requests:
        return Estimate.insufficient(n, f"{n} of {policy.min_requests} attempts that tell it", detail)
    columns = settled["ratio"], settled["attempts"], settled["weight"]
    low, high = mean_interval(*columns)
    return Estimate(weighted_mean(*columns), low, high, n, State.OK, {**detail, "confounded": True})


def _bands(settled: Cells) -> list[dict[str, Any]]:
    place = np.minimum((settled["ratio"] * BANDS + 1e-9).astype(int), BANDS - 1) if len(settled) else np.array([])
    found = []
    for band in range(BANDS):
        mine = settled.where(place == band) if len(settled) else settled
        if not len(mine):
            continue
        labelled = mine.where(mine["is_correct"] >= 0)
        counted = float(mine["counted"] @ mine["weight"])
        told: dict[str, Any] = {
            "from": band / BANDS,
            "to": (band + 1) / BANDS,
            "attempts": mine.count("attempts"),
            "n": labelled.count("attempts"),
            "thinking_tokens": float(mine["tokens"] @ mine["weight"]) / counted if counted else None,
            **dict.fromkeys(("correct", "low", "high")),
        }
        if len(labelled):
            weights = labelled["weight"] / labelled["label_probability"]
            share, (low, high) = weighted_share(labelled["is_correct"], labelled["attempts"], weights)
            told |= {"correct": share, "low": low, "high": high}
        found.append(told)
    return found


def _comparison(settled: Cells, min_labels: int) -> dict[str, Any]:
    """Mean ratio of right answers less that of wrong ones; None where either side has too few labels."""
    sides = [settled.where(settled["is_correct"] == correct) for correct in (1, 0)]
    detail: dict[str, Any] = dict.fromkeys(_GAP)
    detail |= {"right": sides[0].count("attempts"), "wrong": sides[1].count("attempts")}
    if min(detail["right"], detail["wrong"]) < min_labels:
        return detail
    rng = np.random.default_rng(statistics.SEED)
    columns = [(side["ratio"], side["attempts"], side["weight"] / side["label_probability"]) for side in sides]
    gap = weighted_mean(*columns[0]) - weighted_mean(*columns[1])
    low, high = percentile_interval(resampled_means(*columns[0], rng) - resampled_means(*columns[1], rng), gap)
    return {**detail, **dict(zip(_GAP, (gap, low, high), strict=True))}
