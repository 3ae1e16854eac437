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
PARTS: Final = "parts"
BY_PART: Final = "_by_part"
"""Where `parts` is asked for, it has 0 and the rates of which there is something in a row's amounts, and of each amount
NAME there is `NAME_by_part`, what each of these has of it: 0 what a provider reports, a rate millions of tokens."""
_BUCKETS: Final[Mapping[str, Sequence[int]]] = {
    "usd": range(1, 7),
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
    """A query for these columns of a source: `names` are some of `columns(source)`, `parts` and amounts by these."""
    outer, amounts, element = _columns(source), _columns("amounts"), _ELEMENTS[source]
    told = {name: _told(outer, name, element) for name in sorted(names) if name.endswith(BY_PART)}
    outer = Columns({**outer.expressions, **told})
    chosen = {name: outer.expressions[name] for name in outer.needed(names)}
    # what others are made of, of whole rows and without amounts, goes below, since each use of it is planned again
    made_of = [name for name in chosen if name not in names and _below(outer, name, element, amounts)]
    of_rows = {name: re.sub(r"\br\.", "f.", chosen.pop(name)) for name in made_of}
    below = Columns({**amounts.expressions, **of_rows})
    for name in made_of:
        chosen = {user: re.sub(rf"(?<![.\w]){name}\b", f"r.{name}", text) for user, text in chosen.items()}
    if PARTS in names:
        chosen[PARTS] = f"{_part_of(source)}.{PARTS}"
    text = "\n".join(chosen.values())
    whole = set(re.findall(r"\br\.((?:calls\.|attempts\.)?\w+)", text))
    # what is taken apart; a row with nothing of it is still one for each element
    elements = _elements(element, text) or (["attempt"] if element else [])
    made = {*amounts.expressions, PARTS, *(f"{name}{BY_PART}" for name in _BUCKETS)}
    apart = {name: name if name in made else f"{source}.{name}" for name in elements}
    wanted = {*whole, *apart.values()} | ({"attempts.attempt"} if source == "requests" else set())
    rows = _by_part(below, wanted, _part_of(source)) if PARTS in names else _rows(below, wanted)
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


def _part_of(source: Source) -> str:
    """What has parts of its own: a call, or the whole request, whose attempts are of different calls."""
    return "call" if source == "calls" else "r"


def _told(outer: Columns, name: str, element: str) -> str:
    """An amount of a source by part: its expression, of what each part has of the amounts of calls."""
    text = outer.expressions[name.removesuffix(BY_PART)]
    of = "call" if element == "call" else "r"
    used = sorted(set(re.findall(rf"\b{of}\.(\w+)", text)) & _BUCKETS.keys())
    text = re.sub(rf"\b{of}\.({'|'.join(used)})\b(?!\.)", r"\1", text)
    return f"arrayMap(({', '.join(used)}) -> ifNull({text}, 0), {', '.join(f'{of}.{one}{BY_PART}' for one in used)})"


def _by_part(amounts: Columns, wanted: Collection[str], of: str) -> str:
    """Rows with parts, of the whole request or of each call, and amounts of calls by these."""
    told = sorted(name for name in wanted if name.endswith(BY_PART))
    plain = set(wanted) - {*told, PARTS}
    bases = [name.removesuffix(BY_PART) for name in told]
    buckets = sorted({bucket for name in bases for bucket in _BUCKETS[name]})
    of_calls = {*bases, "rate_numbers", "buckets", "calls.reported_cost_usd"}
    going = ",\n  ".join(f"f.`{name}` AS `{name}`" for name in sorted(plain | of_calls))
    parts, share = (_PARTS_OF_CALLS, _SHARE_OF_CALLS) if of == "call" else (_PARTS, _SHARE)
    said = [f"f.`{name}` AS `{name}`" for name in [*sorted(plain), PARTS]]
    said += [
        share.format(name=name, buckets=", ".join(map(str, _BUCKETS[name]))) + f" AS {name}{BY_PART}" for name in bases
    ]
    return (
        "SELECT " + ",\n  ".join(said) + f"\nFROM (SELECT {going}, {parts.format(buckets=buckets)} AS {PARTS}\n"
        f"FROM ({_rows(amounts, plain | of_calls)}) AS f) AS f"
    )


_PARTS: Final = """arraySort(arrayDistinct(arrayPushFront(arrayFlatten(arrayMap((number, n) -> arrayMap(b -> number + b,
  arrayFilter(b -> n[b] != 0, {buckets})), f.rate_numbers, f.buckets)), toUInt64(0))))"""
_PARTS_OF_CALLS: Final = """arrayMap((number, n) -> arrayPushFront(arrayMap(b -> number + b,
  arrayFilter(b -> n[b] != 0, {buckets})), toUInt64(0)), f.rate_numbers, f.buckets)"""
# What is not known stays so.
_OF_CALL: Final = """multiIf(isNaN(x), x, part = 0, if(own IS NULL, 0, x),
  bitAnd(part, 7) IN ({buckets}) AND bitAnd(part, bitNot(toUInt64(7))) = number, n[bitAnd(part, 7)], 0)"""
_SHARE: Final = f"""arrayMap(part -> arrayMap((x, own, number, n) -> {_OF_CALL},
  f.{{name}}, f.`calls.reported_cost_usd`, f.rate_numbers, f.buckets), f.parts)"""
_SHARE_OF_CALLS: Final = f"""arrayMap((x, own, number, n, parts) -> arrayMap(part -> {_OF_CALL}, parts),
  f.{{name}}, f.`calls.reported_cost_usd`, f.rate_numbers, f.buckets, f.parts)"""


def _elements(element: str, text: str) -> list[str]:
    return sorted(set(re.findall(rf"\b{element}\.(\w+)", text))) if element else []
