"""The insert, tables and views through which a segment becomes rows; `view` has their SQL."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from thinkmeter.collector import evaluations, view, wire
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
    """Tables and views of a signal: name -> statement that makes it, first the table that rows go into.

    What holds no evaluations may go into `without_evaluations` of that table, past the views of verdicts and labels,
    which would be planned for nothing.

    Args:
        signal: what the segments carry.
        depends_on: what the names are to depend on beside the definitions.
        prefix: what the names begin with.
        targets: other tables to fill than those of the schema.
        privacy: what of the content is kept; it is part of the definitions.
    """
    row = view.SPAN_ROW if signal is Signal.TRACES else view.RECORD_ROW
    said, spans, log_records = (partial(made, privacy=privacy) for made in (view.said, view.spans, view.log_records))
    definition = [row, rows_of(signal, privacy), said(""), spans(""), log_records("")]
    definition += [evaluations.verdicts("", signal), evaluations.labels("", signal)]
    hashed = "\n".join([depends_on, PROTO[signal].read_text(), *definition])
    source = f"{prefix}otlp_{signal}_{hashlib.sha256(hashed.encode()).hexdigest()[:12]}"
    plain, heard = without_evaluations(source), f"{source}_said"
    target = {table: (targets or {}).get(table, table) for table in TABLES[signal]}
    tables = {source: f"({row}) ENGINE = Null", plain: f"({row}) ENGINE = Null"}
    views = {
        f"{source}_passed": (plain, f"SELECT * FROM {source}"),
        f"{source}_verdicts": (target["verdicts"], evaluations.verdicts(source, signal)),
        f"{source}_labels": (target["labels"], evaluations.labels(source, signal)),
    }
    if signal is Signal.TRACES:
        tables[heard] = f"ENGINE = Null AS {said(plain)}"
        views[f"{source}_hearing"] = (heard, said(plain))
        views[f"{source}_meaning"] = (target["spans"], spans(heard))
    else:
        views[f"{source}_log_records"] = (target["log_records"], log_records(plain))
    return {
        **{name: f"CREATE TABLE IF NOT EXISTS {name} {definition}" for name, definition in tables.items()},
        **{
            name: f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name} TO {to} AS {select}"
            for name, (to, select) in views.items()
        },
    }


def without_evaluations(source: str) -> str:
    """The table for rows among which there are no evaluations, by the name of the one for all rows."""
    return f"{source}_0"


def insertion_into(table: str, signal: Signal, privacy: Privacy = NOTHING_KEPT) -> str:
    """The statement behind which bodies follow, each behind its length."""
    return f"INSERT INTO {table} {rows_of(signal, privacy)} FORMAT Protobuf\n"


def rows_of(signal: Signal, privacy: Privacy) -> str:
    """The SELECT of rows of what an insert brings."""
    if signal is Signal.TRACES:
        return view.span_rows(f"input({quoted(wire.traces_structure())})", privacy)
    return view.record_rows(f"input({quoted(wire.logs_structure())})", privacy)


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
