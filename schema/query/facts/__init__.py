"""The sources of metrics out of `request_facts`: only what a question needs is asked, so that it is planned at once."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Final, Self

from thinkmeter.schema.metrics.catalogue import Source
from thinkmeter.schema.store.statement import statement

PRICES: Final = """(SELECT (books, begins, sizes, always, valid_from, valid_until, daily_from_s, daily_until_s,
  above_input_tokens, input, cache_read, cache_write, cache_write_1h, thinking, answer, numbers)
  FROM price_arrays) AS p"""
PART: Final = "part"
"""Where this column is asked for, rows stand once for each part of their amounts, which are then what that part has of
them: `(0, 0)` what a provider reports, `(0, rate)` millions of tokens of a rate, `(rate, rate)` of both in products."""
_BUCKETS: Final[Mapping[str, Sequence[int]]] = {
    "usd": range(1, 7),
    "other_usd": range(1, 7),
    "input_usd": (1,),
    "cache_usd": (2, 3, 4),
    "thinking_usd": (5,),
    "answer_usd": (6,),
    "output_usd": (5, 6),
}
"""Amounts, and the buckets that they are linear in."""
_SHORT: Final = 100
"""Letters that take less planning twice than a query around them does."""
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

    def written_out(self, wanted: Collection[str]) -> "Columns":
        """These and all that they use; what is used once, or is short and used twice, is written out where it is used.

        Every other one is a column of a query of its own, through which all others have to go on.
        """
        found = {name: self.expressions[name] for name in self.needed(wanted)}
        for name in [name for name in found if name not in set(wanted)]:
            use = re.compile(rf"(?<![.\w]){name}\b")
            uses = sum(len(use.findall(expression)) for expression in found.values())
            if uses == 1 or (uses == 2 and len(found[name]) <= _SHORT):
                text = f"({found.pop(name)})".replace("\\", r"\\")  # as `sub` takes it
                found = {user: use.sub(text, expression) for user, expression in found.items()}
        return Columns(found)

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
    by_part = PART in names
    chosen = {name: outer.expressions[name] for name in outer.needed(names)}
    # what others are made of, of whole rows and without amounts, goes below, since each use of it is planned again
    made_of = [name for name in chosen if name not in names and _below(outer, name, element, amounts)]
    of_rows = {name: re.sub(r"\br\.", "f.", chosen.pop(name)) for name in made_of}
    below = Columns({**amounts.expressions, **of_rows})
    for name in made_of:
        chosen = {user: re.sub(rf"(?<![.\w]){name}\b", f"r.{name}", text) for user, text in chosen.items()}
    text = "\n".join(chosen.values())
    whole = set(re.findall(r"\br\.((?:calls\.|attempts\.)?\w+)", text))
    # what is taken apart; a row with nothing of it is still one for each element
    elements = _elements(element, text) or (["attempt"] if element else [])
    apart = {name: name if name in amounts.expressions else f"{source}.{name}" for name in elements}
    wanted = {*whole, *apart.values()} | ({"attempts.attempt"} if source == "requests" else set())
    rows = _by_part(below, wanted) if by_part else _rows(below, wanted)
    if by_part:
        chosen[PART] = f"r.{PART}"
    lines = [
        "SELECT " + ",\n  ".join(f"{expression} AS {name}" for name, expression in chosen.items()),
        f"FROM ({rows}) AS r",
    ]
    if not element:
        return "\n".join([*lines, "WHERE notEmpty(r.attempts.attempt)"])
    lines.append("ARRAY JOIN " + ", ".join(f"r.`{array}` AS {element}_{name}" for name, array in apart.items()))
    return re.sub(rf"\b{element}\.", f"{element}_", "\n".join(lines))


def _rows(columns: Columns, wanted: Collection[str]) -> str:
    """Rows of `request_facts` with these columns: of the table, or of `columns`.

    What several others are reckoned from stands in a query around which theirs are: within one, each use of a name is
    planned as if it was written out, which takes longer than to answer.
    """
    inner = columns.written_out(set(wanted) & columns.expressions.keys())
    names, plain = list(inner.expressions), _facts("\n".join(inner.expressions.values()))
    known = sorted(plain | (set(wanted) - columns.expressions.keys()))
    prices = f"WITH {PRICES}\n" if any("p." in expression for expression in inner.expressions.values()) else ""
    table, quote = "request_facts AS f FINAL", ""
    while True:
        ready = [name for name in names if not inner.used(name) & set(names)]
        later = [name for name in names if name not in ready]
        # each column that goes on costs planning
        going = {*wanted, *_facts("\n".join(inner.expressions[name] for name in later))}
        going = going.union(*(inner.used(name) for name in later))
        known = [name for name in known if name in going]
        said = [f"f.{quote}{name}{quote} AS `{name}`" for name in known]
        said += [f"{inner.expressions[name]} AS {name}" for name in ready]
        query = "SELECT " + ",\n  ".join(said) + f"\nFROM {table}"
        if not later:
            return prices + query
        known, names, table, quote = [*known, *ready], later, f"({query}) AS f", "`"


def _facts(text: str) -> set[str]:
    return set(re.findall(r"\bf\.((?:calls\.|attempts\.)?\w+)", text))


def _below(outer: Columns, name: str, element: str, amounts: Columns) -> bool:
    """Whether all that a column of a source is made of are columns of `request_facts`."""
    text = "\n".join(outer.expressions[one] for one in outer.needed([name]))
    return not _elements(element, text) and not amounts.expressions.keys() & set(re.findall(r"\br\.(\w+)", text))


def _by_part(amounts: Columns, wanted: Collection[str]) -> str:
    """The same rows, once for each part of their amounts; `f.held` is what each call has of it."""
    told = sorted(set(wanted) & _BUCKETS.keys())
    said = [f"f.`{name}` AS `{name}`" for name in sorted(set(wanted) - set(told))]
    buckets = sorted({bucket for name in told for bucket in _BUCKETS[name]})
    of_calls = ("rate_numbers", "buckets", "calls.reported_cost_usd")
    going = ", ".join(f"f.`{name}` AS `{name}`" for name in sorted({*wanted, *of_calls}))
    held, squares = [f"{_HELD.format(place=2)} AS held"], "other_usd" in told
    if squares:
        held.append(f"{_HELD.format(place=1)} AS other_held")
    lines = [
        "SELECT " + ",\n  ".join([*said, f"f.{PART} AS {PART}", *(_share(name) for name in told)]),
        f"FROM (SELECT {going}, {PART}, {', '.join(held)}",
        f"FROM (SELECT {going}, {_IDS.format(buckets=buckets)} AS ids",
        f"FROM ({_rows(amounts, {*wanted, *of_calls})}) AS f) AS f",
        f"ARRAY JOIN {_PAIRS if squares else _SINGLE} AS {PART}) AS f",
    ]
    return "\n".join(lines)


_HELD: Final = """arrayMap((number, n) ->
  if(bitAnd(part.{place}, bitNot(toUInt64(7))) = number, n[bitAnd(part.{place}, 7)], 0), f.rate_numbers, f.buckets)"""
_IDS: Final = """arraySort(arrayDistinct(arrayPushFront(arrayFlatten(arrayMap((number, n) -> arrayMap(b -> number + b,
  arrayFilter(b -> n[b] != 0, {buckets})), f.rate_numbers, f.buckets)), toUInt64(0))))"""
_SINGLE: Final = "arrayMap(id -> (toUInt64(0), id), f.ids)"
_PAIRS: Final = """arrayFlatten(arrayMap((last, at) -> arrayMap(first -> (first, last), arraySlice(f.ids, 1, at)),
  f.ids, arrayEnumerate(f.ids)))"""


def _share(name: str) -> str:
    """What a part has of an amount of each call, which stays unknown where it is."""
    of, held = (1, "other_held") if name == "other_usd" else (2, "held")
    buckets = ", ".join(map(str, _BUCKETS[name]))
    return (
        f"arrayMap((x, own, share) -> multiIf(isNaN(x), x, f.part.{of} = 0, if(own IS NULL, 0, x), "
        f"bitAnd(f.part.{of}, 7) IN ({buckets}), share, 0), f.{name}, f.`calls.reported_cost_usd`, f.{held}) AS {name}"
    )


def _elements(element: str, text: str) -> list[str]:
    return sorted(set(re.findall(rf"\b{element}\.(\w+)", text))) if element else []
