"""`thinkmeter alerts`: try a channel, silence what is known."""

import getpass
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from thinkmeter.alerts.check import try_channel
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.settings import Duration
from thinkmeter.alerts.silences import end_silence, silence, silences
from thinkmeter.commands.ending import end_on_signal
from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, LogFormatOption, StoreUrl, store_address
from thinkmeter.commands.telling import start_telling
from thinkmeter.configuration import load, with_log_format
from thinkmeter.schema.alerting.records import Silence

alerts = typer.Typer(help="Run the alerts alone; try a channel; silence alerts for a while.")
app.add_typer(alerts, name="alerts")


@alerts.callback(invoke_without_command=True)
def run_alerts(
    context: typer.Context,
    data: DataDir = DEFAULT_DATA_DIR,
    config: ConfigFile = None,
    store_url: StoreUrl = None,
    dashboard_url: Annotated[str | None, typer.Option("--dashboard-url", help="Where messages link to.")] = None,
    log_format: LogFormatOption = None,
) -> None:
    """Watch a store and tell the channels until Ctrl-C or SIGTERM; of several, one at a time works."""
    if context.invoked_subcommand is not None:
        return
    configuration = with_log_format(load(config), log_format)
    settings, ended, tell = configuration.alerts, end_on_signal(), start_telling(configuration.log)
    engine = AlertEngine(store_address(data, store_url, config), settings, dashboard_url=dashboard_url)
    engine.start()
    channels = sorted(settings.channels)
    told = ", ".join(channels) or "the dashboard alone: no channel is configured"
    tell("alerts.ready", f"alerts go to {told}", channels=channels)
    ended.wait()
    engine.stop()


@alerts.command("test")
def try_alert_channel(
    channel: Annotated[str, typer.Argument(help="Name in [alerts.channels.NAME].")], config: ConfigFile = None
) -> None:
    """Send a test message and its resolve to a channel."""
    Console(highlight=False, soft_wrap=True).print(try_channel(load(config).alerts, channel), markup=False)


@alerts.command("silence")
def silence_alerts(
    lasting: Annotated[str | None, typer.Option("--for", help="How long: 30m, 2h, 7d.")] = None,
    task: Annotated[str, typer.Option("--task", help="Only this task class.")] = "",
    request: Annotated[str, typer.Option("--request", help="Only this request.")] = "",
    rule: Annotated[str, typer.Option("--rule", help="Only this rule.")] = "",
    project: Annotated[str, typer.Option("--project", help="Only this project.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who wonder.")] = "",
    end: Annotated[str | None, typer.Option("--end", metavar="ID", help="End a silence now.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the silences that hold.")] = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Silence alerts that fire from now on; they are judged and stored all the same."""
    if (lasting is not None) + (end is not None) + show != 1:
        raise typer.BadParameter("say one of --for, --end and --list")
    address = store_address(data, store_url, config)
    console = Console(highlight=False, soft_wrap=True)
    if lasting is not None:
        try:
            duration = TypeAdapter(Duration).validate_python(lasting)
        except ValidationError as error:
            raise typer.BadParameter(
                error.errors()[0]["msg"].removeprefix("Value error, "), param_hint="--for"
            ) from None
        made = silence(
            address,
            duration,
            project=project,
            rule=rule,
            task=task,
            key=request,
            reason=reason,
            created_by=getpass.getuser(),
        )
        console.print(f"silenced until {made.until:%Y-%m-%d %H:%M:%S} UTC, end it with --end {made.id}", markup=False)
    elif end is not None:
        console.print(f"silence {end_silence(address, end).id} is over", markup=False)
    else:
        _print_silences(console, silences(address))


def _print_silences(console: Console, held: list[Silence]) -> None:
    if not held:
        console.print("no silence holds")
        return
    table = Table("id", "until (UTC)", "of", "reason", "by", box=None)
    for one in held:
        conditions = {"project": one.project, "rule": one.rule, "task": one.task, "request": one.key}
        of = ", ".join(f"{name} {value}" for name, value in conditions.items() if value) or "everything"
        table.add_row(one.id, f"{one.until:%Y-%m-%d %H:%M:%S}", of, one.reason, one.created_by)
    console.print(table)
