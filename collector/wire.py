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

Requests of spans are nearly always flat: no value is a map, and lists hold scalars. Theirs is a structure of its own,
whose types are half as long, and so are planned in three quarters and filled in four fifths of the time.
"""

from typing import Final

RESOURCE_DEPTH: Final = 1
SPAN_DEPTH: Final = 2
EVENT_DEPTH: Final = 1
LOG_DEPTH: Final = 4
"""Levels of lists and maps that are read, by place."""
FLAT_DEPTH: Final = 1
"""Levels of lists in flat requests, which have no maps."""
NOT_FLAT: Final = "a request that was taken for flat has maps, or lists of more than scalars"
"""What the store says where one is not."""

KINDS: Final = ("none", "text", "flag", "int", "real", "list", "map", "bytes")
"""Which member of a value is set, in the order of OTLP's field numbers."""

SCALARS: Final = ("kind", "text", "flag", "int", "real", "bytes")
"""What a value consists of that is no list and no map."""


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


def texts(values: str, depth: int, *, flat: bool = False, few: bool = False, unread: str = "") -> str:
    """SQL: the texts of an array of values, given as SQL.

    Args:
        values: the array.
        depth: levels of lists and maps that are read.
        flat: whether the request is flat.
        few: it is not worth planning a way for scalars alone.
        unread: an array that says of each value whether its text will be thrown away; then it may be ''.
    """
    if few:
        return f"arrayMap(v -> {text('v', depth, flat)}, {values})"
    if flat:
        return _flat_texts(values, unread)
    # Most values are scalars or lists of them. Only rows with anything else take the way through all levels.
    return f"if({is_deep(values, depth)}, arrayMap(v -> {text('v', depth)}, {values}), {_flat_texts(values, unread)})"


def is_deep(values: str, depth: int = FLAT_DEPTH + 1) -> str:
    """SQL: whether any of an array of values is a map, or a list of more than scalars where that is read."""
    deep = f"arrayExists(kind -> kind = 'map', {values}.kind)"
    if depth > FLAT_DEPTH:
        deep += f" OR arrayExists(kinds -> hasAny(kinds, ['list', 'map']), {values}.list.items.kind)"
    return deep


def text(value: str, depth: int, flat: bool = False) -> str:
    """SQL: the text of one value, given as SQL, perhaps one of a flat request."""
    if flat:
        depth = FLAT_DEPTH
    members = (
        "''",
        f"{value}.text",
        f"toString({value}.flag)",
        f"toString({value}.int)",
        f"toString({value}.real)",
        _list(value, depth),
        "''" if flat else _map(value, depth),
        f"base64Encode({value}.bytes)",
    )
    return _member(members, value)


def _flat_texts(values: str, unread: str) -> str:
    """The same for scalars and lists of scalars, over each member's own array, which costs a third."""
    members = [f"{values}.{member}" for member in SCALARS] + [f"{values}.list.items.{member}" for member in SCALARS]
    elements = [f"e{member}" for member in SCALARS]
    element = _scalar("e", "toJSONString({})", _finite("{}"), "concat('\"', base64Encode({}), '\"')", "'null'")
    listed = f"arrayMap(({', '.join(elements)}) -> {element}, {', '.join(f'list_{name}' for name in elements)})"
    scalar = _scalar("v", "{}", "toString({})", "base64Encode({})", "''")
    lambda_of = [f"v{member}" for member in SCALARS] + [f"list_{name}" for name in elements]
    if unread:
        members.append(unread)
        lambda_of.append("unread")
        scalar = f"if(unread, '', {scalar})"
    return (
        f"arrayMap(({', '.join(lambda_of)}) -> if(vkind = 'list',"
        f" concat('[', arrayStringConcat({listed}, ','), ']'), {scalar}), {', '.join(members)})"
    )


def _scalar(prefix: str, text: str, real: str, encoded: str, otherwise: str) -> str:
    forms = {"text": text, "flag": "toString({})", "int": "toString({})", "real": real, "bytes": encoded}
    cases = [f"{prefix}kind = '{member}', {form.replace('{}', prefix + member)}" for member, form in forms.items()]
    return f"multiIf({', '.join(cases)}, {otherwise})"


def _json(value: str, depth: int) -> str:
    members = (
        "'null'",
        f"toJSONString({value}.text)",
        f"toString({value}.flag)",
        f"toString({value}.int)",
        _finite(f"{value}.real"),
        _list(value, depth),
        _map(value, depth),
        f"concat('\"', base64Encode({value}.bytes), '\"')",
    )
    return _member(members, value)


def _list(value: str, depth: int) -> str:
    if depth == 0:
        return "'null'"
    item = f"i{depth}"
    return f"concat('[', arrayStringConcat(arrayMap({item} -> {_json(item, depth - 1)}, {value}.list.items), ','), ']')"


def _map(value: str, depth: int) -> str:
    if depth == 0:
        return "'null'"
    item = f"e{depth}"
    entry = f"concat(toJSONString({item}.key), ':', {_json(f'{item}.value', depth - 1)})"
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
    containers = ""
    if depth:
        inner = _value(depth - 1, flat)
        containers = f"list Tuple(items Array({inner})), "
        containers += "" if flat else f"map Tuple(items Array(Tuple(key String, value {inner}))), "
    kinds = ", ".join(f"'{kind}' = {number}" for number, kind in enumerate(KINDS))
    return f"Tuple(text String, flag Bool, int Int64, real Float64, {containers}bytes String, kind Enum8({kinds}))"
