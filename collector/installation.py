"""Makes a store ready for segments: tables, views, and a sample that has to come out right."""

import contextlib
import logging
import uuid
from collections.abc import Mapping
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from thinkmeter.collector.canary import deep_sample, difference, sample
from thinkmeter.collector.insertion import NATIVE_INSERT, Insertion
from thinkmeter.collector.pipeline import (
    FLAT,
    Settings,
    create,
    drop,
    existing,
    faster_planning,
    insertion,
    insertion_of_deep_spans,
    objects,
)
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.reference import TABLES
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.store_answers import is_passing, told
from thinkmeter.schema.errors import PermanentError, RetryableError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

DURABLE: Final[Settings] = {
    "fsync_after_insert": 1,
    "fsync_part_directory": 1,
    # what is inserted comes as one file and not as three a column, each of which would be synced and buffered by itself
    "min_bytes_for_wide_part": 64 * 1024 * 1024,
    # a row is merged half as often, for a few parts more that a query reads
    "merge_selector_base": 10,
}
"""Settings of the embedded store's tables: what an insert acknowledges is on the disk, at the least work."""
CANARY: Final = "canary"
ABANDONED_S: Final = 3600
"""Tables that are older are nobody's: of a canary that was cut off, or of a definition that was replaced."""


def install(client: Client, embedded: bool, privacy: Privacy = NOTHING_KEPT) -> Insertion:
    """Make the store ready to decode segments, and see whether it decodes them as the reference decoder does.

    The tables and views that do it bear in their names the hash of all that their rows depend on: their definition,
    the tables they fill and the store's version. So several collectors, also of several versions, may start on one
    store: each inserts through its own, and none is ever changed under another. They are made once a sample went
    through their like and came out right, so where they stand already nothing is left to do.

    Args:
        client: a client of the migrated database.
        embedded: whether the store is our own child process: it reads the schema of segments from a file, and the
            rows it acknowledges are made to last, which is up to the operator elsewhere.
        privacy: what of the content of calls is kept.

    Raises:
        RetryableError: the store is not there, or not now.
    """
    with told("the store could not be prepared for inserts", refuses=False):
        types = {table: _types(client, table) for tables in TABLES.values() for table in tables}
        settings = {**NATIVE_INSERT, **faster_planning(client)}
        if embedded:
            for table in types:
                _make_durable(client, table)
        else:
            settings["format_schema_source"] = "string"
        wanted = _wanted(client, types, privacy)
        sources = {signal: next(iter(made)) for signal, made in wanted.items()}
        names = {name for made in wanted.values() for name in made}
        if names <= existing(client, "otlp\\_%").keys():
            return Insertion(sources, settings, types, privacy=privacy)
        if otherwise := _canary(client, settings, types, privacy):
            log.warning(
                "the store does not decode OTLP as it should, so Python does, more slowly: %s",
                otherwise,
                extra=event("store.decodes_otherwise", reason=otherwise),
            )
            return Insertion({}, settings, types, otherwise, privacy)
        for made in wanted.values():
            create(client, made)
        if embedded:
            old = {name for name, age_s in existing(client, "otlp\\_%").items() if age_s > ABANDONED_S}
            drop(client, old - names)
    return Insertion(sources, settings, types, privacy=privacy)


def is_installed(client: Client, privacy: Privacy = NOTHING_KEPT) -> bool:
    """Whether the tables and views through which this version inserts stand in the store; changes nothing.

    Raises:
        RetryableError: the store is not there, or not now.
    """
    with told("the store could not be asked", refuses=False):
        types = {table: _types(client, table) for tables in TABLES.values() for table in tables}
        names = {name for made in _wanted(client, types, privacy).values() for name in made}
        return names <= existing(client, "otlp\\_%").keys()


def _wanted(client: Client, types: Mapping[str, Mapping[str, str]], privacy: Privacy) -> dict[Signal, dict[str, str]]:
    return {signal: objects(signal, types, f"{client.server_version}", privacy=privacy) for signal in Signal}


def _canary(client: Client, settings: Settings, types: Mapping[str, Mapping[str, str]], privacy: Privacy) -> str:
    """How the store decodes a sample otherwise than the reference decoder; '' if alike.

    Everything is as in production but for the tables at the end, which lie in memory and are dropped.
    """
    drop(client, {name for name, age_s in existing(client, f"{CANARY}\\_%").items() if age_s > ABANDONED_S})
    prefix = f"{CANARY}_{uuid.uuid4().hex[:12]}_"
    try:
        for signal in Signal:
            targets = {table: f"{prefix}{signal}_{table}" for table in TABLES[signal]}
            for table, target in targets.items():
                client.command(f"CREATE TABLE {target} ENGINE = Memory AS SELECT * FROM {table} WHERE false")
            made = objects(signal, types, "", prefix, targets, privacy)
            create(client, made)
            source = next(iter(made))
            trial = Insertion({signal: source}, settings, types, privacy=privacy)
            for flat in (False, True) if signal in FLAT else (False,):
                statement = insertion(source, signal, privacy, flat)
                trial.insert_bodies(client, signal, statement, sample(signal, flat), f"{prefix}{flat}")
                if found := difference(client, signal, targets, privacy, flat):
                    return found
                for target in targets.values():
                    client.command(f"TRUNCATE TABLE {target}")
        return _unseen(client, trial, f"{prefix}deep")
    except (PermanentError, RetryableError, ClickHouseError) as error:
        if is_passing(error.__cause__ or error):
            raise
        return reason(error)
    finally:
        with contextlib.suppress(ClickHouseError):  # the next start drops what is left
            drop(client, existing(client, prefix.replace("_", "\\_") + "%"))


def _unseen(client: Client, trial: Insertion, table: str) -> str:
    """Which requests that are not flat the store would take for flat, or the other way round; '' for none."""
    client.command(f"CREATE TABLE {table} (name String) ENGINE = Memory")
    deep, names = deep_sample()
    trial.insert_bodies(client, Signal.TRACES, insertion_of_deep_spans(table), [deep], table)
    found = {name for (name,) in client.query(f"SELECT name FROM {table}").result_rows}
    return f"spans of the names {sorted(found ^ names)} are taken for what they are not" if found != names else ""


def _make_durable(client: Client, table: str) -> None:
    current = client.query(
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
        parameters={"table": table},
    ).result_rows[0][0]
    if missing := [f"{name} = {value}" for name, value in DURABLE.items() if f"{name} = {value}" not in current]:
        client.command(f"ALTER TABLE {table} MODIFY SETTING {', '.join(missing)}")


def _types(client: Client, table: str) -> dict[str, str]:
    found = client.query("DESCRIBE TABLE {table:Identifier}", parameters={"table": table}).result_rows
    return {row[0]: row[1] for row in found}
