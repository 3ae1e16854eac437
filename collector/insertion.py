"""Puts segments into the store: decoded by the store itself, or by the reference decoder where that serves better."""

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from thinkmeter.collector.canary import difference, sample
from thinkmeter.collector.pipeline import (
    PROTO,
    Settings,
    create,
    drop,
    existing,
    faster_planning,
    insertion_into,
    insertion_past_views,
    objects,
)
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.record import sizes
from thinkmeter.collector.reference import TABLES, Row, decode
from thinkmeter.collector.segment import Signal, body_of, delimited
from thinkmeter.collector.store_answers import is_passing, told
from thinkmeter.schema import attributes as a
from thinkmeter.schema.errors import PermanentError, RetryableError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

SMALL_SEGMENT_BYTES: Final = 1024 * 1024
"""Up to this size the reference decoder inserts: the store takes longer to plan its views than Python to decode."""

EVERY_INSERT: Final[Settings] = {
    # a segment is a batch already, and its token has to be looked at before anything is stored
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # rows of one key are collapsed by merges and FINAL; doing it here as well costs a fifth of the insert
    "optimize_on_insert": 0,
    # old data that is replayed may lie in any month
    "max_partitions_per_insert_block": 0,
}
NATIVE_INSERT: Final[Settings] = {
    **EVERY_INSERT,
    # which member of a value is set shows in the column `kind`
    "input_format_protobuf_oneof_presence": 1,
    # the views compare with what the reference decoder writes
    "output_format_json_escape_forward_slashes": 0,
    "precise_float_parsing": 1,
    # a few bodies at a time are decoded and taken apart, by one thread; their rows go on all together, since every
    # block of them would be planned, and become a part, by itself
    "max_threads": 1,
    "max_insert_threads": 1,
    "min_insert_block_size_rows": 2**31,
    "min_insert_block_size_bytes": 2**40,
}
DECODED_BYTES: Final = 8 * 1024 * 1024
"""About so many bytes of bodies are decoded at a time: fewer cost time, more cost memory."""
PIECE_BYTES: Final = 64 * 1024
"""Bytes that are sent at a time, about."""
EVALUATION: Final = a.EVALUATION_EVENT.encode()
"""Without these bytes in it a segment holds no evaluations."""
DURABLE: Final[Settings] = {
    "fsync_after_insert": 1,
    "fsync_part_directory": 1,
    # what is inserted comes as one file and not as three a column, each of which would be synced and buffered by itself
    "min_bytes_for_wide_part": 64 * 1024 * 1024,
    # a row is merged half as often, for a few parts more that a query reads
    "merge_selector_base": 10,
}
"""Settings of the embedded store's tables: what an insert acknowledges is on the disk, at the least work."""

MESSAGE: Final = "Body"
CANARY: Final = "canary"
ABANDONED_S: Final = 3600
"""Tables that are older are nobody's: of a canary that was cut off, or of a definition that was replaced."""


class Insertion:
    """How segments come into one store; made by `install`. Safe to share between threads, the client is not.

    Attributes:
        native: whether the store decodes; otherwise the reference decoder does, at a fraction of the speed.
        reason: why it does not; '' if it does.
    """

    def __init__(
        self,
        sources: Mapping[Signal, str],
        settings: Settings,
        types: Mapping[str, Mapping[str, str]],
        reason: str = "",
        privacy: Privacy = NOTHING_KEPT,
    ) -> None:
        """Keep what every insert needs: source tables, settings, types of the tables' columns, what content is kept."""
        self.native = not reason
        self.reason = reason
        self._sources = sources
        self._settings = settings
        self._types = types
        self._privacy = privacy

    def insert_segment(
        self, client: Client, signal: Signal, frames: Sequence[bytes], token: str, settings: Settings | None = None
    ) -> None:
        """Insert frames of a segment, once: whatever was stored under their token before is not stored again.

        Args:
            client: a client of the store, of this thread.
            signal: what the frames carry.
            frames: as `segment.frame` makes them.
            token: under which the store remembers them; always the same for these, and for no others.
            settings: further settings of the insert.

        Raises:
            PermanentError: bytes in them cannot be decoded; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        if not self.native:
            self._insert_rows(client, signal, frames, token, settings)
        elif sum(sizes(frames)) > SMALL_SEGMENT_BYTES:
            self.insert_natively(client, signal, frames, token, settings)
        else:
            try:
                self._insert_rows(client, signal, frames, token, settings)
            except PermanentError:
                self.insert_natively(client, signal, frames, token, settings)

    def insert_frame(
        self, client: Client, signal: Signal, frame: bytes, token: str, settings: Settings | None = None
    ) -> None:
        """Insert one frame as the reference decoder reads it, once for each token.

        Raises:
            PermanentError: it is no export request to the reference decoder either.
            RetryableError: anything else that kept the store from taking it.
        """
        self._insert_rows(client, signal, [frame], token, settings)

    def insert_natively(
        self, client: Client, signal: Signal, frames: Sequence[bytes], token: str, settings: Settings | None = None
    ) -> None:
        """Insert frames as the store decodes them, however few.

        Raises:
            PermanentError: the store cannot decode them; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        if any(EVALUATION in frame for frame in frames):
            statement = insertion_into(self._sources[signal], signal, self._privacy)
        else:
            statement = insertion_past_views(TABLES[signal][0], signal, self._privacy)
        self._insert_bodies(client, signal, statement, frames, token, settings)

    def insert_past_views(
        self, client: Client, signal: Signal, frames: Sequence[bytes], token: str, table: str
    ) -> None:
        """Insert what is no evaluation in frames into a table like the signal's own.

        Raises:
            PermanentError: the store cannot decode them; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        statement = insertion_past_views(table, signal, self._privacy)
        self._insert_bodies(client, signal, statement, frames, token, None)

    def _insert_bodies(
        self,
        client: Client,
        signal: Signal,
        statement: str,
        frames: Sequence[bytes],
        token: str,
        settings: Settings | None,
    ) -> None:
        at_once = max(1, DECODED_BYTES * len(frames) // max(1, sum(sizes(frames))))
        with told("the store does not take a segment"):
            client.raw_insert(
                "",
                insert_block=cast(Any, RequestBody(statement, frames)),
                settings={
                    **self._settings,
                    **_schema(signal, by_text="format_schema_source" in self._settings),
                    "max_block_size": at_once,
                    "max_insert_block_size": at_once,
                    **(settings or {}),
                    "insert_deduplication_token": token,
                },
            )

    def _insert_rows(
        self, client: Client, signal: Signal, parts: Sequence[bytes], token: str, settings: Settings | None
    ) -> None:
        rows: dict[str, list[Row]] = {table: [] for table in TABLES[signal]}
        for part in parts:
            for table, made in decode(signal, *body_of(part), self._privacy).items():
                rows[table] += made
        for table, made in rows.items():
            if made:
                names = list(made[0])
                with told(f"the store does not take rows of {table}"):
                    client.insert(
                        table,
                        [[row[name] for row in made] for name in names],
                        column_names=names,
                        column_type_names=[self._types[table][name] for name in names],
                        column_oriented=True,
                        settings={**EVERY_INSERT, **(settings or {}), "insert_deduplication_token": token},
                    )


class RequestBody:
    """The body of the request of an insert, piece by piece; one that is repeated begins at the beginning again.

    The statement goes before the bodies of OTLP, being too long for the address of a request.
    """

    def __init__(self, statement: str, frames: Sequence[bytes]) -> None:
        """Keep both; frames are gone through when the request is sent."""
        self._statement = statement.encode()
        self._frames = frames

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """In pieces, none so small that sending it costs more than what is in it, none so large as to be copied whole.

        Raises:
            OSError: a frame cannot be read.
        """
        small: list[bytes | memoryview] = [self._statement]
        size = len(self._statement)
        for body in map(delimited, self._frames):
            if len(body) < PIECE_BYTES:
                small.append(body)
                size += len(body)
            if size >= PIECE_BYTES or len(body) >= PIECE_BYTES:
                yield b"".join(small)
                small, size = [], 0
            if len(body) >= PIECE_BYTES:
                yield from (body[start : start + PIECE_BYTES] for start in range(0, len(body), PIECE_BYTES))
        yield b"".join(small)


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
    depends_on = f"{client.server_version} {types}"
    return {signal: objects(signal, depends_on, privacy=privacy) for signal in Signal}


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
            made = objects(signal, "", prefix, targets, privacy)
            create(client, made)
            trial = Insertion({signal: next(iter(made))}, settings, types, privacy=privacy)
            trial.insert_natively(client, signal, sample(signal), prefix)
            if found := difference(client, signal, targets, privacy):
                return found
            table, target = next(iter(targets.items()))
            client.command(f"TRUNCATE TABLE {target}")
            trial.insert_past_views(client, signal, sample(signal), prefix, target)
            if found := difference(client, signal, {table: target}, privacy):
                return found
    except (PermanentError, RetryableError, ClickHouseError) as error:
        if is_passing(error.__cause__ or error):
            raise
        return reason(error)
    finally:
        with contextlib.suppress(ClickHouseError):  # the next start drops what is left
            drop(client, existing(client, prefix.replace("_", "\\_") + "%"))
    return ""


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


def _schema(signal: Signal, by_text: bool) -> Settings:
    """Where the store finds the protobuf schema of a segment: in the insert itself, or in a file of its own machine."""
    if by_text:
        return {"format_schema": PROTO[signal].read_text(), "format_schema_message_name": MESSAGE}
    return {"format_schema": f"{PROTO[signal].resolve()}:{MESSAGE}"}
