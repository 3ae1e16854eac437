"""The rows of an answer as cells, group by group."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from thinkmeter.schema.metrics.cells import Cells

Key = tuple[Any, ...]


def told_apart(keys: Sequence[Key], columns: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Key, Cells]]:
    """Cells of each different key, in the order of keys.

    Args:
        keys: of each row.
        columns: of the rows; where there are arrays, as long as each other in a row, each of their elements is a cell.
    """
    members: dict[Key, list[int]] = {}
    for position, key in enumerate(keys):
        members.setdefault(key, []).append(position)
    arrays = {name for name, column in columns.items() if len(column) and isinstance(column[0], list)}
    flat = {name: np.asarray(column) for name, column in columns.items() if name not in arrays}
    for key in sorted(members, key=order):
        mine = members[key]
        cells = {name: column[mine] for name, column in flat.items()}
        if arrays:
            sizes = [len(columns[next(iter(arrays))][row]) for row in mine]
            cells = {name: np.repeat(column, sizes) for name, column in cells.items()}
            for name in arrays:
                cells[name] = np.asarray(list(chain.from_iterable(columns[name][row] for row in mine)))
        yield key, Cells(cells)


def order(key: Key) -> list[tuple[bool, Any]]:
    """By which keys are sorted: what is not known stands last."""
    return [(part in (None, ""), part) for part in key]
