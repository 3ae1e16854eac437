"""OTLP as ClickHouse sees it: the structure of a body, and the text of a value.

Every value becomes text, as it stands in the maps of attributes:

| value | text |
|---|---|
| string | as it is |
| int, double, bool | as ClickHouse writes them: `5`, `0.1`, `1e21`, `nan`, `true` |
| bytes | base64 |
| list, map | JSON, as deep as below; deeper lists and maps are `null`, and so are nan and infinity |
| none | empty |

Depth costs time at every insert, whether or not it is used, so it is what each place needs: an attribute of a span
may be a list of lists or a map of maps; the messages that log records carry are lists of maps of lists of maps.

Requests of spans are nearly always flat: no value is a map or bytes, and lists hold strings. Theirs is a structure of
its own, whose types are half as long, and so are planned in two thirds and filled in three quarters of the time.
"""

from collections.abc import Iterable
from typing import Final

from thinkmeter.collector.sql import quoted

RESOURCE_DEPTH: Final = 1
SPAN_DEPTH: Final = 2
EVENT_DEPTH: Final = 1
LOG_DEPTH: Final = 4
"""Levels of lists and maps that are read, by place."""
FLAT_DEPTH: Final = 1
"""Levels of lists in flat requests, which have no maps."""
NOT_FLAT: Final = "a request that was taken for flat has maps, bytes, or lists of more than strings"
"""What the store says where one is not."""
DEEP: Final = "\x1adeep\x1a"
"""What stands in a text in place of what is not flat, where that is asked for."""
FAILS: Final = f"if(throwIf({{condition}}, {quoted(NOT_FLAT)}), '', {{otherwise}})"
TELLS: Final = f"if({{condition}}, {quoted(DEEP)}, {{otherwise}})"
"""The text of a value that is perhaps not flat, in SQL: the end of the query, or DEEP."""

KINDS: Final = ("none", "text", "flag", "int", "real", "list", "map", "bytes")
"""Which member of a value is set, in the order of OTLP's field numbers."""

SCALARS: Final = {"text": "String", "flag": "Bool", "int": "Int64", "real": "Float64", "bytes": "String"}
"""What a value consists of that is no list and no map, and the store's types."""
FLAT_SCALARS: Final = ("text", "flag", "int", "real")
FLAT_ELEMENTS: Final = ("text",)
"""Those that are read in a flat request, and in its lists."""
QUOTED_BASE64: Final = "concat('\"', base64Encode({}), '\"')"


def traces_structure(flat: bool = False) -> str:
    """Columns of a body of spans, or of one that is flat."""
    of_event, of_span = (_attributes(FLAT_DEPTH if flat else depth, flat) for depth in (EVENT_DEPTH, SPAN_DEPTH))
    span = (
        "Tuple(trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32,"
        f" start UInt64, end UInt64, attributes {of_span},"
        f" events Array(Tuple(time UInt64, name String, attributes {of_event})),"
        " status Tuple(message String, code Int32))"
    )
    return _body(f"spans Array({span})", flat)


def logs_structure() -> str:
    """Columns of a body of log records."""
    record = (
        "Tuple(time UInt64, severity Int32, severity_text String,"
        f" body {_value(LOG_DEPTH)}, attributes {_attributes(LOG_DEPTH)},"
        " trace_id String, span_id String, observed UInt64, event_name String)"
    )
    return _body(f"records Array({record})")


def texts(values: str, depth: int, *, flat: str = "", few: bool = False, unread: str = "") -> str:
    """SQL: the texts of an array of values, given as SQL.

    Args:
        values: the array.
        depth: levels of lists and maps that are read.
        flat: FAILS or TELLS for values of requests that are taken for flat.
        few: it is not worth planning a way for scalars alone.
        unread: an array that says of each value whether its text will be thrown away; then it may be ''.
    """
    if few:
        return f"arrayMap(v -> {text('v', depth, flat)}, {values})"
    if flat:
        return _flat_texts(values, unread, flat)
    # Most values are scalars or lists of them. Only rows with anything else take the way through all levels.
    deep = f"arrayExists(kind -> kind = 'map', {values}.kind)"
    if depth > FLAT_DEPTH:
        deep += f" OR arrayExists(kinds -> hasAny(kinds, ['list', 'map']), {values}.list.items.kind)"
    return f"if({deep}, arrayMap(v -> {text('v', depth)}, {values}), {_flat_texts(values, unread)})"


def text(value: str, depth: int, flat: str = "") -> str:
    """SQL: the text of one value, given as SQL; `flat` is FAILS or TELLS where it is taken for flat."""
    members = (
        "''",
        f"{value}.text",
        f"toString({value}.flag)",
        f"toString({value}.int)",
        f"toString({value}.real)",
        _list(value, FLAT_DEPTH if flat else depth, flat),
        _deep(f"{value}.kind = 'map'", "''", flat) if flat else _map(value, depth),
        _deep(f"{value}.kind = 'bytes'", "''", flat) if flat else f"base64Encode({value}.bytes)",
    )
    return _member(members, value)


def _flat_texts(values: str, unread: str, flat: str = "") -> str:
    """The same for scalars and lists of scalars, over each member's own array, which costs a third."""
    scalars, elements = (FLAT_SCALARS, FLAT_ELEMENTS) if flat else (tuple(SCALARS), tuple(SCALARS))
    nothing = _deep("vkind IN ('map', 'bytes')", "''", flat)
    null = _deep("ekind != 'none'", "'null'", flat)
    of_element = [f"e{member}" for member in ("kind", *elements)]
    element = f"multiIf({_cases('e', elements, 'toJSONString({})', _finite('{}'), QUOTED_BASE64)}, {null})"
    listed = f"arrayMap(({', '.join(of_element)}) -> {element}, {', '.join(f'list_{name}' for name in of_element)})"
    members = [f"{values}.{member}" for member in ("kind", *scalars)]
    members += [f"{values}.list.items.{member}" for member in ("kind", *elements)]
    lambda_of = [f"v{member}" for member in ("kind", *scalars)] + [f"list_{name}" for name in of_element]
    # one function for all cases: a text is copied by each that it goes through
    cases = f"vkind = 'list', concat('[', arrayStringConcat({listed}, ','), ']'),"
    cases += f" {_cases('v', scalars, '{}', 'toString({})', 'base64Encode({})')}"
    if unread:
        members.append(unread)
        lambda_of.append("unread")
        cases = f"unread, '', {cases}"
    return f"arrayMap(({', '.join(lambda_of)}) -> multiIf({cases}, {nothing}), {', '.join(members)})"


def _cases(prefix: str, members: Iterable[str], text: str, real: str, encoded: str) -> str:
    """Of a `multiIf`, by the kind of a scalar."""
    forms = {"text": text, "flag": "toString({})", "int": "toString({})", "real": real, "bytes": encoded}
    return ", ".join(f"{prefix}kind = '{m}', {forms[m].replace('{}', prefix + m)}" for m in members)


def _deep(condition: str, otherwise: str, flat: str) -> str:
    """What stands for a value that is neither scalar nor a list where such a one is not expected."""
    return flat.format(condition=condition, otherwise=otherwise) if flat else otherwise


def _json(value: str, depth: int, flat: str) -> str:
    if flat:
        null = _deep(f"{value}.kind != 'none'", "'null'", flat)
        return f"if({value}.kind = 'text', toJSONString({value}.text), {null})"
    members = (
        "'null'",
        f"toJSONString({value}.text)",
        f"toString({value}.flag)",
        f"toString({value}.int)",
        _finite(f"{value}.real"),
        _list(value, depth),
        _map(value, depth),
        QUOTED_BASE64.format(f"{value}.bytes"),
    )
    return _member(members, value)


def _list(value: str, depth: int, flat: str = "") -> str:
    if depth == 0:
        return "'null'"
    item = f"i{depth}"
    items = f"arrayMap({item} -> {_json(item, depth - 1, flat)}, {value}.list.items)"
    return f"concat('[', arrayStringConcat({items}, ','), ']')"


def _map(value: str, depth: int) -> str:
    if depth == 0:
        return "'null'"
    item = f"e{depth}"
    entry = f"concat(toJSONString({item}.key), ':', {_json(f'{item}.value', depth - 1, '')})"
    return f"concat('{{', arrayStringConcat(arrayMap({item} -> {entry}, {value}.map.items), ','), '}}')"


def _member(members: tuple[str, ...], value: str) -> str:
    """One of several texts by the kind of a value; an array is several times as fast as nested conditions."""
    return f"[{', '.join(members)}][toInt8({value}.kind) + 1]"


def _finite(number: str) -> str:
    return f"if(isFinite({number}), toString({number}), 'null')"


def _body(contents: str, flat: bool = False) -> str:
    return (
        "project String, received UInt64, resources Array(Tuple("
        f"resource Tuple(attributes {_attributes(RESOURCE_DEPTH, flat)}),"
        f" scopes Array(Tuple(scope Tuple(name String, version String), {contents}))))"
    )


def _attributes(depth: int, flat: bool = False) -> str:
    return f"Array(Tuple(key String, value {_value(depth, flat)}))"


def _value(depth: int, flat: bool = False) -> str:
    scalars = ", ".join(f"{name} {kind}" for name, kind in SCALARS.items())
    kinds = ", ".join(f"'{kind}' = {number}" for number, kind in enumerate(KINDS))
    containers = ""
    if depth:
        inner = _value(depth - 1, flat)
        containers = f"list Tuple(items Array({inner})), "
        containers += "" if flat else f"map Tuple(items Array(Tuple(key String, value {inner}))), "
    # of a scalar without a column the store would not see that it is there
    return f"Tuple({scalars}, {containers}kind Enum8({kinds}))"
