"""Options that several commands share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.logs import LogFormat
from thinkmeter.schema.store.client import StoreAddress, connect

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
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format", help="How what happens is told: lines of text, or JSON; default: [log] format, else text."
    ),
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


@contextlib.contextmanager
def store_client(address: StoreAddress, *, read_only: bool = False) -> Iterator[Client]:
    """A client of the store, whose refusals are told in a sentence.

    Raises:
        ThinkmeterError: wrong credentials or database, or the store refused a statement.
        RetryableError: the store does not answer.
    """
    with connect(address, read_only=read_only) as client:
        try:
            yield client
        except OperationalError as error:
            raise RetryableError(f"the store at {address.host}:{address.port} does not answer") from error
        except DatabaseError as error:
            raise ThinkmeterError(f"the store refused: {str(error).splitlines()[0][:300]}") from error
