"""Quantiles and intervals, and the bands in which bounds of drawn intervals must lie."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

Z_95 = 1.959963984540054
DRAWS = 2_000
"""What the product draws; this reference draws more and allows for the difference."""
OWN_DRAWS = 20_000
AT_ONCE = 500
"""Of which so many are made at once: more take memory, and no less time."""


def wilson(successes: float, n: float) -> tuple[float, float]:
    """The Wilson score interval at 95 %; n may be an effective size."""
    p = successes / n
    spread = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
    middle = p + Z_95**2 / (2 * n)
    scale = 1 + Z_95**2 / n
    return (middle - spread) / scale, (middle + spread) / scale


def quantile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between closest ranks."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclasses.dataclass(frozen=True)
class Band:
    """Where a percentile bound of `DRAWS` draws must lie: 5 standard errors of its rank to either side."""

    least: float
    most: float

    def __contains__(self, bound: float) -> bool:
        # draws of few rows tie, and sums of the same numbers differ in their last bit
        rounding = 1e-12 + 1e-9 * abs(bound)
        return self.least - rounding <= bound <= self.most + rounding


def bands(draws: Any) -> tuple[Band, Band]:
    """For the lower and the upper bound of a 95 % percentile interval."""
    error = 5 * math.sqrt(0.025 * 0.975 / DRAWS)
    ordered = np.sort(np.asarray(draws, dtype=float))

    def at(share: float) -> float:
        return float(np.quantile(ordered, min(max(share, 0.0), 1.0)))

    return Band(at(0.025 - error), at(0.025 + error)), Band(at(0.975 - error), at(0.975 + error))


def resamples(n: int, seed: int) -> Iterator[Any]:
    """Which of n rows each of `OWN_DRAWS` resamples has: a few hundred of them at a time, each a row of n places."""
    source = np.random.default_rng(seed)
    for _ in range(0, OWN_DRAWS, AT_ONCE):
        yield source.integers(n, size=(AT_ONCE, n))


def mean_bands(values: Sequence[float], seed: int) -> tuple[Band, Band]:
    """For the bounds of a mean: bootstrap-t, widened by Student over normal, and no narrower than percentile."""
    data = np.asarray(values, dtype=float)
    n, mean = len(data), float(data.mean())
    drawn = [(data[places].mean(axis=1), data[places].std(axis=1)) for places in resamples(n, seed)]
    means, spreads = (np.concatenate(of) for of in zip(*drawn, strict=True))
    percentile = bands(means)
    if data.std() == 0:
        return percentile
    measured = (means[spreads > 0] - mean) / spreads[spreads > 0]
    error = float(data.std(ddof=1)) * float(student.ppf(0.975, n - 1)) / Z_95
    least, most = bands(measured)
    low = Band(*(max(mean - error * end, 0.0) for end in (most.most, most.least)))
    high = Band(*(mean - error * end for end in (least.most, least.least)))
    return (
        Band(min(low.least, percentile[0].least), min(low.most, percentile[0].most)),
        Band(max(high.least, percentile[1].least), max(high.most, percentile[1].most)),
    )
