"""`thinkmeter sql`: a question of one's own to the store, which cannot change it."""

import itertools
import json
import re
import shutil
import sys
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.store.client import connect

SHOWN_ROWS = 1_000
"""So many rows a table shows people; --json and --csv have no limit."""
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "json": ("JSONEachRow", {"output_format_json_array_of_rows": 1}),
    "csv": ("CSVWithNames", {"format_csv_null_representation": ""}),
}


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help='In ClickHouse\'s SQL, as in "SELECT ... FROM calls".')],
    as_json: Annotated[bool, typer.Option("--json", help="JSON: an array of rows.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a heading.")] = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Ask the store in SQL: calls, attempts, requests, spans, verdicts, labels, prices, alert_events. Read-only."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv", param_hint="--csv")
    address = store_address(data, store_url, config)
    with connect(address, read_only=True) as client:
        try:
            if as_json or as_csv:
                _copy(client, query, "json" if as_json else "csv")
            else:
                _show(client, query)
        except OperationalError as error:
            raise RetryableError(f"the store at {address.host}:{address.port} does not answer") from error
        except DatabaseError as error:
            raise ThinkmeterError(f"the store refused the query: {_reason(error)}") from error


def _copy(client: Client, query: str, form: str) -> None:
    name, settings = FORMATS[form]
    with client.raw_stream(query, fmt=name, settings=settings) as stream:
        shutil.copyfileobj(stream, sys.stdout.buffer)
    sys.stdout.flush()


def _show(client: Client, query: str) -> None:
    console = Console(highlight=False)
    with client.query_rows_stream(query) as stream:
        rows = list(itertools.islice(stream, SHOWN_ROWS + 1))
        names = stream.source.column_names
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(names):
        numbers = all(isinstance(row[position], int | float) for row in rows)
        table.add_column(Text(name), justify="right" if numbers and rows else "left", overflow="fold")
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)
    if len(rows) > SHOWN_ROWS:
        console.print(f"the first {SHOWN_ROWS:,} rows; --csv and --json give all", style="dim")


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict | tuple) else str(value)


def _reason(error: Exception) -> str:
    """What the store says, without how it was reached."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    said = re.search(r"DB::Exception: (.*?)(?: \([A-Z_]+\) \(version .*)?$", text)
    return (said[1] if said else text)[:500]
