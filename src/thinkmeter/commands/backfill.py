"""`thinkmeter backfill`: makes what is derived from calls, verdicts and labels anew."""

import datetime as dt
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address, store_client
from thinkmeter.commands.window import moment, window
from thinkmeter.schema.query import Reader


@app.command()
def backfill(
    since: Annotated[str, typer.Option("--since", metavar="T", help="From when on: 7d ago, or an ISO time.")],
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Make all requests with a call since then anew, from the calls, verdicts and labels in the store.

    The jobs do so by themselves for whatever changes. It can be repeated and cut off at any time.
    """
    from thinkmeter.collector.jobs.requests import rebuild_requests

    address = store_address(data, store_url, config)
    with Reader(address) as reader:
        begin, _ = window(moment(since, "--since"), None, reader)
    columns = TextColumn("requests"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with store_client(address) as client, Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("requests", total=None)
        made = rebuild_requests(client, begin, lambda done, of: bar.update(task, completed=done, total=of))
    typer.echo(f"{made} requests made anew since {begin.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC")
