"""How often 95 % intervals hold the truth, by simulation; run as a module it prints the tables of the docs."""

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.cpq import cost_per_quality_point
from thinkmeter.schema.metrics.statistics import (
    Interval,
    effective_size,
    mean_interval,
    percentile_interval,
    resampled_means,
    weighted_mean,
    wilson,
)
from thinkmeter.schema.policy import Policy

SHARES: Final = (0.5, 0.8, 0.95, 0.99)
SIZES: Final = (30, 100, 1000)
SEED: Final = 20_261_125


class Cell(NamedTuple):
    """How often the interval of one kind of sample held the truth."""

    p: float
    n: int
    coverage: float


def shares(draws: int) -> Iterator[Cell]:
    """Wilson's interval of a share: EscR, VRate, accuracies."""
    rng = np.random.default_rng(SEED)
    for p, n in itertools.product(SHARES, SIZES):
        counts, times = np.unique(rng.binomial(n, p, draws), return_counts=True)
        yield Cell(p, n, _held(p, [wilson(count / n, n) for count in counts], times))


def weighted_shares(draws: int) -> Iterator[Cell]:
    """The same where a third of the sample was drawn four times as rarely, so that each weighs four times as much."""
    rng = np.random.default_rng(SEED)
    for p, n in itertools.product(SHARES, SIZES):
        rare = n // 3
        counts = np.array([n - rare, rare])
        weights = np.array([1.0, 4.0])
        size = effective_size(counts, weights)
        right = np.stack([rng.binomial(count, p, draws) for count in counts], axis=1)
        pairs, times = np.unique(right, axis=0, return_counts=True)
        found = [wilson(float(pair @ weights / (counts @ weights)), size) for pair in pairs]
        yield Cell(p, n, _held(p, found, times))


def gains(draws: int) -> Iterator[Cell]:
    """CPQ's improvement: n requests labelled at both ends, of which p end correct and 0.6 p began so."""
    rng = np.random.default_rng(SEED)
    for p, n in itertools.product(SHARES, SIZES):
        began = 0.6 * p
        truth = p - began
        # wrong to right, right to wrong, neither: one in twenty right answers is lost again
        lost = 0.05 * began
        chances = [truth + lost, lost, 1 - truth - 2 * lost]
        kinds, times = np.unique(rng.multinomial(n, chances, draws), axis=0, return_counts=True)
        values, ones = np.array([1.0, -1.0, 0.0]), np.ones(3)
        found = []
        for kind in kinds:
            draw = resampled_means(values, kind, ones, np.random.default_rng(SEED))
            found.append(percentile_interval(draw, weighted_mean(values, kind, ones)))
        yield Cell(p, n, _held(truth, found, times))


def pinned_gains(draws: int) -> Iterator[Cell]:
    """CPQ's improvement over a pinned baseline: n labelled requests, of which p are correct."""
    rng = np.random.default_rng(SEED)
    for p, n in itertools.product(SHARES, SIZES):
        counts, times = np.unique(rng.binomial(n, p, draws), return_counts=True)
        yield Cell(p, n, _held(p, [_pinned(int(count), n) for count in counts], times))


def _pinned(right: int, n: int) -> Interval:
    """The interval of a class with a baseline of 0, so that the improvement is the accuracy."""
    ones, costs = np.ones(2), np.array([0.01, 0.01])
    cells = Cells.of(
        settled=ones, weight=ones, final_correct=[1, 0], requests=[right, n - right], final_label_probability=ones,
        thinking_usd=costs, calls=[right, n - right], left_out_calls=[0, 0], costed_requests=[right, n - right],
        costed_usd=costs,
    )  # fmt: skip
    detail = cost_per_quality_point(cells, Policy(baseline_accuracy=0.0)).detail
    return Interval(detail["improvement_low_pp"] / 100, detail["improvement_high_pp"] / 100)


def lengths(draws: int) -> Iterator[Cell]:
    """TTR's mean: lognormal thinking tokens (sigma 0.7), of which a share 1 - p did not think at all."""
    return _means(draws, np.exp(7 + 0.7**2 / 2), lambda rng, n: rng.lognormal(7, 0.7, n))


def spread_lengths(draws: int) -> Iterator[Cell]:
    """The same with sigma 1."""
    return _means(draws, np.exp(7 + 1 / 2), lambda rng, n: rng.lognormal(7, 1, n))


def heavy_lengths(draws: int) -> Iterator[Cell]:
    """The same with a heavy tail: Pareto of 1,000 tokens and more with index 3, whose skewness is infinite."""
    return _means(draws, 1500.0, lambda rng, n: 1000 * (1 + rng.pareto(3, n)))


def _means(
    draws: int,
    mean: float,
    tokens_of: "Callable[[np.random.Generator, int], np.ndarray[tuple[int], np.dtype[np.float64]]]",
) -> Iterator[Cell]:
    rng = np.random.default_rng(SEED)
    for p, n in itertools.product(SHARES, SIZES):
        held = 0
        for _ in range(draws):
            tokens = np.where(rng.random(n) < p, tokens_of(rng, n), 0.0)
            low, high = mean_interval(tokens, np.ones(n, int), np.ones(n))
            held += low is not None and high is not None and low <= p * mean <= high
        yield Cell(p, n, held / draws)


def _held(truth: float, intervals: list[Interval], times: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> float:
    inside = [low is not None and high is not None and low <= truth <= high for low, high in intervals]
    return float(np.array(inside) @ times / times.sum())


TABLES: Final[dict[str, tuple[str, Callable[[int], Iterator[Cell]], int]]] = {
    "shares": ("Wilson, a share (EscR, VRate, accuracies)", shares, 1_000_000),
    "weighted_shares": (
        "Wilson on the effective size, a third of the sample weighs fourfold",
        weighted_shares,
        200_000,
    ),
    "gains": ("bootstrap, improvement of CPQ (paired)", gains, 1_000),
    "pinned_gains": ("bootstrap and Wilson, improvement of CPQ over a pinned baseline", pinned_gains, 2_000),
    "lengths": ("bootstrap-t, mean thinking tokens (TTR), lognormal, sigma 0.7", lengths, 1_000),
    "spread_lengths": ("bootstrap-t, mean thinking tokens, lognormal, sigma 1", spread_lengths, 1_000),
    "heavy_lengths": ("bootstrap-t, mean thinking tokens, Pareto, index 3", heavy_lengths, 1_000),
}
"""Name -> what it is, how it is simulated, and how many samples the full count draws for each cell."""


def printed(title: str, cells: list[Cell]) -> str:
    """A table of coverage, a row for each share and a column for each size, with the mean of all cells."""
    by = {(cell.p, cell.n): cell.coverage for cell in cells}
    rows = [f"| p | {' | '.join(f'n = {n}' for n in SIZES)} |", f"|---|{'---|' * len(SIZES)}"]
    rows += [f"| {p} | {' | '.join(f'{100 * by[p, n]:.1f} %' for n in SIZES)} |" for p in SHARES]
    mean = 100 * sum(by.values()) / len(by)
    return f"{title}: mean {mean:.1f} %\n\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    for title, simulate, full in TABLES.values():
        sys.stdout.write(printed(title, list(simulate(full))) + f"\n{full:,} samples a cell\n\n")
