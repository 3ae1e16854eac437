"""What is known of an attribute by its name, as ClickHouse's expressions: a code, and what follows from it."""

import re
from functools import cache
from typing import Final

from thinkmeter.collector.dialects import CONTENT_NAMES, DIALECTS, OPEN_BEGINNINGS, UNCLAIMED, candidates, shown
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.sql import listed

FIELDS: Final = (*f.TEXTS, *f.NUMBERS)
FIRST_NUMBER: Final = len(f.TEXTS) + 1
"""Fields are counted from 1, texts before numbers."""
NO_DIALECT: Final = 15
"""A span's dialect is its place in DIALECTS, or this."""
REPLY: Final = "0xFE000000"
THINKING: Final = "0xFD000000"
CONTENT: Final = "0xFC000000"
PLAIN: Final = "0xFB000000"
"""Codes of attributes that no dialect reads: the reply, the text of its thinking, other content, and none of these."""


def coded() -> str:
    """Of `keys`: what each attribute is, 0xCFFRRDDDD, 0 where its name is not known.

    F is its field, R its rank among the field's names, D the dialects that read it (a bit each), C the dialect whose
    mark it is, counted from the last.
    """
    marks = {mark: NO_DIALECT - place for place, dialect in reversed([*enumerate(DIALECTS)]) for mark in dialect.marks}
    codes = [f"0x{marks.get(name, 0):X}{code[2:]}" for name, code in _codes().items()]
    return f"arrayMap(key -> transform(key, [{listed(_codes())}], [{', '.join(codes)}], 0), keys)"


def claiming() -> str:
    """Of `coded` and `scope_name`: place of the first dialect that claims the span.

    By an attribute that is its mark, or by its scope, with whatever follows that after a dot.
    """
    places: dict[int, dict[str, str]] = {}
    for place, dialect in reversed([*enumerate(DIALECTS)]):
        for scope in dialect.scopes:
            places.setdefault(scope.count(".") + 1, {})[scope] = str(place)
    claims = [f"{NO_DIALECT} - arrayMax(arrayMap(code -> bitShiftRight(code, 32), coded))"]
    for parts, of in sorted(places.items()):
        begins = f"substringIndex(scope_name, '.', {parts})"
        claims.append(f"transform({begins}, [{listed(of)}], [{', '.join(of.values())}], {NO_DIALECT})")
    return f"toUInt8(least({', '.join(claims)}))"


def opens() -> str:
    """Of `codes` and `keys`: whether a name that is not known may be one of those that stand for many."""
    begins = f"substringIndex(key, '.', 2) IN ({listed(sorted(OPEN_BEGINNINGS))})"
    return f"arrayMap((code, key) -> if(code = 0, {begins}, 0), codes, keys)"


def kept(stays: str, content_stays: str, content: str) -> str:
    """Of `codes`, `opens`, `keys` and `texts`: whether each may stay, and has no column that has it as it was sent.

    Args:
        stays: SQL of whether an attribute of this `key` and `value` may stay, whatever its name.
        content_stays: the same of one that is known to be content.
        content: pattern of names that are content.
    """
    verbatim = ", ".join(f"0x{number_of(field):02X}00" for field in f.VERBATIM)
    has_column = f"bitTest(code, dialect_number) AND bitShiftRight(code, 16) IN ({verbatim})"
    may_stay = f"multiIf(open, {stays}, code IN ({_listed_content(content)}), {content_stays}, 1)"
    return f"arrayMap((code, open, key, value) -> NOT ({has_column}) AND {may_stay}, codes, opens, keys, texts)"


def unread(keys: str, values: str) -> str:
    """For every attribute of a span whether it is content that nobody reads.

    The reply is read where thinking may be said to be 0, to see whether it shows any.

    Args:
        keys: the attributes' names, as SQL.
        values: their values, as `wire` has them.
    """
    classes = {
        **{name: "1" for field in shown.NUMBERS for name in candidates(field)},
        **{name: "2" for field in shown.WORDS for name in candidates(field)},
        **{name: "3" if name in shown.LOOKED_INTO else "4" for name in sorted(CONTENT_NAMES) if name not in _read()},
    }
    told = (
        f"arrayMap(key -> transform(key, [{listed(classes)}], [{', '.join(classes.values())}], 0), {keys}) AS classes"
    )
    # what is said in other ways than as an integer has 0 there
    may_be_none = f"multiIf(class = 1, number = 0, class = 2, lower(word) IN ({listed(shown.OFF)}), 0)"
    least = f"if(arrayExists((class, number, word) -> {may_be_none}, classes, {values}.int, {values}.text), 3, 2)"
    return f"arrayMap((class, least) -> class > least, {told}, arrayWithConstant(length({keys}), {least}))"


def number_of(field: str) -> int:
    """Of a field in codes."""
    return FIELDS.index(field) + 1


def _listed_content(content: str) -> str:
    """Codes of names in the table that are content as well, each once."""
    return ", ".join(dict.fromkeys(code for name, code in _codes().items() if re.search(content, name)))


def _read() -> frozenset[str]:
    """Names that some dialect reads, or is known by."""
    return frozenset({name for dialect in DIALECTS for own in (dialect.marks, *dialect.names.values()) for name in own})


@cache
def _codes() -> dict[str, str]:
    """Every known attribute name, and its code."""
    codes: dict[str, str] = {}
    for field in FIELDS:
        for rank, name in enumerate(candidates(field)):
            if name in codes:
                raise ValueError(f"the attribute {name} stands for two fields")
            readers = [n for n, dialect in enumerate(DIALECTS) if name in dialect.names.get(field, ())]
            readers += [NO_DIALECT] if name in UNCLAIMED.names.get(field, ()) else []
            codes[name] = f"0x{number_of(field):02X}{rank:02X}{sum(1 << reader for reader in readers):04X}"
    # marks that are nothing else are read by no dialect
    for rank, mark in enumerate(sorted({mark for dialect in DIALECTS for mark in dialect.marks} - codes.keys())):
        codes[mark] = f"0xFF{rank:02X}0000"
    unread = {REPLY: shown.REPLY, THINKING: shown.THINKING, CONTENT: CONTENT_NAMES, PLAIN: frozenset(f.PLAIN)}
    for code, names in unread.items():
        codes |= dict.fromkeys(sorted(names - codes.keys()), code)
    return codes
