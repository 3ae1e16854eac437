"""The cells of metrics out of rollups, for whole stretches of a window; facts are counted for the rest of it."""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Self

from sqlalchemy import literal_column

from thinkmeter.schema.metrics.catalogue import METRICS, Metric
from thinkmeter.schema.query.cell_amounts import (
    RATES,
    WORTH,
    current,
    each_part,
    folded,
    items,
    kept,
    summed_by_part,
    valued,
)
from thinkmeter.schema.query.coverage import DAY_S, QUARTER_S, Covered
from thinkmeter.schema.query.facts import PARTS
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.population import BUCKET, QUARTER, Quarters, asked, compiled_expression, step_s, stretch
from thinkmeter.schema.tables import ROLLED, SPREAD

PLACES: Final = ("environment", "model", "tier", "provider")
"""By what cells are told apart beside stretch, quarter, project and what the metric itself groups by, `task` always."""
ROLLUPS_FROM: Final = 200_000
"""Requests of a window that are counted one by one in the time that it takes to plan a question to rollups."""

_TYPES: Final = {"tier": "UInt8"}


@dataclasses.dataclass(frozen=True, slots=True)
class Outline:
    """What the query of a metric selects beside `key`.

    Attributes:
        groups: columns that its rows are grouped by.
        sums: columns that add up over parts of a population.
        amounts: those of them that are USD, which cells have by the rates that they are reckoned from.
        spread: the one of `groups` of which cells have an array, beside one of each sum; '' where there is none.
        decimal: whether that is a decimal number.
        distinct: a count of different requests, which add up over requests only; '' where there is none.
        columns: all of them, in the query's order.
    """

    groups: tuple[str, ...]
    sums: tuple[str, ...]
    amounts: tuple[str, ...]
    spread: str
    decimal: bool
    distinct: str
    columns: tuple[str, ...]

    @classmethod
    @cache
    def of(cls, metric: Metric) -> Self:
        """Read a metric's query."""
        text = re.sub(r"--.*", "", metric.sql)
        head, _, tail = text.partition("FROM population")
        grouped = tuple(re.findall(r"\w+", tail.rpartition("GROUP BY")[2]))
        named = {re.split(r"\s+AS\s+|\s+", item)[-1]: item for item in items(head.removeprefix("SELECT"))}
        distinct = [name for name, item in named.items() if item.startswith("uniqExact(project, request_id)")]
        groups = tuple(name for name in named if name in grouped and name != "key")
        sums = tuple(name for name in named if name not in (*grouped, *distinct))
        amounts = tuple(name for name in sums if re.search(r"_usd(_squared)?$", name))
        columns = tuple(name for name in named if name != "key")
        spread, decimal = SPREAD.get(metric.name, ("", False))
        return cls(groups, sums, amounts, spread, decimal, "".join(distinct), columns)

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table of its cells has of it."""
        return (*self.groups, *self.sums)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Groups but the one that is an array in cells: what tells cells of one place apart."""
        return tuple(name for name in self.groups if name != self.spread)

    @property
    def arrays(self) -> tuple[str, ...]:
        """What is an array in cells, with an element for each value of `spread`."""
        return (self.spread, *self.sums) if self.spread else ()


def may_use_rollups(metric: Metric, filters: Filters, by: Iterable[str]) -> bool:
    """Whether cells have what these filters and splits ask for."""
    known = {"task", *PLACES}
    apart = all(name in known or (step_s(name) or 1) % QUARTER_S == 0 for name in by)
    return metric.name in ROLLED and apart and filters.where.keys() <= known


def may_use_days(by: Iterable[str], timezone: str) -> bool:
    """Whether whole days can be told apart that way: cells have days of UTC."""
    steps = [step for step in map(step_s, by) if step is not None]
    return not steps or (timezone == "UTC" and all(step % DAY_S == 0 for step in steps))


def has_amounts(metric: Metric) -> bool:
    """Whether its cells change with prices."""
    return bool(re.search(r"\bcost_|_cost_|unpriced", metric.sql))


def rolled(
    metric: Metric, filters: Filters, by: Iterable[str], timezone: str, covered: Covered, told: str = ""
) -> tuple[str, dict[str, Any]]:
    """The metric's query, answered by cells where there are some and by facts for all other requests.

    Args:
        metric: one of `ROLLED`.
        filters: which of its rows.
        by: what they are told apart by.
        timezone: where days begin.
        covered: which requests have cells; all that these count lies in the window.
        told: a query over `cells`, the rows of its parts; '' for that of the metric, which joins rows that are alike.

    Returns:
        The query and what it is bound to; `Outline.arrays` are arrays in its rows, and in those of `cells`.
    """
    names, outline = tuple(by), Outline.of(metric)
    facts, values = asked(metric.source, filters, names, timezone, metric.sql, facts=True, quarters=covered.rest)
    values |= {USED: covered.sent}
    conditions, more = _conditions(filters)
    values |= more
    columns = (*outline.cells, *([outline.distinct] if outline.distinct else []))
    key = _key(names, timezone, "")
    none = f", 0 AS {outline.distinct}" if outline.distinct else ""
    own = {name: valued(name) if name in outline.amounts else f"c.{name}" for name in outline.sums}
    joined = not told and not outline.spread and not any(map(step_s, names))
    if joined:
        # Rows of many days that are alike, before they are mixed with others, and by what the key is made of: by a
        # tuple it takes twice the time. Those of different stretches are not alike.
        own = {name: f"sum({expression})" for name, expression in own.items()}
    said = (f"{own[name]} AS {name}" if name in own else name for name in outline.cells)
    parts = [
        f"{WORTH if outline.amounts else ''}SELECT {key} AS key, {', '.join(said)}{none}\n"
        f"FROM {metric.name}_cells AS c\nWHERE {' AND '.join([_USED, *conditions])}"
        + (f"\nGROUP BY {', '.join(dict.fromkeys((*names, *outline.groups)))}" if joined else "")
    ]
    if outline.distinct:
        parts.append(_distinct(outline, names, timezone, filters))
    parts.append(f"SELECT key, {', '.join(_each(outline, columns))} FROM (\n{facts}\n)")
    joining = _joining_arrays(outline) if outline.spread else _joining(outline)
    return (told or joining).replace("FROM cells", "FROM (\n" + "\nUNION ALL\n".join(parts) + "\n)"), values


def gathered(metric: Metric, sql: str, told: str = "") -> str:
    """A query of rows of a metric, or `told` of them, with arrays where those of its cells are."""
    outline = Outline.of(metric)
    if told:
        columns = ", ".join(_each(outline, outline.columns))
        return told.replace("FROM cells", f"FROM (SELECT key, {columns} FROM (\n{sql}\n))")
    same = ", ".join(("key", *outline.kinds))
    arrays = ", ".join(f"groupArray({name}) AS {name}" for name in outline.arrays)
    return f"SELECT {same}, {arrays}\nFROM (\n{sql}\n)\nGROUP BY {same}" if outline.spread else sql


def _each(outline: Outline, columns: Iterable[str]) -> list[str]:
    """Columns of rows that have a value of `spread` each, as cells have them."""
    return [f"[{name}] AS {name}" if name in outline.arrays else name for name in columns]


def _joining(outline: Outline) -> str:
    columns = ["key", *(name if name in outline.groups else f"sum({name}) AS {name}" for name in outline.columns)]
    return f"SELECT {', '.join(columns)}\nFROM cells\nGROUP BY {', '.join(['key', *outline.groups])}"


def _joining_arrays(outline: Outline) -> str:
    """Of cells with arrays: those of a group as one row, in which each value stands once, in any order.

    As maps, which takes an eighth of the time that a row for each value takes. Decimal numbers cannot be keys of maps;
    their bits can.
    """
    same, value = ", ".join(("key", *outline.kinds)), outline.spread
    keys, found = f"c.{value}", f"mapKeys(of_{outline.sums[0]})"
    if outline.decimal:
        keys, found = (
            f"arrayMap(one -> reinterpretAsInt64(one), {keys})",
            f"arrayMap(one -> reinterpretAsFloat64(one), {found})",
        )
    maps = ", ".join(f"sumMap(mapFromArrays({keys}, c.{name})) AS of_{name}" for name in outline.sums)
    sums = ", ".join(f"mapValues(of_{name}) AS {name}" for name in outline.sums)
    return (
        f"SELECT {same}, {found} AS {value}, {sums}\nFROM (\nSELECT {same}, {maps}\nFROM cells AS c\nGROUP BY {same}\n)"
    )


USED: Final = "used_stretches"
"""Table of the stretches whose cells a question reads, which is sent along with it."""
_USED: Final = f"(step, time, build) IN {USED}"


def _conditions(filters: Filters, of: str = "") -> tuple[list[str], dict[str, Any]]:
    project = {} if filters.project is None else {"project": filters.project}
    wanted: Mapping[str, Any] = {**filters.where, **project}
    texts = [f"{of if name in PLACES else ''}{name} = {{cell_{name}:{_TYPES.get(name, 'String')}}}" for name in wanted]
    return texts, {f"cell_{name}": value for name, value in wanted.items()}


def _key(names: Sequence[str], timezone: str, of: str) -> str:
    parts = [
        compiled_expression(stretch(literal_column(f"{of}quarter"), name, timezone))
        if step_s(name)
        else f"{of if name in PLACES else ''}{name}"
        for name in names
    ]
    return f"tuple({', '.join(parts) or repr('')})"


def _distinct(outline: Outline, names: Sequence[str], timezone: str, filters: Filters) -> str:
    """How many different requests there are in each group: of `reach_cells`, each row counts once for each key."""
    conditions, _ = _conditions(filters, "kind.")
    own = [text for text in conditions if text.startswith("kind.")]
    rows = [text for text in conditions if not text.startswith("kind.")]
    kinds = f"arrayFilter(kind -> {' AND '.join(own)}, kinds)" if own else "kinds"
    keys = f"arrayJoin(arrayDistinct(arrayMap(kind -> {_key(names, timezone, 'kind.')}, {kinds})))"
    none = "".join(f", 0 AS {name}" for name in outline.sums)
    return f"SELECT {keys} AS key, task{none}, requests AS {outline.distinct}\nFROM reach_cells\nWHERE " + " AND ".join(
        [_USED, *rows]
    )


def building(
    metric: Metric, begins: Sequence[int], window: tuple[dt.datetime, dt.datetime]
) -> tuple[str, dict[str, Any]]:
    """Cells of some quarters of an hour from facts, one row for each place: a query to insert from.

    Args:
        metric: one of `ROLLED`.
        begins: the quarters, in seconds since 1970.
        window: in which all that it counts of their requests lies.
    """
    outline = Outline.of(metric)
    names = (QUARTER, f"{BUCKET}{QUARTER_S}", "project", *PLACES)
    text, more = _by_part(metric) if outline.amounts else (metric.sql, [])
    sql, values = asked(
        metric.source, Filters(*window, None), names, "UTC", text, facts=True, quarters=Quarters(begins), more=more
    )
    stretch = "toDateTime(key.1, 'UTC') AS time, key.3 AS project, toDateTime(key.2, 'UTC') AS quarter"
    places = ", ".join(f"key.{position} AS {name}" for position, name in enumerate(PLACES, 4))
    told = ", ".join((*outline.groups, *outline.sums, *([PARTS] if outline.amounts else [])))
    rows = f"SELECT {stretch}, {places}, {told}\nFROM (\n{sql}\n)"
    if outline.amounts:
        rows = each_part(rows, ("time", *_COLUMNS, *outline.groups), outline.sums, outline.amounts)
    return _insert(metric, QUARTER_S, rows), values


def _by_part(metric: Metric) -> tuple[str, list[str]]:
    """The metric's query with its amounts by part, and the columns that it needs for that.

    Rows of the same parts are counted together, so that none has to stand once for each of them.
    """
    head, _, tail = re.sub(r"--.*", "", metric.sql).partition("FROM population")
    amounts, said, more = Outline.of(metric).amounts, [], {PARTS}
    for item in items(head.removeprefix("SELECT")):
        text = item
        if item.rpartition(" ")[2] in amounts:
            text, columns = summed_by_part(item)
            more |= columns
        said.append(text)
    return f"SELECT {PARTS}, {', '.join(said)}\nFROM population{tail.rstrip()}, {PARTS}", sorted(more)


_COLUMNS: Final = ("project", "quarter", *PLACES)


def _insert(metric: Metric, step: int, rows: str) -> str:
    """Cells of rows, of which those are folded together that are one cell's parts."""
    outline = Outline.of(metric)
    groups = ("time", *_COLUMNS, *outline.groups)
    if outline.spread:
        groups = ("time", *_COLUMNS, *outline.kinds)
    columns = (*groups, *(outline.arrays or outline.sums), *(["parts"] if outline.amounts else []))
    names = ", ".join(("step", "build", *columns))
    into = f"INSERT INTO {metric.name}_cells ({names})\nSELECT {step}, {{build:UInt64}}, {', '.join(groups)}, "
    if outline.spread:
        order = f"groupArray(r.{outline.spread})"
        sums = (f"arraySort((one, at) -> at, groupArray(r.{name}), {order})" for name in outline.sums)
        return f"{into}arraySort({order}), {', '.join(sums)}\nFROM (\n{rows}\n) AS r\nGROUP BY {', '.join(groups)}"
    if not outline.amounts:
        return f"{into}{', '.join(outline.sums)}\nFROM (\n{rows}\n)"
    return (
        f"{into}{folded(outline.sums, outline.amounts)}\n"
        f"FROM (SELECT *, {kept(outline.amounts)} AS kept FROM (\n{rows}\n))\nGROUP BY {', '.join(groups)}"
    )


def summing(metric: Metric) -> str:
    """Cells of whole days from those of their quarters: a query to insert from, for `days` and `build`."""
    outline = Outline.of(metric)
    columns = [f"c.{name} AS {name}" for name in ("project", *PLACES, *outline.groups)]
    columns += [f"sum(c.{name}) AS {name}" for name in outline.sums]
    cells, rates = f"SELECT * FROM {metric.name}_cells WHERE {OF_DAYS}", ""
    if outline.spread:
        cells = f"SELECT * FROM (\n{cells}\n) ARRAY JOIN {', '.join(outline.arrays)}"
    if outline.amounts:
        cells = f"SELECT * FROM (\n{cells}\n) ARRAY JOIN parts, {', '.join(outline.amounts)}"
        columns.append(f"{current('c.parts', 'c.time')} AS part")
        rates = RATES
    rows = f"{rates}SELECT toStartOfDay(c.time) AS time, toStartOfDay(c.quarter) AS quarter, {', '.join(columns)}"
    return _insert(metric, DAY_S, f"{rows}\nFROM (\n{cells}\n) AS c\nGROUP BY ALL")


OF_DAYS: Final = f"""(step, time, build) IN (SELECT r.step, r.time, max(r.build) FROM rollup_stretches AS r
  WHERE r.step = {QUARTER_S} AND toStartOfDay(r.time) IN {{days:Array(DateTime('UTC'))}} GROUP BY r.step, r.time)"""
"""Condition on cells: they are the newest of the quarters of `days`."""
AMOUNTS: Final = frozenset(name for name in ROLLED if has_amounts(METRICS[name]))
"""Metrics whose cells change with prices."""
