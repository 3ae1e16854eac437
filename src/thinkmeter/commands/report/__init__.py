"""`thinkmeter report`: the metrics of a window, for people and for scripts."""

import csv
import datetime as dt
import json
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, DataDir, StoreUrl, store_address
from thinkmeter.schema.errors import ThinkmeterError

if TYPE_CHECKING:
    from thinkmeter.schema.query import Reader, Report

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@app.command()
def report(
    metric: Annotated[
        str | None,
        typer.Argument(metavar="[METRIC]", help="cpq, ttr, escr, vrate, cost or coverage; absent: all four."),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="T", help="Begin: 7d, 24h or 90m before the end, or an ISO time.")
    ] = "7d",
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="End, not included: an ISO time, or 1d for a day ago.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Only this task class.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="K",
            help="One row for each task (default), tier, model, provider, strategy, effort, phase, user, session, "
            "verifier, environment, service, day, hour or attr:NAME.",
        ),
    ] = None,
    project: Annotated[str, typer.Option("--project", help="The project.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with every ingredient.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, with every ingredient that is one number.")] = False,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Print the metrics of the requests that began in a window.

    Without a time zone, times are those of the project. Each value comes with its 95 % interval and with how many
    requests it rests on.
    """
    from thinkmeter.commands.report.tables import show
    from thinkmeter.schema.query import Reader

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv", param_hint="--csv")
    start, end = _moment(since, "--since"), None if until is None else _moment(until, "--until")
    for_people = not (as_json or as_csv)
    names, refusals = _metrics(metric, by, with_cost=for_people)
    with Reader(store_address(data, store_url)) as reader:
        first, last = _window(start, end, reader)
        asked = partial(reader.report, since=first, until=last, task=task, project=project)
        reports = [asked(name, by=by) for name in names]
        if for_people:
            show(reports, coverage=asked("coverage", by=()))
    if as_json:
        told = [one.as_json() for one in reports]
        json.dump(told[0] if metric else told, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    elif as_csv:
        _write_csv(reports)
    for refusal in refusals:
        typer.echo(refusal, err=True)


def _metrics(metric: str | None, by: str | None, *, with_cost: bool) -> tuple[list[str], list[str]]:
    """Names of the metrics to report, and why one of the four is not among them."""
    from thinkmeter.schema.metrics.catalogue import MAIN, METRICS
    from thinkmeter.schema.query.filters import dimensions

    if metric is not None and metric not in METRICS:
        raise typer.BadParameter(f"there is no {metric!r}, only {', '.join(METRICS)}", param_hint="METRIC")
    names, refusals = [], []
    for name in [metric] if metric else [*MAIN, *(["cost"] if with_cost else [])]:
        try:
            dimensions(METRICS[name], by)
            names.append(name)
        except ThinkmeterError as error:
            refusals.append(str(error))
    if not names:
        raise typer.BadParameter(refusals[0], param_hint="--by")
    return names, refusals


def _moment(text: str, option: str) -> dt.datetime | dt.timedelta:
    """An instant, or how long before another."""
    if lasting := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        return dt.timedelta(**{UNITS[lasting[2]]: int(lasting[1])})
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a duration such as 7d, 24h or 90m nor a time such as 2026-11-15 or "
            "2026-11-15T08:00:00Z",
            param_hint=option,
        ) from None


def _window(
    start: dt.datetime | dt.timedelta, end: dt.datetime | dt.timedelta | None, reader: "Reader"
) -> tuple[dt.datetime, dt.datetime]:
    now = dt.datetime.now(dt.UTC)
    zone = reader.timezone()
    until, since = (
        moment if isinstance(moment, dt.timedelta) or moment.tzinfo else moment.replace(tzinfo=zone)
        for moment in (end or dt.timedelta(0), start)
    )
    until = now - until if isinstance(until, dt.timedelta) else until
    since = until - since if isinstance(since, dt.timedelta) else since
    if since >= until:
        raise typer.BadParameter(
            f"{since.isoformat()} is not before the end, {until.isoformat()}", param_hint="--since"
        )
    return since.astimezone(dt.UTC), until.astimezone(dt.UTC)


def _write_csv(reports: list["Report"]) -> None:
    lines = []
    for one in reports:
        for row in one.rows:
            known = {"metric": one.metric.name, **row.key}
            known |= {name: getattr(row, name) for name in ("value", "low", "high", "n", "state")}
            lines.append(known | {k: v for k, v in row.detail.items() if not isinstance(v, list | dict)})
    columns = list(dict.fromkeys(name for line in lines for name in line)) or ["metric", "value", "low", "high", "n"]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
