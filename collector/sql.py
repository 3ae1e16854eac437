"""Composing long SELECTs: literals, and layers of subqueries."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

Layer = Mapping[str, str]
"""Columns of a SELECT: name -> expression."""


def quoted(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def listed(values: Iterable[str]) -> str:
    """String literals, between commas."""
    return ", ".join(map(quoted, values))


def mapped(value: str, table: Mapping[str, str], otherwise: str = "''") -> str:
    """What a table says of a value, else something else."""
    return f"transform({value}, [{listed(table)}], [{listed(table.values())}], {otherwise})"


def selected(columns: Layer) -> str:
    """`expression AS column`, one a line."""
    return ",\n  ".join(c if c == expression else f"{expression} AS {c}" for c, expression in columns.items())


def same(*columns: str) -> dict[str, str]:
    """Columns that stay as they are."""
    return {column: column for column in columns}


def all_of(*conditions: str) -> str:
    """Whether all of these hold; NULL if one is NULL.

    AND has the store look for comparisons with constants that contradict one another. For each it walks through all
    subqueries below, which is most of the planning of many layers.
    """
    return _folded("bitAnd", conditions)


def any_of(*conditions: str) -> str:
    """Whether one of these holds; NULL if one is NULL. Why not OR: see `all_of`."""
    return _folded("bitOr", conditions)


def layered(table: str, columns: Collection[str], layers: Sequence[Layer]) -> str:
    """A SELECT of the columns of the last layer; each layer stands on those before it, the first on a table.

    A layer is a subquery, because the store writes an alias out wherever another expression of its SELECT uses it:
    a chain of aliases would grow with every link. Within a layer one link is allowed. Each subquery selects what
    those around it need and no more.

    Args:
        table: the table's name, or a subquery.
        columns: the table's columns.
        layers: a column may use those of earlier layers, and those of its own layer that do no such thing.

    Raises:
        ValueError: a chain of columns within a layer.
    """
    words = [{column: _words(expression) for column, expression in layer.items()} for layer in layers]
    source, available = table, set(columns)
    for place, (layer, used) in enumerate(zip(layers, words, strict=True)):
        changed = {column for column, expression in layer.items() if expression != column}
        linked = {column for column in changed if used[column] & changed - {column}}
        for column in changed:
            if chain := used[column] & linked - {column}:
                raise ValueError(f"{column} uses {', '.join(sorted(chain))}, which use columns of the same layer")
        later = {word for following in words[place + 1 :] for own in following.values() for word in own}
        passed = {column: column for column in sorted(available & later - layer.keys())}
        select = f"SELECT\n  {selected({**passed, **layer})}\nFROM {source}"
        available = {*passed, *layer}
        source = f"(\n{select})"
    return select


def _folded(function: str, conditions: Sequence[str]) -> str:
    *first, folded = conditions
    for condition in reversed(first):
        folded = f"{function}({condition}, {folded})"
    return folded


def _words(expression: str) -> set[str]:
    return set(re.findall(r"\b[a-z_]\w*\b", re.sub(r"'(?:[^'\\]|\\.)*'", "", expression)))
