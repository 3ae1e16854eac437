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
        help="clickhouse://user:password@host:port/database; default: that of the configuration, else the embedded "
        "store that runs on --data.",
    ),
]
StorePort = Annotated[int, typer.Option("--store-port", min=0, max=65535, help="Port of the store; 0: any free one.")]
HttpPort = Annotated[
    int | None, typer.Option("--otlp-http-port", min=0, max=65535, help="Port of OTLP/HTTP; 0: any free one.")
]
GrpcPort = Annotated[
    int | None, typer.Option("--otlp-grpc-port", min=0, max=65535, help="Port of OTLP/gRPC; 0: any free one.")
]
DashboardPort = Annotated[
    int, typer.Option("--dashboard-port", min=0, max=65535, help="Port of the dashboard; 0: any free one.")
]


def store_address(data: Path, store_url: str | None, config: Path | None) -> StoreAddress:
    """Where a reading command finds the store.

    The URL where one is given, else `[store] url` of the configuration, else the embedded store that runs on `data`.

    Raises:
        ThinkmeterError: a URL is malformed, the configuration is not valid, or no store runs on `data`.
    """
    from thinkmeter.configuration import load  # with all its sections, which a given URL does not need

    url = store_url or load(config).store.url
    return StoreAddress.from_url(url) if url else StoreAddress.of_running(data.expanduser())
