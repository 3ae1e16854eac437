"""`thinkmeter store`, `collector`, `jobs`, `migrate`: one part each, for hosts of their own."""

import contextlib

import typer
from rich.console import Console

from thinkmeter.collector.jobs.schedule import Schedule
from thinkmeter.commands.ending import end_on_signal
from thinkmeter.commands.line import app
from thinkmeter.commands.options import (
    DEFAULT_DATA_DIR,
    ConfigFile,
    DataDir,
    GrpcPort,
    HttpPort,
    StorePort,
    StoreUrl,
    store_address,
)
from thinkmeter.configuration import apply_rules, load, with_ports
from thinkmeter.pipeline import collector_of, prepare, watch_store
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore


@app.command()
def store(data: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, store_port: StorePort = 8123) -> None:
    """Run the embedded store alone until Ctrl-C or SIGTERM; other parts on this machine find it by --data."""
    configuration = load(config)
    if configuration.store.url:
        raise ThinkmeterError("the configuration names a server in [store] url: there is no embedded store to run")
    ended, console = end_on_signal(), _console()
    with EmbeddedStore(data.expanduser(), store_port) as running:
        prepare(running.address, configuration)
        console.print(f"store  http://{running.address.host}:{running.address.port}  on {data}", markup=False)
        watch_store(running, ended, console.print)


@app.command()
def collector(
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    store_url: StoreUrl = None,
    otlp_http_port: HttpPort = None,
    otlp_grpc_port: GrpcPort = None,
) -> None:
    """Take OTLP and write it to a store that runs elsewhere, until Ctrl-C or SIGTERM; the spool is under --data."""
    configuration = with_ports(load(config), http_port=otlp_http_port, grpc_port=otlp_grpc_port)
    address = store_address(data, store_url, config)
    ended, console = end_on_signal(), _console()
    with collector_of(configuration, address, data.expanduser()) as running:
        console.print(f"OTLP/HTTP  http://{configuration.collector.host}:{running.http_port}/v1/traces")
        console.print(f"OTLP/gRPC  {configuration.collector.host}:{running.grpc_port}")
        ended.wait()
    console.print("stopped; nothing accepted was lost")


@app.command()
def jobs(data: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, store_url: StoreUrl = None) -> None:
    """Settle calls, look up prices and make baselines until Ctrl-C or SIGTERM; of several, one at a time works."""
    configuration = load(config)
    address = store_address(data, store_url, config)
    ended, console = end_on_signal(), _console()
    with connect(address) as client:
        apply_rules(client, configuration)
    with contextlib.closing(Schedule(address, configuration.prices)) as schedule:
        schedule.start()
        console.print("jobs run" if schedule.leads else "another process runs the jobs; this one waits to take over")
        ended.wait()


@app.command()
def migrate(data: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, store_url: StoreUrl = None) -> None:
    """Bring a store to this version's schema, able to decode OTLP, with the rules of the configuration."""
    address = store_address(data, store_url, config)
    applied = prepare(address, load(config))
    told = ", ".join(f"{migration.number} {migration.name}" for migration in applied)
    typer.echo(f"applied: {told}" if applied else "the schema is the newest already")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
