"""Puts segments into the store: decoded by the store itself, or by the reference decoder where that serves better."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, cast

from clickhouse_connect.driver.client import Client

from thinkmeter.collector.pipeline import FLAT, PROTO, Settings, insertion
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.record import sizes
from thinkmeter.collector.reference import TABLES, Row, decode
from thinkmeter.collector.segment import Signal, body_of, delimited
from thinkmeter.collector.store_answers import NotFlat, told
from thinkmeter.schema.errors import PermanentError

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
    # with views that begin one after the other the whole insert would be left to one thread
    "parallel_view_processing": 1,
    # what is written as text is what the reference decoder writes
    "output_format_json_escape_forward_slashes": 0,
    "precise_float_parsing": 1,
    # a few bodies at a time are decoded and taken apart, by one thread, since several inserts have the cores for
    # themselves; fewer bytes, as they lie in memory, cost time, more cost memory
    "input_format_max_block_size_bytes": 12 * 1024 * 1024,
    "max_threads": 1,
    "max_insert_threads": 1,
    # their rows go on all together, as every block of them would be planned, and become a part, by itself
    "min_insert_block_size_rows": 2**31,
    "min_insert_block_size_bytes": 2**40,
}
PIECE_BYTES: Final = 64 * 1024
"""Bytes that are sent at a time, about."""
DEEP_SEGMENTS: Final = 100
"""So many segments after one that was not flat are not taken for flat, as who sends maps sends them again."""
MESSAGE: Final = "Body"
EMPTY: Final = b"\0"
"""A message of protobuf without fields, behind its length."""


class Insertion:
    """How segments come into one store; made by `install`. Safe to share between threads, the client is not.

    Attributes:
        native: whether the store decodes; otherwise the reference decoder does, at a fraction of the speed.
        reason: why it does not; '' if it does.
        taken_for_deep: how many segments of spans more are not taken for flat.
    """

    def __init__(
        self,
        sources: Mapping[Signal, str],
        settings: Settings,
        types: Mapping[str, Mapping[str, str]],
        reason: str = "",
        privacy: Privacy = NOTHING_KEPT,
    ) -> None:
        """Keep what every insert needs.

        Args:
            sources: tables that views begin from.
            settings: of inserts that the store decodes.
            types: of the tables' columns.
            reason: why the store does not decode.
            privacy: what of the content is kept.
        """
        self.native = not reason
        self.reason = reason
        self.taken_for_deep = 0
        self._sources = sources
        self._settings = settings
        self._types = types
        self._privacy = privacy
        self._statement = cache(self._composed)  # composing one takes longer than reading some of the bodies

    def insert_segment(self, client: Client, signal: Signal, frames: Sequence[bytes], token: str) -> None:
        """Insert frames of a segment, once: whatever was stored under their token before is not stored again.

        Args:
            client: a client of the store, of this thread.
            signal: what the frames carry.
            frames: as `segment.frame` makes them.
            token: under which the store remembers them; always the same for these, and for no others.

        Raises:
            PermanentError: bytes in them cannot be decoded; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        if not self.native:
            self._insert_rows(client, signal, frames, token)
        elif sum(sizes(frames)) > SMALL_SEGMENT_BYTES:
            self.insert_natively(client, signal, frames, token)
        else:
            try:
                self._insert_rows(client, signal, frames, token)
            except PermanentError:
                self.insert_natively(client, signal, frames, token)

    def insert_growing(self, client: Client, signal: Signal, frames: Iterable[bytes], token: str) -> None:
        """Insert frames as they come, however few they will be, once; each time anew where that is repeated.

        Raises:
            PermanentError: bytes in them cannot be decoded; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        if self.native:
            self.insert_natively(client, signal, frames, token)
        else:
            self._insert_rows(client, signal, frames, token)

    def insert_frame(self, client: Client, signal: Signal, frame: bytes, token: str) -> None:
        """Insert one frame as the reference decoder reads it, once for each token.

        Raises:
            PermanentError: it is no export request to the reference decoder either.
            RetryableError: anything else that kept the store from taking it.
        """
        self._insert_rows(client, signal, [frame], token)

    def insert_natively(self, client: Client, signal: Signal, frames: Iterable[bytes], token: str) -> None:
        """Insert frames as the store decodes them, however few, and as they come.

        Raises:
            PermanentError: the store cannot decode them; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        if signal in FLAT and self.taken_for_deep <= 0:
            try:
                self.insert_bodies(client, signal, self._statement(signal, True), frames, token)
            except Exception as error:
                self.taken_for_deep = DEEP_SEGMENTS
                if not isinstance(error, NotFlat):
                    raise
            else:
                return
        elif signal in FLAT:
            self.taken_for_deep -= 1
        self.insert_bodies(client, signal, self._statement(signal, False), frames, token)

    def insert_bodies(
        self, client: Client, signal: Signal, statement: str, frames: Iterable[bytes], token: str
    ) -> None:
        """Insert the bodies of frames by a statement, which is planned before the first of them is there.

        Args:
            client: a client of the store, of this thread.
            signal: what the frames carry.
            statement: to insert them by.
            frames: as `segment.frame` makes them.
            token: under which the store remembers them.

        Raises:
            PermanentError: the store cannot decode them; nothing of them was stored.
            RetryableError: anything else that kept the store from taking them.
        """
        settings = {
            **self._settings,
            **_schema(signal, by_text="format_schema_source" in self._settings),
            "max_query_size": len(
                statement.encode()
            ),  # otherwise the store waits for more of the body to look for its end
            "insert_deduplication_token": token,
        }
        with told("the store does not take a segment"):
            body = cast(Any, RequestBody(statement, frames))
            client.raw_insert("", insert_block=body, settings=dict(settings))

    def _composed(self, signal: Signal, flat: bool) -> str:
        return insertion(self._sources[signal], signal, self._privacy, flat)

    def _insert_rows(self, client: Client, signal: Signal, parts: Iterable[bytes], token: str) -> None:
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
                        settings={**EVERY_INSERT, "insert_deduplication_token": token},
                    )


class RequestBody:
    """The body of the request of an insert, piece by piece; one that is repeated begins at the beginning again.

    The statement goes before the bodies of OTLP, being too long for the address of a request.
    """

    def __init__(self, statement: str, frames: Iterable[bytes]) -> None:
        """Keep both; frames are gone through when the request is sent."""
        self._statement = statement.encode()
        self._frames = frames

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """In pieces, none so small that sending it costs more than what is in it, none so large as to be copied whole.

        Raises:
            OSError: a frame cannot be read.
        """
        # the store looks for the end of a statement once there is something behind it: a body with nothing in it
        yield self._statement + EMPTY
        small: list[bytes | memoryview] = []
        size = 0
        for body in map(delimited, self._frames):
            if len(body) < PIECE_BYTES:
                small.append(body)
                size += len(body)
            if size >= PIECE_BYTES or len(body) >= PIECE_BYTES:
                yield b"".join(small)
                small, size = [], 0
            if len(body) >= PIECE_BYTES:
                yield from (body[start : start + PIECE_BYTES] for start in range(0, len(body), PIECE_BYTES))
        if small:
            yield b"".join(small)


def _schema(signal: Signal, by_text: bool) -> Settings:
    """Where the store finds the protobuf schema of a segment: in the insert itself, or in a file of its own machine."""
    if by_text:
        return {"format_schema": PROTO[signal].read_text(), "format_schema_message_name": MESSAGE}
    return {"format_schema": f"{PROTO[signal].resolve()}:{MESSAGE}"}
