"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from thinkmeter.schema.store.client import StoreAddress

DEFAULT_DATA_DIR = Path("~/.thinkmeter")

DataDir = Annotated[
    Path,
    typer.Option("--data", envvar="THINKMETER_DATA", help="Directory of the embedded store, the spool and the logs."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="THINKMETER_CONFIG", help="Configuration; default: thinkmeter.toml of this directory."
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store-url",
        envvar="THINKMETER_STORE_URL",
        help="clickhouse://user:password@host:port/database; default: the embedded store that runs on --data.",
    ),
]


def store_address(data: Path, store_url: str | None) -> StoreAddress:
    """Where a reading command finds the store: the URL where one is given, else the one that runs on `data`.

    Raises:
        ThinkmeterError: the URL is malformed, or no store runs on `data`.
    """
    return StoreAddress.from_url(store_url) if store_url else StoreAddress.of_running(data.expanduser())
