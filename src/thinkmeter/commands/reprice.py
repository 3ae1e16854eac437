"""`thinkmeter reprice`: applies the price list, the configuration and set prices to past calls."""

import datetime as dt

import typer

from thinkmeter.collector.jobs.pricing import refresh_prices
from thinkmeter.commands.line import app, wide_console
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address, store_client
from thinkmeter.commands.price_tables import show_changes
from thinkmeter.commands.prices import (
    Project,
    Since,
    Until,
    difference,
    moments,
    price_list,
    tell_unpriced,
    warn_of_age,
)


@app.command()
def reprice(
    since: Since = "30d",
    until: Until = None,
    project: Project = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Apply the price list, the configuration and set prices to all past calls, and show what that changed in a window.

    Calls are not rewritten: cost is looked up when it is read, at the price of the call's own time. Older price books
    stay in the table `prices`.
    """
    address = store_address(data, store_url, config)
    start, end = moments(address, since, until)
    with store_client(address) as client:
        listed = price_list(client, config)
        found = difference(client, listed, start, end, project)
        changed = refresh_prices(client, listed)
    typer.echo(f"{len(changed)} price {'book' if len(changed) == 1 else 'books'} changed")
    show_changes(wide_console(), found, start, end)
    tell_unpriced(found)
    warn_of_age(dt.datetime.now(dt.UTC).date())
