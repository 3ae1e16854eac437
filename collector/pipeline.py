"""The insert, tables and views through which a segment becomes rows; `bodies` and `view` have their SQL."""

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

_PLAIN: Final = {Signal.TRACES: view.spans, Signal.LOGS: view.log_records}
"""What makes the rows of the signal's own table."""
_ROWS: Final[Mapping[tuple[Signal, bool], tuple[Callable[[str, Privacy], str], str]]] = {
    (Signal.TRACES, False): (bodies.span_rows, wire.traces_structure()),
    (Signal.TRACES, True): (partial(bodies.span_rows, flat=wire.FAILS), wire.traces_structure(flat=True)),
    (Signal.LOGS, False): (bodies.record_rows, wire.logs_structure()),
}
"""What makes rows of bodies, of all or of flat ones alone, and their structure."""
FLAT: Final = frozenset(signal for signal, flat in _ROWS if flat)
"""Signals of which bodies may be taken for flat; log records carry messages, which never are."""
_FOLLOW: Final = {False: " FORMAT Protobuf\n", True: ""}


def objects(
    signal: Signal,
    depends_on: str,
    prefix: str = "",
    targets: Mapping[str, str] | None = None,
    privacy: Privacy = NOTHING_KEPT,
) -> dict[str, str]:
    """Tables and views of a signal: name -> statement that makes it, first the table that rows go into.

    What holds no evaluations goes past them, straight into its table.

    Args:
        signal: what the segments carry.
        depends_on: what the names are to depend on beside the definitions.
        prefix: what the names begin with.
        targets: other tables to fill than those of the schema.
        privacy: what of the content is kept; it is part of the definitions.
    """
    row = bodies.SPAN_ROW if signal is Signal.TRACES else bodies.RECORD_ROW
    table, plain = TABLES[signal][0], partial(_PLAIN[signal], privacy=privacy)
    definition = [row, *(insertion_past_views(table, signal, privacy, flat=way) for of, way in _ROWS if of is signal)]
    definition += [evaluations.verdicts("", signal), evaluations.labels("", signal)]
    hashed = "\n".join([depends_on, PROTO[signal].read_text(), *definition])
    source = f"{prefix}otlp_{signal}_{hashlib.sha256(hashed.encode()).hexdigest()[:12]}"
    views = {
        table: plain(source),
        "verdicts": evaluations.verdicts(source, signal),
        "labels": evaluations.labels(source, signal),
    }
    return {
        source: f"CREATE TABLE IF NOT EXISTS {source} ({row}) ENGINE = Null",
        **{
            f"{source}_{name}": f"CREATE MATERIALIZED VIEW IF NOT EXISTS {source}_{name}"
            f" TO {(targets or {}).get(name, name)} AS {select}"
            for name, select in views.items()
        },
    }


def insertion_into(
    source: str, signal: Signal, privacy: Privacy = NOTHING_KEPT, from_file: bool = False, flat: bool = False
) -> str:
    """The statement that inserts bodies, each behind its length; their rows go on through the views.

    Args:
        source: table that the views begin from.
        signal: what the bodies carry.
        privacy: what of the content is kept.
        from_file: whether the store finds them in the file that the parameter `file` names; they follow otherwise.
        flat: whether they are taken for flat, as `wire` means it: the insert fails where one is not.
    """
    return f"INSERT INTO {source} {_rows(signal, privacy, from_file, flat)}{_FOLLOW[from_file]}"


def insertion_past_views(
    table: str, signal: Signal, privacy: Privacy = NOTHING_KEPT, from_file: bool = False, flat: bool = False
) -> str:
    """The same for bodies without evaluations, whose rows go straight into `spans` or `log_records`.

    It is planned once, while views are at their start and again for their rows; and of all rows only those of the
    table are in memory at once, while views take all that lies between.
    """
    select = _PLAIN[signal](f"({_rows(signal, privacy, from_file, flat)})", privacy)
    return f"INSERT INTO {table} ({', '.join(view.columns(signal))}) {select}{_FOLLOW[from_file]}"


def insertion_of_deep_spans(table: str, from_file: bool) -> str:
    """The statement that inserts the names of spans that are not flat into a table with the one column `name`."""
    _, structure = _ROWS[Signal.TRACES, True]
    return f"INSERT INTO {table} {bodies.deep_spans(_bodies(structure, from_file))}{_FOLLOW[from_file]}"


def _rows(signal: Signal, privacy: Privacy, from_file: bool, flat: bool) -> str:
    """The SELECT of rows of what an insert brings."""
    rows, structure = _ROWS[signal, flat]
    return rows(_bodies(structure, from_file), privacy)


def _bodies(structure: str, from_file: bool) -> str:
    return f"file({{file:String}}, 'Protobuf', {quoted(structure)})" if from_file else f"input({quoted(structure)})"


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
