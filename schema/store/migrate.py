"""Brings a database to the newest schema: numbered SQL files, each applied once, in order, checksummed."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress, connect

ALIAS = re.compile(r"\bAS (\w+)|(\w+) AS \(")
FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>\w+)\.sql")


@dataclasses.dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: statements separated by a line that holds `;` at its end."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The statements in order, without their semicolons."""
        return [s for s in (part.strip() for part in re.split(r";[ \t]*\n", self.sql + "\n")) if _has_code(s)]


def available(folder: Traversable | None = None) -> list[Migration]:
    """All migrations of the package in order.

    Raises:
        ThinkmeterError: a file is misnamed, or numbers have a gap or stand twice.
    """
    found = []
    for entry in (folder or files("thinkmeter.schema") / "migrations").iterdir():
        if entry.name.endswith(".sql"):
            match = FILE_NAME.fullmatch(entry.name)
            if not match:
                raise ThinkmeterError(f"migration {entry.name} is not named NNNN_name.sql")
            found.append(Migration(int(match["number"]), match["name"], entry.read_text()))
    found.sort(key=lambda migration: migration.number)
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise ThinkmeterError(f"migration numbers are not 1..{len(found)}: {[m.number for m in found]}")
    return found


def migrate(address: StoreAddress, folder: Traversable | None = None) -> list[Migration]:
    """Create the database if absent and apply what is pending; the migrations applied now.

    Raises:
        ThinkmeterError: an applied file was edited since, the database is newer than this program, it has a name
            that the statements use themselves, or a statement failed.
    """
    wanted = available(folder)
    with connect(address, database="") as client:
        if not _exists(client, address.database):
            _refuse_alias(address.database, wanted)
        client.command("CREATE DATABASE IF NOT EXISTS {database:Identifier}", {"database": address.database})
    with connect(address) as client:
        client.command(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number UInt32, name String, checksum String,"
            " applied DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY number"
        )
        applied: dict[int, tuple[str, str]] = {
            number: (name, checksum)
            for number, name, checksum in client.query(
                "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
            ).result_rows
        }
        for number in applied.keys() - {m.number for m in wanted}:
            raise ThinkmeterError(
                f"the database has migration {number} ({applied[number][0]}), which this version does not know: "
                "upgrade thinkmeter"
            )
        for migration in wanted:
            if migration.number in applied and applied[migration.number][1] != migration.checksum:
                raise ThinkmeterError(
                    f"migration {migration.number} ({migration.name}) was changed after it was applied: "
                    "restore the file and put the change into a new one"
                )
        pending = [m for m in wanted if m.number not in applied]
        for migration in pending:
            _apply(client, migration)
        return pending


def pending(client: Client) -> list[Migration]:
    """Migrations of this version that a database lacks; changes nothing.

    Raises:
        ThinkmeterError: the database has never been migrated.
    """
    try:
        applied = {number for (number,) in client.query("SELECT number FROM schema_migrations").result_rows}
    except DatabaseError:
        raise ThinkmeterError("the database has no schema yet: run `thinkmeter migrate`") from None
    return [migration for migration in available() if migration.number not in applied]


def _apply(client: Client, migration: Migration) -> None:
    # Every statement can be repeated (IF NOT EXISTS, OR REPLACE), so a migration that was cut off is
    # simply applied again.
    for position, statement in enumerate(migration.statements, 1):
        try:
            client.command(statement)
        except Exception as error:
            raise ThinkmeterError(
                f"migration {migration.number} ({migration.name}), statement {position}: {error}"
            ) from error
    client.insert(
        "schema_migrations",
        [[migration.number, migration.name, migration.checksum]],
        column_names=["number", "name", "checksum"],
    )


def _exists(client: Client, database: str) -> bool:
    return bool(client.command("SELECT count() FROM system.databases WHERE name = {name:String}", {"name": database}))


def _refuse_alias(database: str, migrations: Iterable[Migration]) -> None:
    """Where `t` stands for something in a statement, `t.spans` is a part of that to the store, and no table of t."""
    if any(database in found for migration in migrations for found in ALIAS.findall(migration.sql)):
        raise ThinkmeterError(
            f"the database cannot be called {database}: the schema's own statements use that name for something else;"
            " choose another, say thinkmeter"
        )


def _has_code(statement: str) -> bool:
    return any(line.strip() and not line.strip().startswith("--") for line in statement.splitlines())
