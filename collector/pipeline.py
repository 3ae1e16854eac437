"""The tables and views through which a segment becomes rows; `view` has their SQL."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from thinkmeter.collector import view, wire
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.reference import TABLES
from thinkmeter.collector.segment import Signal

Settings = Mapping[str, str | int]

FASTER_PLANNING: Final[Settings] = {
    # The views are laid out as they are to be run. Planning them anew at every insert takes longer than running
    # them on a thousand spans; without these two it takes a fifth.
    "query_plan_enable_optimizations": 0,
    "optimize_and_compare_chain": 0,
}
"""Left out where a server does not know them."""

PROTO: Final = {signal: Path(__file__).with_name(f"segment_{signal}.proto") for signal in Signal}


def objects(
    signal: Signal,
    depends_on: str,
    prefix: str = "",
    targets: Mapping[str, str] | None = None,
    privacy: Privacy = NOTHING_KEPT,
) -> dict[str, str]:
    """Tables and views of a signal: name -> statement that makes it, first the table that segments go into.

    Args:
        signal: what the segments carry.
        depends_on: what the names are to depend on beside the definitions.
        prefix: what the names begin with.
        targets: other tables to fill than those of the schema.
        privacy: what of the content is kept; it is part of the definitions.
    """
    if signal is Signal.TRACES:
        structure, row = wire.traces_structure(), view.SPAN_ROW
    else:
        structure, row = wire.logs_structure(), view.RECORD_ROW
    rows_of = partial(view.span_rows if signal is Signal.TRACES else view.record_rows, privacy=privacy)
    selects: dict[str, Callable[[str], str]] = {
        "spans": partial(view.spans, privacy=privacy),
        "log_records": partial(view.log_records, privacy=privacy),
        "verdicts": lambda rows: view.verdicts(rows, signal),
        "labels": lambda rows: view.labels(rows, signal),
    }
    definition = [structure, row, rows_of(""), *(selects[table]("") for table in TABLES[signal])]
    hashed = "\n".join([depends_on, PROTO[signal].read_text(), *definition])
    source = f"{prefix}otlp_{signal}_{hashlib.sha256(hashed.encode()).hexdigest()[:12]}"
    rows = f"{source}_rows"
    views = {f"{source}_{table}": ((targets or {}).get(table, table), selects[table](rows)) for table in TABLES[signal]}
    views[f"{source}_view"] = (rows, rows_of(source))
    return {
        source: f"CREATE TABLE IF NOT EXISTS {source} ({structure}) ENGINE = Null",
        rows: f"CREATE TABLE IF NOT EXISTS {rows} ({row}) ENGINE = Null",
        **{
            name: f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name} TO {target} AS {select}"
            for name, (target, select) in views.items()
        },
    }


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
    for name in sorted(names, key=len):
        client.command("DROP TABLE IF EXISTS {name:Identifier}", {"name": name})
