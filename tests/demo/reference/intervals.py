"""Quantiles and intervals, and the bands in which bounds of drawn intervals must lie."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

Z_95 = 1.959963984540054
DRAWS = 2_000
"""What the product draws; this reference draws more and allows for the difference."""
OWN_DRAWS = 20_000


# --- statistics ----------------------------------------------------------------------------------


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


def bands(draws: Sequence[float]) -> tuple[Band, Band]:
    """For the lower and the upper bound of a 95 % percentile interval."""
    error = 5 * math.sqrt(0.025 * 0.975 / DRAWS)
    ordered = np.sort(np.asarray(draws, dtype=float))

    def at(share: float) -> float:
        return float(np.quantile(ordered, min(max(share, 0.0), 1.0)))

    return Band(at(0.025 - error), at(0.025 + error)), Band(at(0.975 - error), at(0.975 + error))


def mean_bands(values: Sequence[float], seed: int) -> tuple[Band, Band]:
    """For the bounds of a mean: bootstrap-t, widened by Student over normal, and no narrower than percentile."""
    source = np.random.default_rng(seed)
    data = np.asarray(values, dtype=float)
    n, mean = len(data), float(data.mean())
    drawn = [data[source.integers(n, size=n)] for _ in range(OWN_DRAWS)]
    percentile = bands([float(one.mean()) for one in drawn])
    if data.std() == 0:
        return percentile
    measured = [(float(one.mean()) - mean) / float(one.std()) for one in drawn if one.std() > 0]
    error = float(data.std(ddof=1)) * float(student.ppf(0.975, n - 1)) / Z_95
    least, most = bands(measured)
    low = Band(*(max(mean - error * end, 0.0) for end in (most.most, most.least)))
    high = Band(*(mean - error * end for end in (least.most, least.least)))
    return (
        Band(min(low.least, percentile[0].least), min(low.most, percentile[0].most)),
        Band(max(high.least, percentile[1].least), max(high.most, percentile[1].most)),
    )
