"""95 % intervals hold the truth 95 times in a hundred, whatever the share and the sample."""

import pytest

from tests.metrics.interval_coverage import SHARES, SIZES, TABLES, printed

LENGTHS = ("lengths", "spread_lengths", "heavy_lengths")
FEW = 20_000
"""Samples a cell in the run of every day, where they are counted by kind and cost little."""


def hold_the_truth(name: str, draws: int) -> None:
    title, simulate, _ = TABLES[name]
    cells = list(simulate(draws))
    print(printed(title, cells))
    assert len(cells) == len(SHARES) * len(SIZES)
    assert 0.93 <= sum(cell.coverage for cell in cells) / len(cells) <= 0.98
    assert min(cell.coverage for cell in cells) >= 0.90


@pytest.mark.parametrize("name", ["shares", "weighted_shares"])
def test_intervals_of_shares_hold_the_truth(name: str) -> None:
    hold_the_truth(name, FEW)


@pytest.mark.stress
@pytest.mark.parametrize("name", ["shares", "weighted_shares", "gains", "pinned_gains", *LENGTHS])
def test_intervals_hold_the_truth_at_the_full_count(name: str) -> None:
    hold_the_truth(name, TABLES[name][2])
