"""Verifier precision: whether what a verifier passes is correct, and how else it errs."""

import dataclasses
from typing import Any, Final, Self

import numpy as np

from thinkmeter.schema.metrics.cells import Cells, Column
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import dot, effective_size, weighted_mean, weighted_share, wilson
from thinkmeter.schema.policy import Policy

BINS: Final = 10
"""Of the reliability curve, of equal width."""
THRESHOLDS: Final = 21
"""How many rows the table of thresholds has."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """Attempts that one verifier passed or failed, with weights under which the labelled ones stand for all of them.

    Attributes:
        labelled: the labelled ones.
        mass: for each row of `labelled`, how many attempts it stands for. Passes and fails are labelled unequally
            often, so each side is weighted by its own inverse probability of being labelled.
        tier_1: all that have a score and were answered by tier 1, labelled or not.
        whole: false where one side has attempts and none of them is labelled: then nothing across both can be said.
    """

    labelled: Cells
    mass: Column
    tier_1: Cells
    whole: bool

    @classmethod
    def of(cls, cells: Cells) -> Self:
        """Weigh rows of `vrate.sql` of one verifier and version."""
        judged = cells.where(cells["passed"] >= 0)
        labelled = judged.where(judged["is_correct"] >= 0)
        mass = labelled["attempts"] * _weights(labelled)
        whole = True
        for passed in (0, 1):
            side = judged.where(judged["passed"] == passed)
            mine = labelled["passed"] == passed
            if len(side) and mine.any():
                mass[mine] *= dot(side["attempts"], side["weight"]) / mass[mine].sum()
            else:
                whole = whole and not len(side)
        tier_1 = judged.where((judged["in_tier_1"] == 1) & ~np.isnan(judged["score"]))
        return cls(labelled, mass, tier_1, whole)

    def rates(self, passed: Column) -> dict[str, float | None]:
        """Precision, recall, false-positive rate and specificity, had exactly `passed` been let through."""
        correct = self.labelled["is_correct"] == 1
        right, wrong = self.mass[correct].sum(), self.mass[~correct].sum()
        true_passes, false_passes = self.mass[correct & passed].sum(), self.mass[~correct & passed].sum()
        return {
            "precision": _ratio(true_passes, true_passes + false_passes),
            "recall": _ratio(true_passes, right) if self.whole else None,
            "false_positive_rate": _ratio(false_passes, wrong) if self.whole else None,
            "specificity": _ratio(wrong - false_passes, wrong) if self.whole else None,
        }

    def at_threshold(self, threshold: float) -> dict[str, float | None]:
        """What a threshold would have given, told apart to a thousandth: precision, recall and escalation rate."""
        scored = ~np.isnan(self.labelled["score"])
        rates = self.rates(scored & (self.labelled["score"] >= threshold - 1e-9))
        below = self.tier_1["score"] < threshold - 1e-9
        rate = weighted_mean(below, self.tier_1["attempts"], self.tier_1["weight"]) if len(self.tier_1) else None
        return {
            "threshold": threshold,
            "precision": rates["precision"] if self.whole else None,
            "recall": rates["recall"],
            "escalation_rate": rate,
        }


def verifier_precision(cells: Cells, policy: Policy) -> Estimate:
    """VRate of one verifier and version: the share of its labelled passes that are correct.

    Args:
        cells: rows of `vrate.sql`.
        policy: of the task class: `min_labels`, `precision_target`.

    Returns:
        `n` is the number of labelled passes, or of all labelled verdicts where they are too few; `detail` has the
        verifier's other rates, its reliability curve and what other thresholds would have given.
    """
    settled = cells.where(cells["settled"])
    judged = Judged.of(settled)
    passes = judged.labelled.where(judged.labelled["passed"] == 1)
    n = passes.count("attempts")
    rates = judged.rates(judged.labelled["passed"] == 1)
    detail: dict[str, Any] = {
        "open_attempts": cells.count("attempts") - settled.count("attempts"),
        "estimated": bool((settled["weight"] != 1).any()),
        "target": policy.precision_target,
        "passed": settled.where(settled["passed"] == 1).count("attempts"),
        "failed": settled.where(settled["passed"] == 0).count("attempts"),
        "undecided": settled.where(settled["passed"] < 0).count("attempts"),
        "labelled_passed": n,
        "labelled_failed": judged.labelled.where(judged.labelled["passed"] == 0).count("attempts"),
        **{name: rates[name] for name in ("recall", "false_positive_rate", "specificity")},
        **_reliability(judged),
        "thresholds": _thresholds(judged),
    }
    labelled = n + detail["labelled_failed"]
    if labelled < policy.min_labels:
        return Estimate.insufficient(labelled, f"{labelled} of {policy.min_labels} labelled verdicts", detail)
    if not n:
        return Estimate.insufficient(n, "no answer that passed is labelled", detail)
    weights = _weights(passes)
    share, (low, high) = weighted_share(passes["is_correct"], passes["attempts"], weights)
    return Estimate(share, low, high, n, State.OK, detail)


def _reliability(judged: Judged) -> dict[str, Any]:
    """Observed correctness by score, for scores that are probabilities, and how far off they are on average."""
    cells, mass = judged.labelled, judged.mass
    scored = ~np.isnan(cells["score"])
    if not judged.whole or not scored.any() or cells["score"][scored].min() < 0 or cells["score"][scored].max() > 1:
        return {"reliability": None, "expected_calibration_error": None}
    place = np.minimum((np.nan_to_num(cells["score"]) * BINS + 1e-9).astype(int), BINS - 1)
    curve, error = [], 0.0
    for position in range(BINS):
        mine = scored & (place == position)
        if not mine.any():
            continue
        attempts, correct = cells["attempts"][mine], cells["is_correct"][mine]
        share = dot(mass[mine], correct) / float(mass[mine].sum())
        score = dot(mass[mine], cells["score_sum"][mine] / attempts) / float(mass[mine].sum())
        low, high = wilson(share, effective_size(attempts, mass[mine] / attempts))
        curve.append({"score": score, "correct": share, "low": low, "high": high, "n": int(attempts.sum())})
        error += float(mass[mine].sum() / mass[scored].sum()) * abs(share - score)
    return {"reliability": curve, "expected_calibration_error": error}


def _thresholds(judged: Judged) -> list[dict[str, float | None]] | None:
    scores = judged.labelled["score"][np.isfinite(judged.labelled["score"])]
    if not len(scores):
        return None
    ends = (0.0, 1.0) if scores.min() >= 0 and scores.max() <= 1 else (float(scores.min()), float(scores.max()))
    halves = np.linspace(ends[0] / 2, ends[1] / 2, THRESHOLDS)  # the ends may lie further apart than a number reaches
    return [judged.at_threshold(round(float(2 * at), 3)) for at in halves]


def _weights(cells: Cells) -> Column:
    return cells["weight"] / cells["label_probability"]


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
