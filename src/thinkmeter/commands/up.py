"""`thinkmeter up`: everything on this machine."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from thinkmeter.commands.ending import end_on_signal
from thinkmeter.commands.line import app
from thinkmeter.commands.options import (
    DEFAULT_DATA_DIR,
    ConfigFile,
    DashboardPort,
    DataDir,
    GrpcPort,
    HttpPort,
    StorePort,
)
from thinkmeter.configuration import Configuration, load, with_ports
from thinkmeter.pipeline import Pipeline


@app.command()
def up(
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    otlp_http_port: HttpPort = None,
    otlp_grpc_port: GrpcPort = None,
    store_port: StorePort = 8123,
    dashboard_port: DashboardPort = 8501,
    demo: Annotated[bool, typer.Option("--demo", help="Send demo traffic as well.")] = False,
) -> None:
    """Run store, collector, jobs, alerts and dashboard on this machine until Ctrl-C or SIGTERM."""
    configuration = with_ports(load(config), http_port=otlp_http_port, grpc_port=otlp_grpc_port)
    console = Console(highlight=False, soft_wrap=True)
    ended = end_on_signal()
    data = data.expanduser()
    with Pipeline(configuration, data, store_port, dashboard_port) as pipeline, contextlib.ExitStack() as traffic:
        print_places(console, pipeline, data, configuration)
        if demo:
            from thinkmeter.demo.traffic import DemoTraffic  # needs the provider clients of the demo extra

            traffic.enter_context(DemoTraffic(f"http://127.0.0.1:{pipeline.collector.http_port}", data))
            console.print("demo traffic is on its way: eight days of history first, then live requests")
        pipeline.watch(ended, console.print)
        console.print("stopping")
    console.print("stopped; nothing accepted was lost")


def print_places(console: Console, pipeline: Pipeline, data: Path, configuration: Configuration) -> None:
    """Say where everything is, and what of the configuration takes no effect yet."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    http = f"http://127.0.0.1:{pipeline.collector.http_port}"
    if pipeline.dashboard is not None:
        table.add_row("dashboard", pipeline.dashboard.url)
    table.add_row("OTLP/HTTP", f"{http}/v1/traces  {http}/v1/logs")
    table.add_row("OTLP/gRPC", f"127.0.0.1:{pipeline.collector.grpc_port}")
    table.add_row("health", f"{http}/healthz  {http}/readyz  {http}/metrics")
    kind = "embedded ClickHouse" if pipeline.store else "ClickHouse"
    table.add_row("store", f"http://{pipeline.address.host}:{pipeline.address.port}  ({kind})")
    table.add_row("data", str(data))
    console.print(table)
    if configuration.idle_sections:
        console.print(f"not in effect in this version: [{'], ['.join(configuration.idle_sections)}]", markup=False)
    console.print(
        "ready; send traffic with thinkmeter.instrument(), read it with `thinkmeter report`, stop with Ctrl-C"
    )
