"""Composes the rows that a metric counts: those of a window, filtered, each with the key of its group."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.sql.compiler import SQLCompiler

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.catalogue import Source
from thinkmeter.schema.query.facts import selected
from thinkmeter.schema.query.filters import ATTRIBUTE, COLUMNS, Filters
from thinkmeter.schema.store.statement import statement
from thinkmeter.schema.tables import (
    ATTEMPTS,
    CALLS,
    FACT_ATTEMPTS,
    FACT_CALLS,
    FACT_REQUESTS,
    REQUESTS,
    WHOLE_ATTEMPTS,
    WHOLE_CALLS,
)

VIEWS: Final[Mapping[Source, Table]] = {"calls": CALLS, "attempts": ATTEMPTS, "requests": REQUESTS}
WHOLE: Final[Mapping[Source, Table]] = {"calls": WHOLE_CALLS, "attempts": WHOLE_ATTEMPTS, "requests": REQUESTS}
FACTS: Final[Mapping[Source, Table]] = {"calls": FACT_CALLS, "attempts": FACT_ATTEMPTS, "requests": FACT_REQUESTS}
TIMES: Final[Mapping[Source, str]] = {"calls": "time", "attempts": "request_time", "requests": "time"}
"""Column that decides whether a row belongs to the window: an attempt belongs where its request does."""
BEGINS: Final[Mapping[Source, str]] = {"calls": "request_time", "attempts": "request_time", "requests": "time"}
"""Column of facts that says when a row's request began."""

BUCKET: Final = "bucket:"
"""`bucket:SECONDS`: a stretch of time, for curves."""
STEPS_S: Final = {"day": 86_400, "hour": 3_600}
QUARTER: Final = "quarter of its request"
"""The quarter of an hour in which a row's request began: for rollups, which are made of whole ones."""

_OF_REQUEST: Final = {"user": "request_user", "session": "request_session"}
_DIALECT: Final = ClickHouseDialect(server_side_params=True)

Rows = Select[Any]
Expression = ColumnElement[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Quarters:
    """Requests that began in some quarters of an hour, each named by its begin in seconds since 1970.

    Attributes:
        inside: those that are named.
        outside: and all before and after these two, where given.
    """

    inside: Sequence[int]
    outside: tuple[int, int] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What their condition is bound to."""
        begin, end = self.outside or (0, 0)
        return {"quarters": list(self.inside), "quarters_begin": begin, "quarters_end": end}

    def condition(self, begun: Expression) -> ColumnElement[bool]:
        """Whether a request that began then is among them."""
        text = f"toStartOfFifteenMinutes({begun})"
        any_of = [f"{text} IN {{quarters:Array(DateTime('UTC'))}}"] if self.inside else []
        if self.outside:
            any_of.append(f"{text} < toDateTime({{quarters_begin:UInt32}}, 'UTC')")
            any_of.append(f"{text} >= toDateTime({{quarters_end:UInt32}}, 'UTC')")
        return literal_column(f"({' OR '.join(any_of)})", Boolean)


def step_s(name: str) -> int | None:
    """How long a stretch of time is, in seconds, that rows are told apart by; None where it is not by time."""
    if name in STEPS_S:
        return STEPS_S[name]
    return int(name.removeprefix(BUCKET)) if name.startswith(BUCKET) else None


def stretch(time: Expression, name: str, timezone: str) -> Expression:
    """Begin of the stretch that a time lies in, in seconds since 1970."""
    length_s, local = step_s(name), func.toTimeZone(time, timezone)
    assert length_s
    if length_s == STEPS_S["day"]:
        return func.toUnixTimestamp(func.toStartOfDay(local))
    hours, rest = divmod(length_s, STEPS_S["hour"])  # only hours are counted from local midnight
    step = func.toIntervalSecond(length_s) if rest else func.toIntervalHour(hours)
    return func.toUnixTimestamp(func.toStartOfInterval(local, step))


def compiled(rows: Rows) -> tuple[str, dict[str, Any]]:
    """SQL with `{name:Type}` in place of every value, and the values."""
    text, values = _text(rows)
    defined = [_definition(source, table, text) for source, table in FACTS.items() if table.name in text]
    return ("WITH " + ",\n".join(defined) + "\n" if defined else "") + text, values


def compiled_expression(expression: Expression) -> str:
    """SQL of an expression without values of its own but numbers and names, which are written out."""
    return str(expression.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def _text(rows: Rows) -> tuple[str, dict[str, Any]]:
    compiler = rows.compile(dialect=_DIALECT)
    assert isinstance(compiler, SQLCompiler)
    return compiler.string, compiler.params


def _definition(source: Source, table: Table, text: str) -> str:
    """What a table is that the store has none of: of facts the columns that the text names."""
    if table is FACTS[source]:
        used = frozenset(re.findall(rf"\b{re.escape(table.name)}`?\.`?(\w+)", text))
        return f"{table.name} AS (\n{selected(source, used)}\n)"
    more = {column.name for column in table.columns} - {column.name for column in VIEWS[source].columns}
    wanted = more & set(re.findall(r"\w+", text))
    query = statement(__package__, table.name) if wanted else f"SELECT * FROM {source}"
    return f"{table.name} AS (\n{query}\n)"


def asked(
    source: Source,
    filters: Filters,
    by: Iterable[str],
    timezone: str,
    sql: str,
    *,
    facts: bool,
    quarters: Quarters | None = None,
    more: Iterable[str] = (),
) -> tuple[str, dict[str, Any]]:
    """A query over `population`: the rows of a source that `filters` lets through, and the values for both.

    Rows have the columns that the query names, and `key`: the tuple of what they are told apart by. Times in it are
    begins of stretches in `timezone`, as seconds since 1970.

    Args:
        source: what the rows are.
        filters: which of them.
        by: what they are told apart by.
        timezone: where days begin.
        sql: the query; it may begin with a WITH of its own.
        facts: read `request_facts` and not the views; attributes are in the views alone.
        quarters: of facts only requests that began in these.
        more: columns of facts that none of their tables has: amounts by part.
    """
    names = tuple(by)
    view = _View.of(source, filters, [*names, *filters.where], FACTS if facts else WHOLE)
    key = [view.told_apart_by(name, timezone) for name in names] or [literal("")]
    words = set(re.findall(r"\w+", sql))
    columns = [column for column in view.table.columns if column.name in words]
    parted: list[Expression] = [literal_column(f"{view.table.name}.{name}").label(name) for name in more]
    rows = view.rows(func.tuple(*key).label("key"), *columns, *parted)
    if quarters:
        rows = rows.where(quarters.condition(view.begins))
    text, values = _text(rows)
    values |= quarters.values if quarters else {}
    rest = sql if sql.startswith("SELECT") else f", {sql.removeprefix('WITH')}"
    own = "" if view.table is VIEWS[source] else _definition(source, view.table, text) + ",\n"
    return f"WITH {own}population AS (\n{text}\n)\n{rest}", values


def listed(source: Source, filters: Filters, *, facts: bool = False) -> Rows:
    """Rows of a view that `filters` lets through, as they are; or of what facts have of them."""
    view = _View.of(source, filters, filters.where, FACTS if facts else VIEWS)
    return view.rows(view.table)


def may_use_facts(names: Iterable[str], source: Source = "requests", sql: str = "") -> bool:
    """Whether `request_facts` has what these filters and splits ask for, and a query over `source`.

    That is all but attributes, and columns of single calls that hardly any query names.
    """
    absent = {column.name for column in WHOLE[source].columns} - {column.name for column in FACTS[source].columns}
    words = set(re.findall(r"\w+", re.sub(r"--.*", "", sql)))
    return not absent & words and not any(name.startswith(ATTRIBUTE) for name in names)


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    """A view, or the same out of facts; with the attributes joined to it that its rows do not carry themselves."""

    source: Source
    table: Table
    filters: Filters
    said: Mapping[str, Subquery]

    @classmethod
    def of(cls, source: Source, filters: Filters, names: Iterable[str], tables: Mapping[Source, Table]) -> "_View":
        attributes = dict.fromkeys(name for name in names if name.startswith(ATTRIBUTE) and source != "calls")
        said = {name: _attribute(name, filters, f"said_{n}") for n, name in enumerate(attributes)}
        return cls(source, tables[source], filters, said)

    @property
    def facts(self) -> bool:
        return self.table is FACTS[self.source]

    @property
    def time(self) -> Expression:
        return self.table.c[TIMES[self.source]]

    @property
    def begins(self) -> Expression:
        return self.table.c[BEGINS[self.source]]

    def rows(self, *columns: Expression | Table) -> Rows:
        joined: FromClause = self.table
        for said in self.said.values():
            same = and_(said.c.project == self.table.c.project, said.c.request_id == self.table.c.request_id)
            joined = joined.outerjoin(said, same)
        conditions: list[ColumnElement[bool]] = [self.time >= self.filters.since, self.time < self.filters.until]
        if not self.facts:
            # Where a request belongs can only be said from all its calls, and the views work on whole requests; naming
            # the few requests first lets the store leave out all others before it begins.
            conditions.append(tuple_(self.table.c.project, self.table.c.request_id).in_(_started(self.filters)))
        elif self.source == "calls":
            whole = self.table.c
            conditions += [whole.last_call >= self.filters.since, whole.first_call < self.filters.until]
        if self.filters.project is not None:
            conditions.append(self.table.c.project == self.filters.project)
        conditions += [self.column(name) == value for name, value in self.filters.where.items()]
        return select(*columns).select_from(joined).where(*conditions)

    def column(self, name: str) -> Expression:
        """What `name` is called in this view.

        Raises:
            ThinkmeterError: it has nothing of that name.
        """
        if name.startswith(ATTRIBUTE):
            if self.source != "calls":
                return self.said[name].c.value
            return func.arrayElement(self.table.c.attributes, name.removeprefix(ATTRIBUTE))
        if name not in COLUMNS[self.source]:
            known = ", ".join([*COLUMNS[self.source], "attr:NAME"])
            raise ThinkmeterError(f"{self.source} have no {name}, only {known}")
        of_request = _OF_REQUEST.get(name, "")
        # a request has one user, whichever of its calls says so
        return self.table.c[of_request if of_request in self.table.c else COLUMNS[self.source][name]]

    def told_apart_by(self, name: str, timezone: str) -> Expression:
        if name == QUARTER:
            return func.toUnixTimestamp(func.toStartOfFifteenMinutes(self.begins))
        if name == "project":
            return self.table.c.project
        return self.column(name) if step_s(name) is None else stretch(self.time, name, timezone)


def _started(filters: Filters) -> Rows:
    """Project and id of every request with a call in the window: all that can belong to it."""
    conditions = [CALLS.c.time >= filters.since, CALLS.c.time < filters.until]
    if filters.project is not None:
        conditions.append(CALLS.c.project == filters.project)
    return select(CALLS.c.project, CALLS.c.request_id).where(and_(*conditions)).correlate(None)


def _attribute(name: str, filters: Filters, alias: str) -> Subquery:
    """An attribute of each request, as the first of its calls says it that says it at all."""
    attribute = name.removeprefix(ATTRIBUTE)
    has, value = func.mapContains(CALLS.c.attributes, attribute), func.arrayElement(CALLS.c.attributes, attribute)
    return (
        select(CALLS.c.project, CALLS.c.request_id, func.argMinIf(value, CALLS.c.time, has).label("value"))
        .where(tuple_(CALLS.c.project, CALLS.c.request_id).in_(_started(filters)))
        .group_by(CALLS.c.project, CALLS.c.request_id)
        .subquery(alias)
    )
