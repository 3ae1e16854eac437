"""A store that segments go into, and requests to put there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.otlp import span_of, traces
from thinkmeter.collector.insertion import SMALL_SEGMENT_BYTES, Insertion
from thinkmeter.collector.installation import install
from thinkmeter.schema import attributes as a
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

CALL = {
    a.OPERATION_NAME: "chat",
    a.PROVIDER_NAME: "openai",
    a.REQUEST_MODEL: "m",
    a.INPUT_TOKENS: 10,
    a.OUTPUT_TOKENS: 5,
}


def body(count: int, padding: int = 0, first: int = 1) -> bytes:
    told: dict[str, Any] = {**CALL, "padding": "x" * padding}
    return traces([span_of(told, number) for number in range(first, first + count)])


def big(count: int = 60) -> bytes:
    """A request that the store decodes itself."""
    made = body(count, padding=SMALL_SEGMENT_BYTES // count)
    assert len(made) > SMALL_SEGMENT_BYTES
    return made


def cut_inside() -> bytes:
    """A request whose outermost length is right and whose inside ends early."""
    made = bytearray(traces([span_of(CALL)], resource={"service.name": "shop"}))
    end = made.index(b"shop") - 1
    made[end] += 100
    return bytes(made)


def wrong_wire_type() -> bytes:
    """A request whose `kind` (field 6) has the wire type of a string, which Python reads past as an unknown field."""
    made = traces([span_of({}, number=9)])
    assert made.count(b"\x30\x03") == 1
    return made.replace(b"\x30\x03", b"\x32\x00")


def counted(client: Client, table: str = "spans") -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


@contextmanager
def own_database(store: EmbeddedStore, name: str) -> Iterator[Client]:
    """A client of a database that the tests of a module share."""
    address = store.address.with_database(name)
    migrate(address)
    with connect(address) as connected:
        yield connected
        connected.command("DROP DATABASE {name:Identifier}", {"name": name})


@pytest.fixture(scope="module")
def module_client(store: EmbeddedStore) -> Iterator[Client]:
    with own_database(store, "test_insertion") as connected:
        yield connected


@pytest.fixture(scope="module")
def installed(module_client: Client) -> Insertion:
    return install(module_client, embedded=True)


@pytest.fixture
def emptied(module_client: Client) -> Client:
    """The module's client, over tables without rows and without a memory of earlier tokens."""
    for table in ("spans", "log_records", "verdicts", "labels"):
        module_client.command(f"TRUNCATE TABLE {table}")
    return module_client
