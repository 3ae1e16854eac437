"""`thinkmeter report`: the metrics of a window, for people and for scripts."""

import csv
import dataclasses
import datetime as dt
import difflib
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.commands.report.explanation import print_explanation
from thinkmeter.commands.report.review import print_review
from thinkmeter.commands.window import moment, window
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

if TYPE_CHECKING:
    from thinkmeter.schema.query import Report
    from thinkmeter.schema.query.break_even import Gpus

Form = Literal["table", "json", "csv"]


@app.command()
def report(
    metric: Annotated[
        str | None,
        typer.Argument(
            metavar="[METRIC]",
            help="cpq, ttr, escr, vrate, cost, overthinking, strategies, runaways, quota, forecast, latency, "
            "routing, reflection, coverage or review; absent: the first four.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="T",
            help="Begin: 7d (default), 24h or 90m before the end, or an ISO time; forecast: 90d.",
        ),
    ] = None,
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
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", metavar="SPAN_ID", help="With cost: how the cost of one call comes about, line by line."
        ),
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="With review: which; default: the one that runs.")
    ] = None,
    gpu_hour_usd: Annotated[
        float | None,
        typer.Option("--gpu-hour-usd", min=0, help="With review: price of a GPU of your own, for the break-even."),
    ] = None,
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="How many serve the model.")] = 1,
    gpu_tokens_per_second: Annotated[
        float | None, typer.Option("--gpu-tokens-per-second", min=0, help="Output tokens of all of them together.")
    ] = None,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Print the metrics of the requests that began in a window; `review` is of a calendar month.

    Without a time zone, times are those of the project. Each value comes with its 95 % interval and with how many
    requests it rests on.
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv", param_hint="--csv")
    if explain is not None and metric != "cost":
        raise typer.BadParameter("say `report cost --explain SPAN_ID`", param_hint="--explain")
    if metric == "review":
        if as_csv or since or until or by:
            raise typer.BadParameter("a review is of one month: --month, --task, --json", param_hint="METRIC")
        hardware = _hardware(gpu_hour_usd, gpus, gpu_tokens_per_second, config)
        print_review(store_address(data, store_url, config), month, task, project, hardware, as_json=as_json)
        return
    form: Form = "json" if as_json else "csv" if as_csv else "table"
    asked = _asked(metric, by, since, until, with_cost=form == "table")
    address = store_address(data, store_url, config)
    if explain is not None:
        print_explanation(address, explain, project, form)
    else:
        _print(address, asked, form, task=task, project=project)


def _hardware(hour_usd: float | None, gpus: int, tokens_per_second: float | None, config: Path | None) -> "Gpus | None":
    """Of the options, else of the first model in `[[prices.self_hosted]]`; None where neither names any."""
    from thinkmeter.configuration import load
    from thinkmeter.schema.query.break_even import Gpus

    if (hour_usd is None) != (tokens_per_second is None):
        raise typer.BadParameter("needs --gpu-tokens-per-second with it", param_hint="--gpu-hour-usd")
    if hour_usd is not None and tokens_per_second is not None:
        return Gpus(hour_usd, gpus, tokens_per_second)
    own = load(config).prices.self_hosted
    return Gpus(own[0].gpu_hour_usd, own[0].gpus, own[0].output_tokens_per_second) if own else None


def print_metrics(address: StoreAddress, *, since: dt.datetime) -> None:
    """Print the four metrics and the cost of all requests that began from `since` on, as tables."""
    _print(address, _asked(None, None, since.isoformat(), None, with_cost=True), "table")


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be reported: metrics with what each is split by, and of which window."""

    metric: str | None
    parts: list[tuple[str, str | None]]
    refusals: list[str]
    """Why one of the four is not among them."""
    start: dt.datetime | dt.timedelta
    end: dt.datetime | dt.timedelta | None


def _asked(metric: str | None, by: str | None, since: str | None, until: str | None, *, with_cost: bool) -> _Asked:
    from thinkmeter.schema.metrics.catalogue import METRICS

    names, refusals = _metrics(metric, by, with_cost=with_cost)
    parts = [(name, by) for name in names]
    if metric == "quota" and by is None:
        parts = [("quota", "user"), ("quota", "session")]
    start = moment(since or METRICS[names[0]].window, "--since")
    return _Asked(metric, parts, refusals, start, None if until is None else moment(until, "--until"))


def _print(
    address: StoreAddress, asked: _Asked, form: Form, *, task: str | None = None, project: str = "default"
) -> None:
    from thinkmeter.commands.report.tables import show
    from thinkmeter.schema.query import Reader

    with Reader(address) as reader:
        first, last = window(asked.start, asked.end, reader)
        read = partial(reader.report, since=first, until=last, task=task, project=project)
        reports = [read(name, by=by) for name, by in asked.parts]
        if form == "table":
            show(reports, coverage=read("coverage", by=()), alone=asked.metric is not None)
        if not any(one.rows for one in reports):
            known = reader.values(first, last)
            for name, asked_for in (("task", task), ("project", project)):
                if known[name] and asked_for not in (None, *known[name]):
                    typer.echo(_stranger(name, str(asked_for), known[name]), err=True)
    if form == "json":
        told = [one.as_json() for one in reports]
        if asked.metric:
            told[0]["rows"] = [row for one in told for row in one["rows"]]
        json.dump(told[0] if asked.metric else told, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    elif form == "csv":
        _write_csv(reports)
    for refusal in asked.refusals:
        typer.echo(refusal, err=True)


def _stranger(name: str, asked_for: str, known: Sequence[str]) -> str:
    """That nothing of the window is of that task class or project, which may be called otherwise."""
    near = difflib.get_close_matches(asked_for, known, n=1)
    told = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"no call of the window is of {name} {asked_for}; {told}"


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
