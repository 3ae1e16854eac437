"""`thinkmeter store`, `collector`, `jobs`, `migrate`: one part each, for hosts of their own."""

import contextlib

import typer

from thinkmeter.collector.jobs.schedule import Schedule
from thinkmeter.commands.ending import end_on_signal
from thinkmeter.commands.line import app
from thinkmeter.commands.options import (
    DEFAULT_DATA_DIR,
    ConfigFile,
    DataDir,
    GrpcPort,
    HttpPort,
    LogFormatOption,
    StorePort,
    StoreUrl,
    store_address,
)
from thinkmeter.commands.telling import start_telling
from thinkmeter.configuration import apply_rules, load, with_log_format, with_ports
from thinkmeter.pipeline import collector_of, prepare, watch_store
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore


@app.command()
def store(
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    store_port: StorePort = 8123,
    log_format: LogFormatOption = None,
) -> None:
    """Run the embedded store alone until Ctrl-C or SIGTERM; other parts on this machine find it by --data."""
    configuration = with_log_format(load(config), log_format)
    if configuration.store.url:
        raise ThinkmeterError("the configuration names a server in [store] url: there is no embedded store to run")
    ended, tell = end_on_signal(), start_telling(configuration.log)
    with EmbeddedStore(data.expanduser(), store_port) as running:
        prepare(running.address, configuration)
        url = f"http://{running.address.host}:{running.address.port}"
        tell("store.ready", f"store  {url}  on {data}", store=url, data=data)
        watch_store(running, ended, tell)


@app.command()
def collector(
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    store_url: StoreUrl = None,
    otlp_http_port: HttpPort = None,
    otlp_grpc_port: GrpcPort = None,
    log_format: LogFormatOption = None,
) -> None:
    """Take OTLP and write it to a store that runs elsewhere, until Ctrl-C or SIGTERM; the spool is under --data."""
    configuration = with_log_format(load(config), log_format)
    configuration = with_ports(configuration, http_port=otlp_http_port, grpc_port=otlp_grpc_port)
    ended, tell = end_on_signal(), start_telling(configuration.log)
    address = store_address(data, store_url, config)
    with collector_of(configuration, address, data.expanduser()) as running:
        host = configuration.collector.host
        http, grpc = f"http://{host}:{running.http_port}", f"{host}:{running.grpc_port}"
        tell("collector.ready", f"OTLP/HTTP  {http}/v1/traces\nOTLP/gRPC  {grpc}", otlp_http=http, otlp_grpc=grpc)
        ended.wait()
    tell("stopped", "stopped; nothing accepted was lost")


@app.command()
def jobs(
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    store_url: StoreUrl = None,
    log_format: LogFormatOption = None,
) -> None:
    """Settle calls, look up prices and make baselines until Ctrl-C or SIGTERM; of several, one at a time works."""
    configuration = with_log_format(load(config), log_format)
    ended, tell = end_on_signal(), start_telling(configuration.log)
    address = store_address(data, store_url, config)
    with connect(address) as client:
        apply_rules(client, configuration)
    with contextlib.closing(Schedule(address, configuration.prices)) as schedule:
        schedule.start()
        waits = "another process runs the jobs; this one waits to take over"
        tell("jobs.ready", "jobs run" if schedule.leads else waits, leads=schedule.leads)
        ended.wait()


@app.command()
def migrate(data: DataDir = DEFAULT_DATA_DIR, config: ConfigFile = None, store_url: StoreUrl = None) -> None:
    """Bring a store to this version's schema, able to decode OTLP, with the rules of the configuration."""
    address = store_address(data, store_url, config)
    applied = prepare(address, load(config))
    told = ", ".join(f"{migration.number} {migration.name}" for migration in applied)
    typer.echo(f"applied: {told}" if applied else "the schema is the newest already")
