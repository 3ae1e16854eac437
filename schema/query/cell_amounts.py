"""Amounts in cells: kept by the rates that they are reckoned from, and reckoned by the rates of now.

The columns of amounts of a cell are arrays, of which each element belongs to the one of `parts` at its place.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final

from thinkmeter.schema.query.facts import BY_PART, PARTS

RATES: Final = "WITH (SELECT (edges, numbers, begins, `values`, currents) FROM rate_arrays) AS q\n"
"""What the others here look rates up in."""

_SQUARED: Final = "_squared"


def summed_by_part(item: str) -> tuple[str, set[str]]:
    """A sum of amounts by part, as one is selected that adds up amounts, and the columns that it is made of.

    It is an array with an element for each of `parts`; of squares for each two of them: `(a + b)^2 = a^2 + 2ab + b^2`.
    """
    found = re.fullmatch(r"(?:ifNull\()?sum(If)?\((.*?)\)(?:, 0\))? AS (\w+)", item)
    assert found, item
    values, alias = items(found[2]), found[3]
    used = sorted(set(re.findall(r"\b\w+_usd(?:_squared)?\b", values[0])))
    if values[0].endswith(_SQUARED):
        name = f"{values[0].removesuffix(_SQUARED)}{BY_PART}"
        columns = [name]
        value = f"arrayFlatten(arrayMap((x, at) -> arrayMap(y -> x * y, arraySlice({name}, 1, at)), {name}, {_PLACES}))"
    else:
        columns = [f"{name}{BY_PART}" for name in used]
        value = f"arrayMap(({', '.join(used)}) -> {values[0]}, {', '.join(columns)})"
    return f"sumForEach{found[1] or ''}({', '.join([value, *values[1:]])}) AS {alias}", set(columns)


def each_part(rows: str, groups: Iterable[str], sums: Iterable[str], amounts: Collection[str]) -> str:
    """Of rows with `parts` and arrays of amounts a row for each group and `part`: `(0, rate)`, of squares of two."""
    squares = any(name.endswith(_SQUARED) for name in amounts)
    apart = [f"{_PAIRS if squares else _SINGLE} AS part"]
    said = []
    for name in sums:
        total = f"sum(r.{name})"
        if name in amounts:
            # where nothing was added up, there is no element
            length = f"length({_PAIRS})" if name.endswith(_SQUARED) else f"length({PARTS})"
            array = f"arrayResize(r.{name}, {length}, 0.)"
            if squares and not name.endswith(_SQUARED):
                array = f"arrayFlatten(arrayMap((x, at) -> arrayResize([x], at, 0.), {array}, {_PLACES}))"
            apart.append(f"{array} AS one_{name}")
            total = f"sum(one_{name})"
            if name.endswith(_SQUARED):
                total += " * if(part.1 = part.2, 1, 2)"
        said.append(f"{total} AS {name}")
    same = ", ".join((*groups, "part"))
    return f"SELECT {same}, {', '.join(said)}\nFROM (\n{rows}\n) AS r\nARRAY JOIN {', '.join(apart)}\nGROUP BY {same}"


_PLACES: Final = f"arrayEnumerate({PARTS})"
_SINGLE: Final = f"arrayMap(id -> (toUInt64(0), id), {PARTS})"
_PAIRS: Final = f"""arrayFlatten(arrayMap((last, at) -> arrayMap(first -> (first, last), arraySlice({PARTS}, 1, at)),
  {PARTS}, {_PLACES}))"""


def items(text: str) -> list[str]:
    """What stands between commas, of which those within parentheses count for nothing."""
    found, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [" ".join(item.split()) for item in found]


def kept(amounts: Iterable[str]) -> str:
    """Whether a cell keeps a part: it is the one that all rows have, or there is something of it."""
    return " OR ".join(["part.2 = 0", *(f"{name} != 0" for name in amounts)])


def folded(sums: Iterable[str], amounts: Collection[str]) -> str:
    """Sums of the parts of one cell, and the parts; what is no amount is that of the part that all rows have."""
    columns = (f"groupArrayIf({name}, kept)" if name in amounts else f"sumIf({name}, part.2 = 0)" for name in sums)
    return ", ".join([*columns, "groupArrayIf(part, kept)"])


def valued(amount: str) -> str:
    """An amount of a cell `c` in USD, by `WORTH`."""
    return f"arrayDotProduct(c.{amount}, worth)"


def current(part: str, time: str) -> str:
    """The part by the numbers that its rates have now."""
    rates = (_at(f"{part}.{place}", _epoch(time)) for place in (1, 2))
    return f"({', '.join(f'q.5[{at}]' for at in rates)})"


def _epoch(time: str) -> str:
    """How many rates began or ended until then."""
    return f"arrayCount(edge -> edge <= {time}, q.1)"


def _at(rate: str, epoch: str) -> str:
    """Where a rate stands as it is in an epoch."""
    return f"transform({rate}, q.2, q.3, toUInt32(0)) + {epoch} + 1"


WORTH: Final = f"""{RATES.rstrip()},
  {_epoch("c.time")} AS epoch,
  arrayMap(one -> q.4[{_at("one.1", "epoch")}] * q.4[{_at("one.2", "epoch")}], c.parts) AS worth
"""
"""And what each part of a cell `c` is reckoned by."""
