"""Amounts in cells: kept by the rates that they are reckoned from, and reckoned by the rates of now.

The columns of amounts of a cell are arrays, of which each element belongs to the one of `parts` at its place.
"""

from collections.abc import Collection, Iterable
from typing import Final

RATES: Final = "WITH (SELECT (edges, numbers, begins, `values`, currents) FROM rate_arrays) AS q\n"
"""What the others here look rates up in."""

_SQUARED: Final = "_squared"


def parted(sums: Iterable[str], amounts: Collection[str]) -> str:
    """Sums over rows of one `part` of their amounts, for a cell.

    A product of two rates is a part of squares alone: `(a + b)^2 = a^2 + 2ab + b^2`.
    """
    return ", ".join(
        name
        if name not in amounts
        else f"{name} * if(part.1 = part.2, 1, 2) AS {name}"
        if name.endswith(_SQUARED)
        else f"if(part.1 = 0, {name}, 0) AS {name}"
        for name in sums
    )


def kept(amounts: Iterable[str]) -> str:
    """Whether a cell keeps a part: it is the one that all rows have, or there is something of it."""
    return " OR ".join(["part.2 = 0", *(f"{name} != 0" for name in amounts)])


def folded(sums: Iterable[str], amounts: Collection[str]) -> str:
    """Sums of the parts of one cell, and the parts; what is no amount is that of the part that all rows have."""
    columns = (f"groupArrayIf({name}, kept)" if name in amounts else f"sumIf({name}, part.2 = 0)" for name in sums)
    return ", ".join([*columns, "groupArrayIf(part, kept)"])


def valued(amount: str) -> str:
    """An amount of a cell `c` in USD."""
    rates = " * ".join(f"q.4[{at}]" for at in _at("one", "c.time"))
    return f"arrayDotProduct(c.{amount}, arrayMap(one -> {rates}, c.parts))"


def current(part: str, time: str) -> str:
    """The part by the numbers that its rates have now."""
    return f"({', '.join(f'q.5[{at}]' for at in _at(part, time))})"


def _at(part: str, time: str) -> list[str]:
    """Where the two rates of a part stand at a time."""
    epoch = f"arrayCount(edge -> edge <= {time}, q.1)"
    return [f"transform({part}.{place}, q.2, q.3, toUInt32(0)) + {epoch} + 1" for place in (1, 2)]
