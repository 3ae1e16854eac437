"""Cost per quality point."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.demo.reference.cost import cost
from tests.demo.reference.intervals import OWN_DRAWS, Band, bands, resamples, wilson
from tests.demo.reference.truth import Request

MIN_LABELS = 30
MIN_THINKING_LABELS = 10


@dataclasses.dataclass(frozen=True)
class Cpq:
    """`low`, `high` are of the improvement, as shares; the value's are `thinking_cost_usd` over them."""

    baseline_kind: str
    n: int
    population: int
    thinking_cost_usd: float
    cost_per_request_usd: float
    accuracy: float
    baseline: float
    low: Band
    high: Band

    @property
    def improvement(self) -> float:
        return self.accuracy - self.baseline

    @property
    def value(self) -> float:
        return self.thinking_cost_usd / (100 * self.improvement)

    @property
    def per_extra_correct_usd(self) -> float:
        return self.thinking_cost_usd / self.population / self.improvement


def cpq(requests: Sequence[Request], pinned: float | None = None) -> Cpq | None:
    """Thinking cost over the accuracy gained on the baseline; None where no baseline is available."""
    if pinned is not None:
        return _pinned(requests, pinned)
    return _paired(requests) or _unpaired(requests)


def _spent(population: Sequence[Request]) -> tuple[float, float]:
    """USD of the known thinking of every answering call, and of everything per request, verifiers apart."""
    spent = cost(c for r in population for c in r.answers)
    return spent.thinking, spent.total / len(population)


def _accuracy(labelled: Sequence[tuple[float, float]]) -> float:
    return sum(w * right for w, right in labelled) / sum(w for w, _ in labelled)


def _weighted(labelled: Sequence[Request]) -> list[tuple[float, float]]:
    return [(r.final.weight, float(bool(r.final.label))) for r in labelled]


def _resampled(strata: Sequence[Sequence[tuple[float, float]]], shares: Sequence[float], seed: int) -> Any:
    """Draws of a stratified weighted mean."""
    total = np.zeros(OWN_DRAWS)
    for number, (stratum, share) in enumerate(zip(strata, shares, strict=True)):
        weights, weighed = np.transpose([(w, w * right) for w, right in stratum])
        drawn = [
            weighed[places].sum(axis=1) / weights[places].sum(axis=1)
            for places in resamples(len(stratum), 10 * seed + number)
        ]
        total += share * np.concatenate(drawn)
    return total


def _wilson(labelled: Sequence[tuple[float, float]]) -> tuple[float, float]:
    n = sum(w for w, _ in labelled) ** 2 / sum(w * w for w, _ in labelled)
    return wilson(_accuracy(labelled) * n, n)


def _widened(drawn: tuple[Band, Band], least: float, most: float) -> tuple[Band, Band]:
    """Bounds that are no nearer to each other than these."""
    low, high = drawn
    return Band(min(low.least, least), min(low.most, least)), Band(max(high.least, most), max(high.most, most))


def _pinned(requests: Sequence[Request], baseline: float) -> Cpq | None:
    labelled = [r for r in requests if r.final.label is not None]
    if len(labelled) < MIN_LABELS:
        return None
    rows = _weighted(labelled)
    least, most = _wilson(rows)
    low, high = _widened(bands(_resampled([rows], [1.0], seed=2) - baseline), least - baseline, most - baseline)
    spent = _spent(requests)
    return Cpq("pinned", len(labelled), len(requests), *spent, _accuracy(rows), baseline, low, high)


def _paired(requests: Sequence[Request]) -> Cpq | None:
    population = [r for r in requests if r.first.thinking_tokens == 0]
    labelled = [r for r in population if r.first.label is not None and r.final.label is not None]
    thought = [r for r in labelled if (r.final.thinking_tokens or 0) > 0]
    if len(labelled) < MIN_LABELS or len(thought) < MIN_THINKING_LABELS:
        return None
    accuracy = baseline = 0.0
    strata, shares = [], []
    for escalated in (False, True):
        members = [r for r in population if r.escalated is escalated]
        mine = [r for r in labelled if r.escalated is escalated]
        if members and not mine:
            return None
        if not members:
            continue
        share = len(members) / len(population)
        before = [(r.final.weight, float(bool(r.first.label))) for r in mine]
        accuracy += share * _accuracy(_weighted(mine))
        baseline += share * _accuracy(before)
        strata.append([(w, after - first) for (w, after), (_, first) in zip(_weighted(mine), before, strict=True)])
        shares.append(share)
    low, high = bands(_resampled(strata, shares, seed=3))
    spent = _spent(population)
    return Cpq("paired", len(labelled), len(population), *spent, accuracy, baseline, low, high)


def _unpaired(requests: Sequence[Request]) -> Cpq | None:
    labelled = [r for r in requests if r.final.label is not None]
    thinking = [r for r in labelled if any(c.thinking_tokens for c in r.answers)]
    silent = [r for r in labelled if r.thinking_tokens == 0]
    if len(thinking) < MIN_LABELS or len(silent) < MIN_LABELS:
        return None
    after, before = _weighted(thinking), _weighted(silent)
    gained = _accuracy(after) - _accuracy(before)
    (least, most), (least_before, most_before) = _wilson(after), _wilson(before)
    # Newcombe (1998), method 10
    down = math.hypot(_accuracy(after) - least, most_before - _accuracy(before))
    up = math.hypot(most - _accuracy(after), _accuracy(before) - least_before)
    low, high = _widened(bands(_resampled([after, before], [1.0, -1.0], seed=4)), gained - down, gained + up)
    spent = _spent(requests)
    n = len(thinking) + len(silent)
    return Cpq("unpaired", n, len(requests), *spent, _accuracy(after), _accuracy(before), low, high)


def states(found: Cpq | None) -> set[str]:
    """The state of a CPQ; two where a bound of its interval is so near to 0 that the draws decide."""
    if found is None:
        return {"insufficient_data"}
    if found.improvement <= 0:
        return ({"worse"} if found.high.least < 0 else set()) | ({"no_gain"} if found.high.most >= 0 else set())
    return ({"inconclusive"} if found.low.least <= 0 else set()) | ({"ok"} if found.low.most > 0 else set())
