"""`thinkmeter doctor`: looks at every part and says what is wrong and what to do."""

from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.configuration import load
from thinkmeter.diagnosis import Finding, Level, of_configuration, of_data_dir, of_store
from thinkmeter.schema.errors import ThinkmeterError

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "bold red"}


@app.command()
def doctor(data: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, store_url: StoreUrl = None) -> None:
    """Look at configuration, disk, spool, quarantine, store, jobs, alerts, prices and coverage; 1 if one is broken."""
    worst = Level.OK
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for level, part, text in _findings(data.expanduser(), config, store_url):
        worst = max(worst, level, key=list(Level).index)
        table.add_row(f"[{STYLES[level]}]{level}[/]", part, escape(text))
    Console(highlight=False).print(table)
    if worst is Level.FAILURE:
        raise typer.Exit(1)


def _findings(data: Path, config: Path | None, store_url: str | None) -> Iterator[Finding]:
    configuration = load(config)
    yield from of_configuration(configuration)
    yield from of_data_dir(data, configuration)
    try:
        yield from of_store(store_address(data, store_url, config), configuration)
    except ThinkmeterError as error:
        yield Finding(Level.FAILURE, "store", str(error))
