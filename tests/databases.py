"""Databases for tests: laid once, emptied for the next test, and laid anew where a test changed their tables."""

import uuid
from typing import Final

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.migrate import migrate

# What a table is beside its settings, which a collector adds to, and without what a collector lays beside them.
_LAID: Final = (
    "SELECT name, replaceRegexpOne(replaceAll(create_table_query, database, ''), ' SETTINGS .*', '') FROM system.tables"
    " WHERE database = currentDatabase() AND NOT startsWith(name, 'otlp_') ORDER BY name"
)
_FILLED: Final = (
    "SELECT name FROM system.tables"
    " WHERE database = currentDatabase() AND total_rows > 0 AND name != 'schema_migrations'"
)


class Databases:
    """Hands out databases with the newest schema and no rows. To migrate one takes as long as many tests do."""

    def __init__(self, store: StoreAddress) -> None:
        """None is laid yet."""
        self._store = store
        self._free: list[StoreAddress] = []
        self._laid: list[tuple[str, str]] = []

    def take(self) -> StoreAddress:
        """A database that nobody else has."""
        if self._free:
            return self._free.pop()
        address = new_address(self._store)
        migrate(address)
        if not self._laid:
            with connect(address) as client:
                self._laid = _laid(client)
        return address

    def give_back(self, address: StoreAddress) -> None:
        """Empty it, or drop it where its tables are no longer those that were laid."""
        with connect(address, database="") as client:
            [exists] = client.query(
                "SELECT count() FROM system.databases WHERE name = {name:String}", {"name": address.database}
            ).result_rows
        if not exists[0]:
            return
        with connect(address) as client:
            if _laid(client) == self._laid:
                for (table,) in client.query(_FILLED).result_rows:
                    client.command("TRUNCATE TABLE {table:Identifier}", {"table": table})
                self._free.append(address)
            else:
                drop(address)


def new_address(store: StoreAddress) -> StoreAddress:
    """The address of a database that does not exist yet."""
    return store.with_database(f"test_{uuid.uuid4().hex}")


def drop(address: StoreAddress) -> None:
    """Drop a database, whether it exists or not."""
    with connect(address, database="") as client:
        client.command("DROP DATABASE IF EXISTS {name:Identifier}", {"name": address.database})


def _laid(client: Client) -> list[tuple[str, str]]:
    return [(name, made) for name, made in client.query(_LAID).result_rows]
