"""The dashboard's own process: `python -P -m thinkmeter.dashboards.server`, started by `process`.

Its first line of standard input says which store to read and where to listen; it answers with a line that holds
the port, and ends when its standard input does, that is with its parent.
"""

import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pandas  # noqa: F401  # whole before the pages' threads race to import it
import plotly.graph_objects  # noqa: F401
import streamlit
import streamlit.logger
import uvicorn.config
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from streamlit import config

from thinkmeter.dashboards import store, theme
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import LogFormat, LogSettings, formatter, start_logs
from thinkmeter.schema.store.client import StoreAddress

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def options(host: str, port: int, names: Sequence[str] = ()) -> dict[str, object]:
    """Streamlit's settings: what a settings file of the user's own applications must not change.

    Args:
        host: the interface to listen on.
        port: 0 for any free one.
        names: host names that are answered on loopback beside its own.
    """
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,  # opens no browser
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.showEmailPrompt": False,
        "server.enableStaticServing": False,
        "server.allowedHosts": sorted({*LOOPBACK, *names}) if host in LOOPBACK else [],
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "logger.level": "warning",
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
        "runner.parallelMaxWorkers": 4,  # a page's blocks, the first ones first
        **theme.options(),
    }


def main() -> None:
    """Serve until the parent is gone."""
    orders = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _start_logs(LogSettings.model_validate(orders["log"]))
    named = orders["store"]
    store.read_from(Path(named["data"]) if "data" in named else StoreAddress(**named))

    # only the port goes to standard output: nobody reads on after it
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.chdir(Path(__file__).parent)  # not a folder with a .streamlit of another application

    @contextlib.asynccontextmanager
    async def announce(_: streamlit.App) -> AsyncIterator[None]:
        told.write(f"{config.get_option('server.port')}\n")
        told.close()
        yield

    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # the pages say what it would
    uvicorn.config.LOGGING_CONFIG["loggers"]["uvicorn"]["level"] = "WARNING"
    application = streamlit.App(
        Path(__file__).with_name("app.py"), lifespan=announce, routes=[Route("/readyz", _ready)]
    )
    application.run(config=options(orders["host"], orders["port"], orders["names"]))


def _start_logs(settings: LogSettings) -> None:
    """Let Streamlit say what it says as everything else does: it gives each of its loggers a handler of its own."""
    start_logs(settings)
    if settings.format is LogFormat.TEXT:
        return

    def set_up(logger: logging.Logger) -> None:
        handler = logging.StreamHandler()
        handler.setFormatter(formatter(settings.format))
        logger.handlers = [handler]

    streamlit.logger.setup_formatter = set_up
    streamlit.logger.update_formatter()


def _ready(_: Request) -> Response:
    """Whether there is a store to read, for whoever sends viewers here."""
    try:
        store.ask(lambda reader: reader.freshness())
    except ThinkmeterError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse("ok\n")


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
