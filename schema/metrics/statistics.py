"""Intervals and quantiles over counted, weighted values; confidence is 95 % throughout.

Every function takes parallel arrays: `values`, `counts` (how many items have that value and weight) and `weights`
(of one item: 1 / probability that it was kept or chosen). With weights of 1 they are the ordinary statistics.

scipy.stats and statsmodels are loaded by the functions that need them: it takes more than a second, which a process
that computes no interval, or none yet, does not wait for.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
DRAWS: Final = 2_000
SEED: Final = 20_261_122
"""Of every bootstrap, so that the same rows give the same interval."""

_CHUNK = 30_000
"""Numbers that are drawn before they are added up: they stay in the processor's caches."""
_FINE = 300
_WIDTH = 0.1

Floats = NDArray[Any]


class Interval(NamedTuple):
    """Ends of a 95 % interval; None where the sample bounds that side at nothing."""

    low: float | None
    high: float | None


def weighted_mean(values: Floats, counts: Floats, weights: Floats) -> float:
    """Mean of the values, each item by its weight; NaN without items."""
    mass = counts * weights
    return dot(mass, values) / float(mass.sum()) if mass.sum() > 0 else float("nan")


def effective_size(counts: Floats, weights: Floats) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2 over all items."""
    squares = dot(counts, weights * weights)
    return dot(counts, weights) ** 2 / squares if squares > 0 else 0.0


def dot(one: Floats, other: Floats) -> float:
    """Sum of products. `@` hands many to threads of its own, which keep cores busy that the store wants."""
    return float((one * other).sum())


def wilson(share: float, size: float) -> Interval:
    """Wilson's interval of a share seen in `size` items, which may be an effective size."""
    return Interval(*_wilson(share, size))


def _wilson(share: float, size: float) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(share * size, size, alpha=1 - CONFIDENCE, method="wilson")
    return min(float(low), share), max(float(high), share)


def weighted_share(hits: Floats, counts: Floats, weights: Floats) -> tuple[float, Interval]:
    """Share of items that are hits (1, others 0), by weight, with Wilson's interval on the effective size."""
    share = weighted_mean(hits, counts, weights)
    return share, wilson(share, effective_size(counts, weights))


def score_interval(parts: Iterable[tuple[float, float, float]]) -> Interval:
    """Interval of a sum of factor * share, each share seen in `size` items: Wilson's limits, joined.

    Of one share it is Wilson's own, of a difference Newcombe's ("Interval estimation for the difference between
    independent proportions", 1998, method 10).

    Args:
        parts: factor, share and size of each.
    """
    estimate, below, above = 0.0, 0.0, 0.0
    for factor, share, size in parts:
        low, high = _wilson(share, size)
        ends = sorted((factor * (low - share), factor * (high - share)))
        estimate, below, above = estimate + factor * share, below + ends[0] ** 2, above + ends[1] ** 2
    return Interval(estimate - below**0.5, estimate + above**0.5)


@dataclasses.dataclass(frozen=True, slots=True)
class Ranked:
    """Items in the order of their values, of which quantiles are read.

    Attributes:
        values: sorted.
        ends: how many items of the effective sample are no greater, for each.
    """

    values: Floats
    ends: Floats

    @classmethod
    def of(cls, values: Floats, counts: Floats, weights: Floats) -> Self:
        """Sort items, of which there is at least one."""
        order = np.argsort(values, kind="stable")
        mass, size = np.cumsum(counts[order] * weights[order]), effective_size(counts, weights)
        ends = mass * (size / mass[-1])
        ends[-1] = size
        return cls(values[order], ends)

    def quantile(self, share: float) -> float:
        """Quantile by linear interpolation between closest ranks, of items that may weigh differently.

        With equal weights this is Hyndman and Fan's type 7. Otherwise it is Akinshin's weighted form of it: the mean of
        the weighted inverse distribution over one rank of the effective sample ("Weighted quantile estimators",
        arXiv:2304.07265).
        """
        rank = share * (self.ends[-1] - 1) + 1
        first, last = np.searchsorted(self.ends, rank - 1, side="right"), np.searchsorted(self.ends, rank)
        ends = self.ends[first : last + 1]
        starts = np.concatenate(([self.ends[first - 1] if first else 0.0], ends[:-1]))
        covered = np.clip(np.minimum(ends, rank) - np.maximum(starts, rank - 1), 0, None)
        return dot(covered, self.values[first : last + 1]) / float(covered.sum())

    def interval(self, share: float) -> Interval:
        """Distribution-free interval of a quantile: two order statistics, at ranks of the binomial distribution.

        An end is None where the sample is too small for any of its values to bound that side.
        """
        from scipy.stats import binom

        size = self.ends[-1]
        whole = int(np.floor(size + 1e-9))
        tail = (1 - CONFIDENCE) / 2
        low_rank, high_rank = int(binom.ppf(tail, whole, share)), int(binom.ppf(1 - tail, whole, share)) + 1

        def at(rank: int) -> float | None:
            if not 1 <= rank <= whole:
                return None
            return float(self.values[np.searchsorted(self.ends, (rank - 1e-9) * (size / whole))])

        return Interval(at(low_rank), at(high_rank))


def resampled_means(values: Floats, counts: Floats, weights: Floats, rng: np.random.Generator) -> Floats:
    """Weighted means of `DRAWS` samples of the same size, drawn from the items with replacement."""
    tops, bottoms = _resampled_sums([weights * values, weights], counts, rng)
    return tops / bottoms


def _resampled_sums(columns: list[Floats], counts: Floats, rng: np.random.Generator) -> list[Floats]:
    """Sums of each column over `DRAWS` samples of the same size, drawn from the items with replacement."""
    size, kinds = int(counts.sum()), len(counts)
    sums = [np.full(DRAWS, float(size * column[0])) for column in columns]
    # A column that says the same of all items, as weights mostly do, adds up to the same in every draw.
    varying = [(whole, column) for whole, column in zip(sums, columns, strict=True) if np.ptp(column) > 0]
    # Drawing each item costs by items, drawing how many of each kind costs by kinds, six times as much apiece.
    by_item = size <= 6 * kinds
    step = max(1, _CHUNK // (size if by_item else kinds))
    for start in range(0, DRAWS, step):
        draws = min(step, DRAWS - start)
        if by_item:
            kind = np.repeat(np.arange(kinds), counts)[rng.integers(size, size=(draws, size))]
            for whole, column in varying:
                whole[start : start + draws] = column[kind].sum(axis=1)
        else:
            drawn = rng.multinomial(size, counts / size, size=draws).astype(float)
            for whole, column in varying:
                whole[start : start + draws] = np.einsum("ij,j->i", drawn, column)  # not `@`: see `dot`
    return sums


def mean_interval(values: Floats, counts: Floats, weights: Floats) -> Interval:
    """Bootstrap-t of the weighted mean, seeded, and no narrower than the percentile bootstrap.

    Of skewed values a percentile interval is too short on the long side: there the error of a drawn mean goes with the
    mean. Bootstrap-t draws means in units of their own error (Efron and Tibshirani, "An Introduction to the Bootstrap",
    1993, chapter 12). How often it holds the truth: docs/statistics.md.
    """
    kinds = _alike(values, counts, weights) if len(values) > _FINE else (values, counts, weights)
    return _mean_interval(*kinds, floor=0.0 if values.min() >= 0 else -np.inf)


def _mean_interval(values: Floats, counts: Floats, weights: Floats, *, floor: float) -> Interval:
    mean, n = weighted_mean(values, counts, weights), int(counts.sum())
    off, squares = values - mean, weights * weights
    columns = [weights * off, weights, squares * off * off, squares * off, squares]
    shift, mass, second, first, zeroth = _resampled_sums(columns, counts, np.random.default_rng(SEED))
    shift /= mass
    low, high = percentile_interval(mean + shift, mean)
    variance = second - 2 * shift * first + shift * shift * zeroth
    own = float(counts @ columns[2])
    told = variance > 1e-12 * own  # a draw of one item alone, again and again, has no error to measure by
    if n < 2 or np.ptp(values) == 0 or not told.any():
        return Interval(low, high)
    measured = shift[told] / (np.sqrt(variance[told]) / mass[told])
    error = np.sqrt(own) / float(counts @ weights) * np.sqrt(n / (n - 1))
    tail = 100 * (1 - CONFIDENCE) / 2
    least, most = np.percentile(measured, [tail, 100 - tail]) * _inflation(n)
    assert low is not None
    assert high is not None
    return Interval(max(min(low, mean - float(most) * error), floor), max(high, mean - float(least) * error))


def _inflation(n: int) -> float:
    """What a small sample's error is widened by: Student's quantile over the normal one.

    Of heavy tails thirty values seldom hold one of those that make the mean, so that their own spread is too small.
    """
    from scipy.stats import norm, t

    return float(t.ppf(0.5 + CONFIDENCE / 2, n - 1) / norm.ppf(0.5 + CONFIDENCE / 2))


def percentile_interval(draws: Floats, estimate: float) -> Interval:
    """Middle 95 % of bootstrap draws, widened to the estimate itself where that lies outside."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    return Interval(min(float(low), estimate), max(float(high), estimate))


def _alike(values: Floats, counts: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Join values of one weight that are near each other at their mean.

    What lies z standard deviations from the mean is joined over `_WIDTH * sqrt((1 + z^2) / 2)` of them, more in a tail.
    So what joined values differ by is about `_WIDTH^2 / 12 * mean((1 + z^2) / 2)` = 1/1200 of the variance, and the
    spread between draws changes by less than a thousandth; and the work is bounded whatever the sample.
    """
    mean = weighted_mean(values, counts, weights)
    spread = np.sqrt(weighted_mean((values - mean) ** 2, counts, weights))
    z = (values - mean) / spread if spread > 0 else np.zeros(len(values))
    grade = np.floor(np.arcsinh(z) * (np.sqrt(2) / _WIDTH))
    # one number for each grade and weight: pairs take ten times as long to be sorted
    different, weight = np.unique(weights, return_inverse=True)
    kinds, place = np.unique(grade * len(different) + weight, return_inverse=True)
    sizes = np.bincount(place, counts)
    drawn = different[np.mod(kinds, len(different)).astype(np.int64)]
    return np.bincount(place, counts * values) / sizes, sizes.astype(np.int64), drawn
