"""`thinkmeter backup` and `restore`: the embedded store as one file."""

import time
from pathlib import Path
from typing import Annotated

import typer

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir
from thinkmeter.configuration import load
from thinkmeter.pipeline import prepare
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.backup import back_up
from thinkmeter.schema.store.backup import restore as restore_from
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.embedded import EmbeddedStore

SERVER = "the store is a server: back it up and restore it with ClickHouse's own BACKUP and RESTORE"


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist. Its form is .tar.zst.")],
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Write everything that the embedded store on --data has to a file, while it runs."""
    if load(config).store.url:
        raise ThinkmeterError(SERVER)
    started_s = time.monotonic()
    data = data.expanduser()
    size = back_up(StoreAddress.of_running(data), data, file)
    typer.echo(f"{file}: {size:,} bytes in {time.monotonic() - started_s:.1f} s")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `thinkmeter backup` wrote.")],
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
) -> None:
    """Put a backup into an empty data directory on which nothing runs, and bring it to this version's schema."""
    configuration = load(config)
    if configuration.store.url:
        raise ThinkmeterError(SERVER)
    if not file.is_file():
        raise ThinkmeterError(f"{file} is no file")
    data = data.expanduser()
    with EmbeddedStore(data, port=0) as store:
        restore_from(store.address, data, file)
        applied = prepare(store.address, configuration)
    newer = f"; migrations applied: {', '.join(migration.name for migration in applied)}" if applied else ""
    typer.echo(f"{file} is restored to {data}{newer}")
