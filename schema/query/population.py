"""Composes the rows that a metric counts: those of a window, filtered, each with the key of its group."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from sqlalchemy import ColumnElement, FromClause, Select, Subquery, Table, and_, func, literal, select, tuple_
from sqlalchemy.sql.compiler import SQLCompiler

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.catalogue import Source
from thinkmeter.schema.query.filters import ATTRIBUTE, COLUMNS, Filters
from thinkmeter.schema.tables import ATTEMPTS, CALLS, REQUESTS

VIEWS: Final[Mapping[Source, Table]] = {"calls": CALLS, "attempts": ATTEMPTS, "requests": REQUESTS}
TIMES: Final[Mapping[Source, str]] = {"calls": "time", "attempts": "request_time", "requests": "time"}
"""Column that decides whether a row belongs to the window: an attempt belongs where its request does."""

BUCKET: Final = "bucket:"
"""`bucket:SECONDS`: a stretch of time, for curves."""
STEPS_S: Final = {"day": 86_400, "hour": 3_600}

_DIALECT: Final = ClickHouseDialect(server_side_params=True)

Rows = Select[Any]
Expression = ColumnElement[Any]


def compiled(rows: Rows) -> tuple[str, dict[str, Any]]:
    """SQL with `{name:Type}` in place of every value, and the values."""
    statement = rows.compile(dialect=_DIALECT)
    assert isinstance(statement, SQLCompiler)
    return statement.string, statement.params


def population(source: Source, filters: Filters, by: Iterable[str], timezone: str) -> Rows:
    """Rows of a view that `filters` lets through, with a column `key`: the tuple of what they are told apart by.

    Times in it are begins of stretches in `timezone`, as seconds since 1970.
    """
    names = tuple(by)
    view = _View.of(source, filters, [*names, *filters.where])
    key = [view.told_apart_by(name, timezone) for name in names] or [literal("")]
    return view.rows(func.tuple(*key).label("key"), view.table)


def listed(source: Source, filters: Filters) -> Rows:
    """Rows of a view that `filters` lets through, as they are."""
    view = _View.of(source, filters, filters.where)
    return view.rows(view.table)


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    """A view, with the attributes joined to it that its rows do not carry themselves."""

    source: Source
    table: Table
    filters: Filters
    said: Mapping[str, Subquery]

    @classmethod
    def of(cls, source: Source, filters: Filters, names: Iterable[str]) -> "_View":
        attributes = dict.fromkeys(name for name in names if name.startswith(ATTRIBUTE) and source != "calls")
        said = {name: _attribute(name, filters, f"said_{n}") for n, name in enumerate(attributes)}
        return cls(source, VIEWS[source], filters, said)

    @property
    def time(self) -> Expression:
        return self.table.c[TIMES[self.source]]

    def rows(self, *columns: Expression | Table) -> Rows:
        joined: FromClause = self.table
        for said in self.said.values():
            same = and_(said.c.project == self.table.c.project, said.c.request_id == self.table.c.request_id)
            joined = joined.outerjoin(said, same)
        # Where a request belongs can only be said from all its calls, and the views work on whole requests; naming
        # the few requests first lets the store leave out all others before it begins.
        conditions: list[ColumnElement[bool]] = [
            tuple_(self.table.c.project, self.table.c.request_id).in_(_started(self.filters)),
            self.time >= self.filters.since,
            self.time < self.filters.until,
        ]
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
            own = func.arrayElement(CALLS.c.attributes, name.removeprefix(ATTRIBUTE))
            return own if self.source == "calls" else self.said[name].c.value
        if name not in COLUMNS[self.source]:
            known = ", ".join([*COLUMNS[self.source], "attr:NAME"])
            raise ThinkmeterError(f"{self.source} have no {name}, only {known}")
        return self.table.c[COLUMNS[self.source][name]]

    def told_apart_by(self, name: str, timezone: str) -> Expression:
        if name in STEPS_S or name.startswith(BUCKET):
            step_s = STEPS_S.get(name) or int(name.removeprefix(BUCKET))
            local = func.toTimeZone(self.time, timezone)
            if step_s == STEPS_S["day"]:
                return func.toUnixTimestamp(func.toStartOfDay(local))
            hours, rest = divmod(step_s, STEPS_S["hour"])  # only hours are counted from local midnight
            step = func.toIntervalSecond(step_s) if rest else func.toIntervalHour(hours)
            return func.toUnixTimestamp(func.toStartOfInterval(local, step))
        if self.source == "calls" and name in ("user", "session"):
            # a request has one user, whichever of its calls says so
            whole = [self.table.c.project, self.table.c.request_id]
            return func.argMinIf(self.column(name), self.time, self.column(name) != "").over(partition_by=whole)
        return self.column(name)


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
