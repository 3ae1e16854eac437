"""`thinkmeter dashboard`: the dashboard alone, beside a store that runs elsewhere."""

from typing import Annotated

import typer

from thinkmeter.commands.ending import end_on_signal
from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, LogFormatOption, StoreUrl, store_address
from thinkmeter.commands.telling import start_telling
from thinkmeter.configuration import load, with_log_format
from thinkmeter.dashboards.process import DashboardProcess
from thinkmeter.schema.errors import ThinkmeterError

WATCH_INTERVAL_S = 0.5


@app.command()
def dashboard(
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
    port: Annotated[
        int,
        typer.Option(
            "--dashboard-port", min=0, max=65535, help="Port of the dashboard; 0: any free one, which is printed."
        ),
    ] = 8501,
    host: Annotated[
        str,
        typer.Option(
            "--dashboard-host",
            help="Interface to listen on. It asks nobody who they are: open it to others behind a proxy that does.",
        ),
    ] = "127.0.0.1",
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--dashboard-name", help="Host name under which a proxy on this machine serves it; can be repeated."
        ),
    ] = None,
    log_format: LogFormatOption = None,
) -> None:
    """Show the dashboard of a store that runs already, until Ctrl-C or SIGTERM."""
    settings = with_log_format(load(config), log_format).log
    ended, tell = end_on_signal(), start_telling(settings)
    address = store_address(data, store_url, config)
    source = data.expanduser() if address.embedded else address
    with DashboardProcess(source, port, host=host, names=names or (), logs=settings) as process:
        tell("dashboard.ready", f"dashboard  {process.url}", dashboard=process.url)
        while not ended.wait(WATCH_INTERVAL_S):
            if not process.running:
                raise ThinkmeterError("the dashboard ended unexpectedly; its reason stands above")
