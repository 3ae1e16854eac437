"""The sources of metrics out of `request_facts`: only what a question needs is asked, so that it is planned at once."""

import dataclasses
import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Final, Self

from thinkmeter.schema.metrics.catalogue import Source
from thinkmeter.schema.store.statement import statement

PRICES: Final = """(SELECT (books, begins, sizes, always, valid_from, valid_until, daily_from_s, daily_until_s,
  above_input_tokens, input, cache_read, cache_write, cache_write_1h, thinking, answer) FROM price_arrays) AS p"""
_ELEMENTS: Final[Mapping[Source, str]] = {"calls": "call", "attempts": "one", "requests": ""}
"""What the file of a source calls one element of the arrays that it takes apart."""


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a file selects: each `expression AS name` on lines of its own, deeper indented ones going on.

    Attributes:
        expressions: by name, in the order of the file; one may use another by its bare name.
    """

    expressions: Mapping[str, str]

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a file of this package."""
        text = re.sub(r"^ *--.*\n", "", statement(__package__, name), flags=re.MULTILINE)
        body = text.partition("SELECT\n")[2].rpartition("\nFROM ")[0]
        found = (item.rpartition(" AS ") for item in re.split(r",\n(?=  \S)", body))
        return cls({alias: expression.strip() for expression, _, alias in found})

    def used(self, name: str) -> set[str]:
        """The others that one uses."""
        return set(re.findall(r"(?<![.\w])[a-z]\w+", self.expressions[name])) & (self.expressions.keys() - {name})

    def needed(self, names: Collection[str]) -> list[str]:
        """These and all that they use, in the order of the file."""
        waiting, found = [name for name in self.expressions if name in set(names)], set()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.used(name)
        return [name for name in self.expressions if name in found]


@cache
def _columns(name: str) -> Columns:
    return Columns.read(name)


def columns(source: Source) -> frozenset[str]:
    """What rows of a source have here; the views have more."""
    return frozenset(_columns(source).expressions)


@cache
def selected(source: Source, names: frozenset[str]) -> str:
    """A query for these columns of a source: `names` are some of `columns(source)`."""
    outer, amounts, element = _columns(source), _columns("amounts"), _ELEMENTS[source]
    chosen = {name: outer.expressions[name] for name in outer.needed(names)}
    text = "\n".join(chosen.values())
    whole = set(re.findall(r"\br\.((?:calls\.|attempts\.)?\w+)", text))
    # what is taken apart; a row with nothing of it is still one for each element
    apart = {name: name if name in amounts.expressions else f"{source}.{name}" for name in _elements(element, text)}
    wanted = {*whole, *apart.values()} | ({"attempts.attempt"} if source == "requests" else set())
    rows = _rows(amounts, wanted)
    lines = [
        "SELECT " + ",\n  ".join(f"{expression} AS {name}" for name, expression in chosen.items()),
        f"FROM ({rows}) AS r",
    ]
    if not element:
        return "\n".join([*lines, "WHERE notEmpty(r.attempts.attempt)"])
    lines.append("ARRAY JOIN " + ", ".join(f"r.`{array}` AS {element}_{name}" for name, array in apart.items()))
    return re.sub(rf"\b{element}\.", f"{element}_", "\n".join(lines))


def _rows(amounts: Columns, wanted: Collection[str]) -> str:
    """Rows of `request_facts` with these columns and amounts.

    An amount that is reckoned from others stands in a query around theirs: within one, each use of a name is planned
    as if it was written out, which takes longer than to answer.
    """
    names = amounts.needed(wanted)
    text = "\n".join(amounts.expressions[name] for name in names)
    plain = set(re.findall(r"\bf\.((?:calls\.|attempts\.)?\w+)", text)) | (set(wanted) - set(names))
    query = f"SELECT {', '.join(f'f.{name} AS `{name}`' for name in sorted(plain))} FROM request_facts AS f FINAL"
    known, prices = sorted(plain), f"WITH {PRICES}\n" if names else ""
    while names:
        ready = [name for name in names if not amounts.used(name) & set(names)]
        later = [name for name in names if name not in ready]
        # each column that goes on costs planning
        text = "\n".join(amounts.expressions[name] for name in later)
        going = {*wanted, *re.findall(r"\bf\.((?:calls\.|attempts\.)?\w+)", text)}
        going = going.union(*(amounts.used(name) for name in later))
        known = [name for name in known if name in going]
        said = [f"f.`{name}` AS `{name}`" for name in known]
        said += [f"{amounts.expressions[name]} AS {name}" for name in ready]
        query = "SELECT " + ",\n  ".join(said) + f"\nFROM ({query}) AS f"
        known, names = [*known, *ready], later
    return prices + query


def _elements(element: str, text: str) -> list[str]:
    return sorted(set(re.findall(rf"\b{element}\.(\w+)", text)) or {"attempt"}) if element else []
