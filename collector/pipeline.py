"""The insert, tables and views through which a segment becomes rows; `bodies` and `view` have their SQL.

An insert makes rows of the signal's own table, and the evaluations in each, of the bodies of a segment. They go into a
table that keeps nothing, its source, from which views put both where they belong: the store takes each body apart once,
in as many threads as it has, and the views are left with next to nothing to do.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from thinkmeter.collector import bodies, evaluations, view, wire
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.reference import TABLES
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.sql import quoted

Settings = Mapping[str, str | int]

FASTER_PLANNING: Final[Settings] = {
    # The views are laid out as they are to be run. Planning them anew at every insert takes longer than running
    # them on a thousand spans; without these two it takes a fifth.
    "query_plan_enable_optimizations": 0,
    "optimize_and_compare_chain": 0,
    # compiled, they take as long to run, and longer to plan
    "compile_expressions": 0,
}
"""Left out where a server does not know them."""

PROTO: Final = {signal: Path(__file__).with_name(f"segment_{signal}.proto") for signal in Signal}

_ROWS: Final[Mapping[tuple[Signal, bool], tuple[Callable[[str, Privacy], str], str]]] = {
    (Signal.TRACES, False): (bodies.span_rows, wire.traces_structure()),
    (Signal.TRACES, True): (partial(bodies.span_rows, flat=wire.FAILS), wire.traces_structure(flat=True)),
    (Signal.LOGS, False): (bodies.record_rows, wire.logs_structure()),
}
"""What makes rows of bodies, of all or of flat ones alone, and their structure."""
_MEANT: Final = {Signal.TRACES: view.spans, Signal.LOGS: view.log_records}
"""What makes of those the rows of the signal's own table, and the evaluations in each."""
_OF_EVALUATIONS: Final = {"verdicts": evaluations.verdicts, "labels": evaluations.labels}
"""What makes rows of the other tables, by their names."""
FLAT: Final = frozenset(signal for signal, flat in _ROWS if flat)
"""Signals of which bodies may be taken for flat; log records carry messages, which never are."""
_FOLLOW: Final = " FORMAT Protobuf\n"


def objects(
    signal: Signal,
    types: Mapping[str, Mapping[str, str]],
    version: str,
    prefix: str = "",
    targets: Mapping[str, str] | None = None,
    privacy: Privacy = NOTHING_KEPT,
) -> dict[str, str]:
    """Tables and views of a signal: name -> statement that makes it, first the source.

    The names bear the hash of all that their rows depend on.

    Args:
        signal: what the segments carry.
        types: of the columns of the schema's tables.
        version: of the store.
        prefix: what the names begin with.
        targets: other tables to fill than those of the schema.
        privacy: what of the content is kept; it is part of the definitions.
    """
    table = TABLES[signal][0]
    columns = view.columns(signal)
    types_of = {**types[table], evaluations.COLUMN: evaluations.TYPE}
    structure = ", ".join(f"{column} {types_of[column]}" for column in columns)
    own = ", ".join(column for column in columns if column != evaluations.COLUMN)
    views = {table: lambda source: f"SELECT {own} FROM {source}", **_OF_EVALUATIONS}
    definition = [version, f"{types}", PROTO[signal].read_text(), structure, *(select("") for select in views.values())]
    definition += [insertion("", signal, privacy, flat=way) for of, way in _ROWS if of is signal]
    source = f"{prefix}otlp_{signal}_{hashlib.sha256(''.join(definition).encode()).hexdigest()[:12]}"
    return {
        source: f"CREATE TABLE IF NOT EXISTS {source} ({structure}) ENGINE = Null",
        **{
            f"{source}_{name}": f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source}_{name}"
            f" TO {(targets or {}).get(name, name)} AS {select(source)}"
            for name, select in views.items()
        },
    }


def insertion(source: str, signal: Signal, privacy: Privacy = NOTHING_KEPT, flat: bool = False) -> str:
    """The statement that inserts bodies, each behind its length.

    Args:
        source: table that the views begin from.
        signal: what the bodies carry.
        privacy: what of the content is kept.
        flat: whether they are taken for flat, as `wire` means it: the insert fails where one is not.
    """
    rows, structure = _ROWS[signal, flat]
    select = _MEANT[signal](f"({rows(_bodies(structure), privacy)})", privacy)
    return f"INSERT INTO {source} ({', '.join(view.columns(signal))}) {select}{_FOLLOW}"


def insertion_of_deep_spans(table: str) -> str:
    """The statement that inserts the names of spans that are not flat into a table with the one column `name`."""
    _, structure = _ROWS[Signal.TRACES, True]
    return f"INSERT INTO {table} {bodies.deep_spans(_bodies(structure))}{_FOLLOW}"


def _bodies(structure: str) -> str:
    return f"input({quoted(structure)})"


def create(client: Client, statements: Mapping[str, str]) -> None:
    """Make them unless they are there."""
    for statement in statements.values():
        client.command(statement, settings=faster_planning(client))


def faster_planning(client: Client) -> dict[str, str | int]:
    """FASTER_PLANNING, as far as the server knows it."""
    return {name: value for name, value in FASTER_PLANNING.items() if name in client.server_settings}


def existing(client: Client, pattern: str) -> dict[str, int]:
    """Tables and views by name, with their age in seconds."""
    sql = (
        "SELECT name, dateDiff('second', metadata_modification_time, now()) FROM system.tables"
        " WHERE database = currentDatabase() AND name LIKE {pattern:String}"
    )
    return {name: age_s for name, age_s in client.query(sql, parameters={"pattern": pattern}).result_rows}


def drop(client: Client, names: Iterable[str]) -> None:
    """Drop tables and views, sources before what hangs on them, so that no insert ever runs into nothing."""
    for name in sorted(names, key=lambda name: (len(name), name)):
        client.command("DROP TABLE IF EXISTS {name:Identifier}", {"name": name})
