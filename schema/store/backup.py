"""Backups of the embedded store: one file, made while it runs."""

import shutil
import uuid
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.binding import format_str, quote_identifier
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress, connect

FOLDER: Final = "backups"
"""In the data directory: the one place where the embedded store may write and read files of backups."""
SUFFIX: Final = ".tar.zst"
FACTS: Final = ("spans", "verdicts", "labels", "log_records")


def back_up(address: StoreAddress, data_dir: Path, file: Path) -> int:
    """Write a backup of the database to a file that does not exist yet; its size in bytes.

    What the collector has accepted and not yet inserted is in its spool, and not in the backup.

    Raises:
        ThinkmeterError: the file exists, cannot be written, or the store refuses.
    """
    if file.exists():
        raise ThinkmeterError(f"{file} exists already: name another")
    if not file.parent.is_dir():
        raise ThinkmeterError(f"{file.parent} is no directory")
    made = _passing(data_dir)
    try:
        with connect(address) as client:
            _run(client, "BACKUP DATABASE {database} TO File({file})", address, made)
        shutil.move(made, file)
    except OSError as error:
        raise ThinkmeterError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        made.unlink(missing_ok=True)
    return file.stat().st_size


def restore(address: StoreAddress, data_dir: Path, file: Path) -> None:
    """Put the database of a backup in the place of an empty one.

    Raises:
        ThinkmeterError: the store has data, the file cannot be read, or is no backup.
    """
    with connect(address, database="") as client:
        found = client.query(
            "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {facts:Array(String)}"
            " AND total_rows > 0",
            parameters={"database": address.database, "facts": list(FACTS)},
        ).result_rows
        if found:
            raise ThinkmeterError("the store has data already: restore into a data directory of its own")
        passing = _passing(data_dir)
        try:
            shutil.copyfile(file, passing)
            client.command("DROP DATABASE IF EXISTS {database:Identifier} SYNC", {"database": address.database})
            _run(client, "RESTORE DATABASE {database} FROM File({file})", address, passing)
            # tables are backed up one after the other, so rollups may not know of the last changes: they are made anew
            stretches = "{database:Identifier}.rollup_stretches"
            client.command(f"TRUNCATE TABLE IF EXISTS {stretches}", {"database": address.database})
        except OSError as error:
            raise ThinkmeterError(f"{file} cannot be read: {error.strerror}") from None
        finally:
            passing.unlink(missing_ok=True)


def _passing(data_dir: Path) -> Path:
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{uuid.uuid4().hex}{SUFFIX}"


def _run(client: Client, sql: str, address: StoreAddress, file: Path) -> None:
    # the two statements take no parameters
    database, name = quote_identifier(address.database), format_str(file.name)
    try:
        client.command(sql.format(database=database, file=name))
    except DatabaseError as error:
        raise ThinkmeterError(f"the store refused: {str(error).partition('DB::Exception: ')[2][:300]}") from error
