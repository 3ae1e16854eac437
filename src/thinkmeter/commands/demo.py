"""`thinkmeter demo`: everything on this machine at once, with eight days of traffic made up for the purpose."""

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from thinkmeter.commands.line import app
from thinkmeter.schema.errors import ThinkmeterError

if TYPE_CHECKING:
    from thinkmeter.configuration import Configuration
    from thinkmeter.demo.traffic import DemoTraffic
    from thinkmeter.pipeline import Pipeline

LIVE_REQUESTS: Final = 20
"""So many go through the real clients before the report."""
BACKGROUND_MINUTES: Final = 60.0
"""A demo that nobody sees ends by itself."""


@app.command()
def demo(
    seed: Annotated[int, typer.Option("--seed", min=0, max=65535, help="Another seed, other traffic.")] = 7,
    requests: Annotated[int, typer.Option("--requests", min=1, help="Requests of the history.")] = 7_500,
    data: Annotated[
        Path | None, typer.Option("--data", help="Directory to keep everything in; default: a temporary one.")
    ] = None,
    leave: Annotated[
        bool | None,
        typer.Option(
            "--exit/--stay",
            help="End after the report, or go on with live traffic until Ctrl-C; default: go on, in the background "
            "for an hour where this is no terminal.",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, help="End live traffic after so long; default: at Ctrl-C.")
    ] = None,
) -> None:
    """Run everything on free ports with made-up traffic, and print the report of all four metrics.

    Eight days of history are replayed through the SDK, then live requests go through the real clients of OpenAI,
    Anthropic and Gemini to a stand-in on this machine: no key is needed and nothing leaves it. What is true of every
    request is in a file, written before it is sent. The address of the dashboard stands at the end.
    """
    if leave is None and not sys.stdin.isatty():
        _in_background(seed, requests, data, minutes)
        return
    from thinkmeter.commands.ending import end_on_signal
    from thinkmeter.commands.report import print_metrics
    from thinkmeter.commands.telling import start_telling
    from thinkmeter.commands.up import tell_places
    from thinkmeter.demo.background import say_ready
    from thinkmeter.demo.traffic import DemoTraffic
    from thinkmeter.pipeline import Pipeline

    stay = not leave
    console = Console(highlight=False, soft_wrap=True)
    configuration = demo_configuration()
    tell = start_telling(configuration.log)
    with (
        _directory(data) as folder,
        Pipeline(configuration, folder, store_port=0, dashboard_port=0 if stay else None) as pipeline,
    ):
        tell_places(tell, pipeline, folder, configuration)
        url = f"http://127.0.0.1:{pipeline.collector.http_port}"
        with contextlib.ExitStack() as sending:
            traffic = sending.enter_context(DemoTraffic(url, folder, seed=seed, requests=requests))
            tell_history(console, pipeline, traffic)
            traffic.wait_for_live(LIVE_REQUESTS)
            if not stay:
                sending.close()
            console.print(
                f"{traffic.live_requests} live requests through the clients of OpenAI, Anthropic and Gemini\n"
            )
            print_metrics(pipeline.address, since=traffic.begin)
            lasting = "" if data or stay else " (gone with the rest of it now; --data DIR keeps everything)"
            console.print(f"\nwhat is true of every request: {traffic.truth_path}{lasting}")
            if pipeline.dashboard is not None:
                ended = end_on_signal()
                end = "; end with Ctrl-C" if sys.stdin.isatty() else ""
                console.print(f"live traffic goes on, with a runaway every minute or two{end}")
                console.print(f"dashboard: {pipeline.dashboard.url}")
                say_ready()
                with _ended_after(minutes, ended):
                    pipeline.watch(ended, tell)
                console.print("stopping")


def _in_background(seed: int, requests: int, data: Path | None, minutes: float | None) -> None:
    """Run the demo in a process that goes on after the report, and say how to end it."""
    from thinkmeter.commands.ending import end_on_signal
    from thinkmeter.demo.background import leave_running

    folder = data.expanduser() if data else Path(tempfile.mkdtemp(prefix="thinkmeter-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ThinkmeterError(f"the data directory {folder} cannot be made: {error.strerror}") from None
    minutes = BACKGROUND_MINUTES if minutes is None else minutes
    arguments = ["--stay", f"--seed={seed}", f"--requests={requests}", f"--data={folder}", f"--minutes={minutes}"]
    demo = leave_running(arguments, folder, end_on_signal(), lambda said: typer.echo(said, nl=False))
    if (code := demo.poll()) is not None:
        raise typer.Exit(code)
    typer.echo(f"it goes on in the background for {minutes:g} minutes; end it with: kill {demo.pid}")


@contextlib.contextmanager
def _ended_after(minutes: float | None, ended: threading.Event) -> Iterator[None]:
    """Set the event after a time, unless the block ends before."""
    timer = threading.Timer(60 * minutes, ended.set) if minutes is not None else None
    if timer:
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()


def demo_configuration() -> "Configuration":
    """The demo's configuration: its own policies, free ports, and a store of its own whatever the environment names."""
    from thinkmeter.configuration import AuthSettings, StoreSettings, load, with_ports

    with as_file(files("thinkmeter.demo") / "thinkmeter.toml") as path:
        configuration = load(path)
    own = configuration.model_copy(update={"store": StoreSettings(), "auth": AuthSettings()})
    return with_ports(own, http_port=0, grpc_port=0)


def tell_history(console: Console, pipeline: "Pipeline", traffic: "DemoTraffic") -> None:
    """Wait until the history is sent, then until it can be queried, and say how long each took.

    Raises:
        ThinkmeterError: the collector did not take it, or it does not come into the store.
    """
    from thinkmeter.demo.arrival import wait_until_queryable

    if traffic.resumed:
        console.print(f"\n{traffic.truth_path.parent} has its history from an earlier run")
        return
    begun = time.monotonic()
    traffic.wait_for_history()
    taken = time.monotonic()
    sent = traffic.history
    console.print(
        f"\n{sent.requests:,} requests of eight days ({sent.calls:,} calls, {sent.verdicts:,} verdicts, "
        f"{sent.labels:,} labels) recorded and taken in {taken - begun:.1f} s"
    )
    wait_until_queryable(pipeline.address, traffic.prefix, traffic.until, sent)
    console.print(f"all of them priced and queryable {time.monotonic() - taken:.1f} s later")


@contextlib.contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data.expanduser()
    else:
        with tempfile.TemporaryDirectory(prefix="thinkmeter-demo-") as folder:
            yield Path(folder)
