"""Ingredients of a metric: rows that are alike counted together, column by column."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Column = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """Columns of equal length; a row stands for all requests (attempts, calls) that agree in it.

    Counting alike rows together loses nothing: totals, quantiles and resampling need how many there are of
    each kind, not which.
    """

    columns: Mapping[str, Column]

    @classmethod
    def of(cls, **columns: ArrayLike) -> Self:
        """Cells of these columns."""
        return cls({name: np.asarray(column) for name, column in columns.items()})

    def __getitem__(self, name: str) -> Column:
        """One column."""
        return self.columns[name]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()), ()))

    def where(self, mask: Mask | Column) -> Self:
        """The rows where `mask` is true."""
        chosen = mask.astype(bool)
        return dataclasses.replace(self, columns={name: column[chosen] for name, column in self.columns.items()})

    def at(self, positions: Column) -> Self:
        """The rows at these positions."""
        return dataclasses.replace(self, columns={name: column[positions] for name, column in self.columns.items()})

    def count(self, name: str) -> int:
        """Sum of a column of counts."""
        return int(self.columns[name].sum())

    def total(self, name: str) -> float:
        """Sum of a column."""
        return float(self.columns[name].sum())
