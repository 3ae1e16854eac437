"""`thinkmeter up`: everything on this machine."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from thinkmeter.commands.ending import end_on_signal
from thinkmeter.commands.line import app
from thinkmeter.commands.options import (
    DEFAULT_DATA_DIR,
    ConfigFile,
    DashboardPort,
    DataDir,
    GrpcPort,
    HttpPort,
    LogFormatOption,
    StorePort,
)
from thinkmeter.commands.telling import start_telling
from thinkmeter.configuration import Configuration, load, with_log_format, with_ports
from thinkmeter.pipeline import Pipeline
from thinkmeter.schema.logs import Tell


@app.command()
def up(
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    otlp_http_port: HttpPort = None,
    otlp_grpc_port: GrpcPort = None,
    store_port: StorePort = 8123,
    dashboard_port: DashboardPort = 8501,
    log_format: LogFormatOption = None,
    demo: Annotated[bool, typer.Option("--demo", help="Send demo traffic as well.")] = False,
) -> None:
    """Run store, collector, jobs, alerts and dashboard on this machine until Ctrl-C or SIGTERM."""
    configuration = with_log_format(load(config), log_format)
    configuration = with_ports(configuration, http_port=otlp_http_port, grpc_port=otlp_grpc_port)
    ended, tell = end_on_signal(), start_telling(configuration.log)
    data = data.expanduser()
    with Pipeline(configuration, data, store_port, dashboard_port) as pipeline, contextlib.ExitStack() as traffic:
        tell_places(tell, pipeline, data, configuration)
        if demo:
            from thinkmeter.demo.traffic import DemoTraffic  # needs the provider clients of the demo extra

            traffic.enter_context(DemoTraffic(f"http://127.0.0.1:{pipeline.collector.http_port}", data))
            tell("demo.started", "demo traffic is on its way: eight days of history first, then live requests")
        pipeline.watch(ended, tell)
        tell("stopping", "stopping")
    tell("stopped", "stopped; nothing accepted was lost")


def tell_places(tell: Tell, pipeline: Pipeline, data: Path, configuration: Configuration) -> None:
    """Say where everything is, and what of the configuration takes no effect yet."""
    http = f"http://127.0.0.1:{pipeline.collector.http_port}"
    grpc = f"127.0.0.1:{pipeline.collector.grpc_port}"
    store = f"http://{pipeline.address.host}:{pipeline.address.port}"
    places = {
        **({"dashboard": pipeline.dashboard.url} if pipeline.dashboard is not None else {}),
        "OTLP/HTTP": f"{http}/v1/traces  {http}/v1/logs",
        "OTLP/gRPC": grpc,
        "health": f"{http}/healthz  {http}/readyz  {http}/metrics",
        "store": f"{store}  ({'embedded ClickHouse' if pipeline.store else 'ClickHouse'})",
        "data": str(data),
    }
    idle = [f"[{section}]" for section in configuration.idle_sections]
    lines = [f"{name:<9}  {place}" for name, place in places.items()]
    if idle:
        lines.append(f"not in effect in this version: {', '.join(idle)}")
    lines.append("ready; send traffic with thinkmeter.instrument(), read it with `thinkmeter report`, stop with Ctrl-C")
    tell(
        "ready",
        "\n".join(lines),
        dashboard=places.get("dashboard"),
        otlp_http=http,
        otlp_grpc=grpc,
        store=store,
        data=data,
        not_in_effect=idle,
    )
