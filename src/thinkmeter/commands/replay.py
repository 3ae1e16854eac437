"""`thinkmeter replay`: recorded OTLP files into the store."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from thinkmeter.collector.export import EXPLANATIONS
from thinkmeter.collector.installation import install
from thinkmeter.collector.otlp_files import read_requests
from thinkmeter.collector.replay import Replay
from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.configuration import load
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import connect

SHOWN_BAD_REQUESTS = 20


@app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="OTLP as protobuf, JSON or JSON lines; gzip or zstd or not.")
    ],
    project: Annotated[str, typer.Option("--project", help="The project that they belong to.")] = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Put recorded OTLP into the store, spans and log records with the times they were recorded with.

    Takes what exporters and the file exporter of the OpenTelemetry Collector write. The same file again changes
    nothing. Requests that cannot be read are listed and left out.
    """
    address = store_address(data, store_url, config)
    console = Console(highlight=False, soft_wrap=True)
    with connect(address) as client:
        replayed = Replay(client, install(client, address.embedded, load(config).privacy), project)
        for file in files:
            replayed.insert(file, read_requests(file))
    console.print(f"{replayed.spans} spans and {replayed.log_records} log records replayed", markup=False)
    if replayed.metric_points:
        console.print(f"{replayed.metric_points} metric points left out: thinkmeter stores traces and logs")
    for reason, count in replayed.rejected.items():
        console.print(f"{count} spans left out: {EXPLANATIONS[reason]}", markup=False)
    for bad in replayed.bad_requests[:SHOWN_BAD_REQUESTS]:
        console.print(": ".join(part for part in (str(bad.path), bad.place, bad.reason) if part), markup=False)
    if replayed.bad_requests:
        more = len(replayed.bad_requests) - SHOWN_BAD_REQUESTS
        raise ThinkmeterError(
            f"{len(replayed.bad_requests)} requests cannot be read and were left out"
            + (f", {more} more than shown" if more > 0 else "")
        )
