"""Overthinking: accuracy by how long attempts thought, and what was spent past the length that helps."""

import dataclasses
from typing import Any, Final, Self

import numpy as np

from thinkmeter.schema.metrics import statistics
from thinkmeter.schema.metrics.cells import Cells, Column
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import (
    DRAWS,
    dot,
    percentile_interval,
    resampled_means,
    weighted_mean,
    weighted_share,
    wilson,
)
from thinkmeter.schema.policy import Policy

PIECES: Final = 8
"""Of all draws, one after the other, so that each stays in the processor's caches."""
MIN_IN_BIN: Final = 10
"""So many labels a length needs to take part in the search for the knee."""
MIN_BINS: Final = 3


@dataclasses.dataclass(frozen=True, slots=True)
class _Curve:
    """Accuracy by length, over the lengths with enough labels, the shortest first."""

    bins: Column
    kinds: Cells
    """Labelled attempts of those lengths."""

    @classmethod
    def of(cls, labelled: Cells) -> Self:
        bins = np.unique(labelled["length_bin"])
        sizes = np.array([labelled.where(labelled["length_bin"] == one).count("attempts") for one in bins])
        enough = bins[sizes >= MIN_IN_BIN]
        return cls(enough, labelled.where(np.isin(labelled["length_bin"], enough)))

    def knees(self, counts: Column) -> Column:
        """Knee of each draw; `counts` says how many attempts of each kind it has, a row a draw."""
        weights, correct = _weights(self.kinds), self.kinds["is_correct"]
        order = np.argsort(self.kinds["length_bin"], kind="stable")
        begins = np.searchsorted(self.kinds["length_bin"][order], self.bins)
        drawn = counts[:, order]
        mass, squares, right = (
            np.add.reduceat(drawn * of[order], begins, axis=1) for of in (weights, weights**2, weights * correct)
        )
        # a length of which a draw has none says nothing, and takes no part
        mass = np.maximum(mass, 1e-9)
        found: Column = self.bins[_knees(right / mass, mass, squares)]
        return found


def _knees(share: Column, mass: Column, squares: Column) -> Column:
    """Position of the knee of each row: accuracy by length, the shortest first, rising to a top and falling from it."""
    rising, falling = _rising(share, mass), _rising(share[:, ::-1], mass[:, ::-1])
    rows, bins = share.shape
    misfits = np.stack(
        [
            (mass[:, : top + 1] * (share[:, : top + 1] - rising[top]) ** 2).sum(axis=1)
            + (mass[:, top + 1 :] * (share[:, top + 1 :] - falling[bins - 2 - top][:, ::-1]) ** 2).sum(axis=1)
            if top + 1 < bins
            else (mass * (share - rising[top]) ** 2).sum(axis=1)
            for top in range(bins)
        ]
    )
    tops = np.argmin(misfits - 1e-12 * np.arange(bins)[:, None], axis=0)
    padded = np.stack([np.pad(fit, ((0, 0), (0, bins - fit.shape[1])), constant_values=-1.0) for fit in rising])
    fitted = padded[tops, np.arange(rows)]
    level = fitted.max(axis=1)
    at_top = fitted >= level[:, None] - 1e-12
    size = (mass * at_top).sum(axis=1) ** 2 / np.maximum((squares * at_top).sum(axis=1), 1e-18)
    # a mean of ones may come out a little above one
    error = np.sqrt(np.clip(level * (1 - level), 0, None) / size)
    found: Column = np.argmax(fitted >= (level - error)[:, None] - 1e-12, axis=1)
    return found


def _rising(share: Column, mass: Column) -> list[Column]:
    """For each number of bins, the weighted least-squares fit to the first so many that never falls, a row a draw.

    By the min-max formula of isotonic regression (Robertson, Wright and Dykstra, "Order Restricted Statistical
    Inference", 1988, theorem 1.4.4).
    """
    # draws last: they are many, and lie side by side
    begin = ((1, 0), (0, 0))
    sums, masses = np.pad(np.cumsum((share * mass).T, axis=0), begin), np.pad(np.cumsum(mass.T, axis=0), begin)
    bins = share.shape[1]
    upper = np.triu(np.ones((bins, bins), bool))[:, :, None]
    spread = np.where(upper, masses[None, 1:] - masses[:-1, None], 1.0)
    means = (sums[None, 1:] - sums[:-1, None]) / spread
    least = np.where(upper, np.inf, -np.inf) * np.ones(means.shape)
    fits = []
    for last in range(bins):
        # of the means from each bin on, the least of those that end between another one and the last
        ended = slice(last + 1)
        least[ended, ended] = np.minimum(least[ended, ended], means[ended, last, None])
        fits.append(least[ended, ended].max(axis=0).T)
    return fits


def overthinking(cells: Cells, policy: Policy) -> Estimate:
    """Share of a group's thinking tokens that lie past the knee of accuracy over length.

    Accuracy over length, in powers of two, is fitted by a curve that rises to a top and falls from it, so that one
    lucky length makes no knee. The knee is the shortest length at which that curve is within one standard error of its
    top (the rule of Breiman et al., "Classification and Regression Trees", 1984, 3.4.3). An attempt that thought longer
    than the knee's length wasted what lies above it; that length is the suggested cap. Attempts without thinking take
    no part in it, being mostly easy ones: whether thinking pays at all is what the comparison within requests tells.

    Args:
        cells: rows of `overthinking.sql`.
        policy: of the task class: `min_labels`.

    Returns:
        `n` is the number of labelled attempts that thought. The interval comes from drawing those again, so
        it holds how uncertain the knee is; it reaches 0 where there may be none, and the state is then `inconclusive`.
        `detail` has the curve, the knee, the cap, the comparison within requests, budget use and token efficiency.
    """
    settled = cells.where(cells["settled"])
    known = settled.where(settled["length_bin"] >= 0)
    labelled = known.where(known["is_correct"] >= 0)
    thought = labelled.where(labelled["length_bin"] > 0)
    n = thought.count("attempts")
    curve = _Curve.of(thought)
    detail: dict[str, Any] = {
        "attempts": settled.count("attempts"),
        "open_attempts": cells.count("attempts") - settled.count("attempts"),
        "left_out_share": _over(settled.count("attempts") - known.count("attempts"), settled.count("attempts")) or 0.0,
        "estimated": bool((settled["weight"] != 1).any()),
        "thinking_tokens": known.count("thinking"),
        "thinking_usd": known.total("thinking_usd"),
        "bins": _bins(known),
        **_within(labelled, policy.min_labels),
        **_budgets(settled),
        **_efficiency(settled, policy.min_labels),
    }
    if n < policy.min_labels:
        return Estimate.insufficient(n, f"{n} of {policy.min_labels} labelled attempts that thought", detail)
    if len(curve.bins) < MIN_BINS:
        reason = f"{len(curve.bins)} of {MIN_BINS} lengths with {MIN_IN_BIN} labels each"
        return Estimate.insufficient(n, reason, detail)
    total = dot(known["thinking"], known["weight"])
    if not total:
        return Estimate.insufficient(n, "no thinking", detail)
    counts = curve.kinds["attempts"]
    [knee] = curve.knees(counts[None, :])
    size = int(counts.sum())
    draws = np.random.default_rng(statistics.SEED).multinomial(size, counts / size, size=DRAWS)
    knees = np.concatenate([curve.knees(some) for some in np.array_split(draws, PIECES)])
    wasted = {one: _past(known, one) / total for one in (*curve.bins, knee)}
    low, high = percentile_interval(np.array([wasted[one] for one in knees]), wasted[knee])
    first, last = (int(np.percentile(knees, at, method="nearest")) for at in (2.5, 97.5))
    detail |= {
        "confounded": True,  # hard tasks think longer
        "knee_from_tokens": _begin(knee),
        "suggested_cap_tokens": _end(knee),
        "suggested_cap_low_tokens": min(_end(first), _end(knee)),
        "suggested_cap_high_tokens": max(_end(last), _end(knee)),
        "wasted_tokens": wasted[knee] * total,
        # at what a token of thinking cost on average
        "wasted_usd": wasted[knee] * dot(known["thinking_usd"], known["weight"]),
    }
    if low is not None and low <= 0:
        return Estimate(wasted[knee], 0.0, None, n, State.INCONCLUSIVE, {**detail, "waste_high": high})
    return Estimate(wasted[knee], low, high, n, State.OK, detail)


def _begin(length_bin: int) -> int:
    return 0 if length_bin == 0 else 2 ** (int(length_bin) - 1)


def _end(length_bin: int) -> int:
    """First length above the bin."""
    return 0 if length_bin == 0 else int(2 ** int(length_bin))


def _past(known: Cells, knee: int) -> float:
    """Tokens above the end of the knee's bin; longer bins lie above it whole."""
    longer = known.where(known["length_bin"] > knee)
    return dot(longer["thinking"] - longer["attempts"] * _end(knee), longer["weight"])


def _bins(known: Cells) -> list[dict[str, Any]]:
    """Accuracy of each length with its Wilson band."""
    found = []
    for one in np.unique(known["length_bin"]):
        mine = known.where(known["length_bin"] == one)
        labelled = mine.where(mine["is_correct"] >= 0)
        told: dict[str, Any] = {
            "from_tokens": _begin(one),
            "below_tokens": max(_end(one), 1),
            "attempts": mine.count("attempts"),
            "thinking_tokens": mine.count("thinking"),
            "n": labelled.count("attempts"),
            **dict.fromkeys(("correct", "low", "high")),
        }
        if len(labelled):
            weights = _weights(labelled)
            share, (low, high) = weighted_share(labelled["is_correct"], labelled["attempts"], weights)
            told |= {"correct": share, "low": low, "high": high}
        found.append(told)
    return found


def _within(labelled: Cells, min_labels: int) -> dict[str, Any]:
    """Attempts with thinking against attempts without it of the same requests."""
    pairs = labelled.where(labelled["was_correct"] >= 0)
    n = pairs.count("attempts")
    names = ("accuracy_without", "accuracy_with", "gain_pp", "gain_low_pp", "gain_high_pp")
    detail: dict[str, Any] = {"within_n": n, "within_state": State.INSUFFICIENT_DATA.value}
    detail |= dict.fromkeys(f"within_{name}" for name in names)
    if n < min_labels:
        return detail
    weights = pairs["weight"] / pairs["pair_probability"]
    columns = pairs["attempts"], weights
    gains = pairs["is_correct"] - pairs["was_correct"]
    gain = weighted_mean(gains, *columns)
    draws = resampled_means(gains, *columns, np.random.default_rng(statistics.SEED))
    low, high = percentile_interval(draws, gain)
    assert low is not None
    assert high is not None
    state = State.OK if low > 0 else State.INCONCLUSIVE if gain > 0 else State.WORSE if high < 0 else State.NO_GAIN
    values = (
        weighted_mean(pairs["was_correct"], *columns),
        weighted_mean(pairs["is_correct"], *columns),
        100 * gain,
        100 * low,
        100 * high,
    )
    return {**detail, "within_state": state.value, **{f"within_{k}": v for k, v in zip(names, values, strict=True)}}


def _budgets(settled: Cells) -> dict[str, Any]:
    """How much of the budgets that were asked for was used, and how often all of it."""
    calls, capped = settled.count("budgeted_calls"), settled.count("capped_calls")
    detail: dict[str, Any] = {"budgeted_calls": calls, "budget_use": _over(settled.total("budget_use"), calls)}
    low, high = wilson(capped / calls, calls) if calls else (None, None)
    return {**detail, "capped_share": _over(capped, calls), "capped_low": low, "capped_high": high}


def _efficiency(settled: Cells, min_labels: int) -> dict[str, Any]:
    """Output tokens per correct answer, and E3 = accuracy^2 / mean output tokens, over labelled requests.

    The mean number of tokens is taken as it is; intervals are those of accuracy.
    """
    names = ("tokens_per_correct", "e3")
    ends = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    finals = settled.where((settled["is_correct"] >= 0) & (settled["counted_requests"] > 0))
    n, weights = finals.count("counted_requests"), _weights(finals)
    detail: dict[str, Any] = {"efficiency_n": n, **dict.fromkeys(ends)}
    if n < min_labels:
        return detail
    mean = float(finals["request_tokens"] @ weights) / float(finals["counted_requests"] @ weights)
    share, (low, high) = weighted_share(finals["is_correct"], finals["counted_requests"], weights)
    assert low is not None
    assert high is not None
    if mean > 0:
        detail |= {"e3": share**2 / mean, "e3_low": low**2 / mean, "e3_high": high**2 / mean}
    detail |= {name: _over(mean, by) for name, by in zip(ends[:3], (share, high, low), strict=True)}
    return detail


def _weights(cells: Cells) -> Column:
    return cells["weight"] / cells["label_probability"]


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
