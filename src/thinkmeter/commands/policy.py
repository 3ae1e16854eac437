"""`thinkmeter policy`: a first policy, from the usual classes of work and from how tasks behave."""

import dataclasses
import datetime as dt
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from thinkmeter.commands.line import app, wide_console
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.commands.window import moment, window
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.wording import NOTHING, milliseconds, tokens
from thinkmeter.schema.presets import PRESETS, Behaviour, Preset, nearest
from thinkmeter.schema.query import Reader, Report
from thinkmeter.schema.store.client import StoreAddress

policy = typer.Typer(help="Policies of task classes.", no_args_is_help=True)
app.add_typer(policy, name="policy")

SAMPLING: Final = ("best_of_n", "self_consistency", "parallel")
"""Strategies that draw several answers and choose."""
FAR: Final = 2.0
"""A preset further away than this is no more than the nearest of all."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Task:
    """A task class of the data."""

    name: str
    requests: int
    reason: str
    """Why nothing is said of its behaviour; '' where something is."""
    behaviour: Behaviour | None = None
    like: Sequence[tuple[Preset, float]] = ()


@policy.command("init")
def init(
    output: Annotated[Path, typer.Option("--output", help="Where to write it; - prints it.")] = Path(
        "thinkmeter-policy.toml"
    ),
    since: Annotated[str, typer.Option("--since", metavar="T", help="Data to look at: 30d, or an ISO time.")] = "30d",
    until: Annotated[str | None, typer.Option("--until", metavar="T", help="End, not included.")] = None,
    project: Annotated[str, typer.Option("--project", help="The project.")] = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Write a commented policy for the usual classes of work, and for each task of the data what it behaves like.

    Copy what fits into thinkmeter.toml. Where no store runs, the usual classes are written alone.
    """
    printed = str(output) == "-"
    if not printed and output.exists():
        raise ThinkmeterError(f"{output} exists already: name another with --output, or take it away")
    try:
        tasks = _tasks(store_address(data, store_url, config), since, until, project)
    except ThinkmeterError as error:
        typer.echo(f"no data, so the usual classes alone: {error}", err=True)
        tasks = []
    text = "\n".join(_file(tasks)) + "\n"
    if printed:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8")
    _show(wide_console(), tasks)
    typer.echo(f"policy written to {output}: copy what fits into thinkmeter.toml")


def _tasks(address: StoreAddress, since: str, until: str | None, project: str) -> list[_Task]:
    """Task classes of the window and how they behave."""
    with Reader(address) as reader:
        first, last = window(moment(since, "--since"), None if until is None else moment(until, "--until"), reader)

        def read(metric: str) -> Report:
            return reader.report(metric, since=first, until=last, project=project)

        thinking, latency, strategies = read("ttr"), read("latency"), read("strategies")
    waits = {(row.key["task"], row.key["until"]): row.value for row in latency.rows}
    attempts: dict[Any, dict[Any, int]] = {}
    for row in strategies.rows:
        attempts.setdefault(row.key["task"], {})[row.key["strategy"]] = row.detail["attempts"]
    found = []
    for row in thinking.rows:
        task, requests = row.key["task"], row.detail["requests"]
        if row.value is None:
            found.append(_Task(task, requests, row.detail["reason"]))
            continue
        wait = waits.get((task, "first answer token")) or waits.get((task, "end"))
        if wait is None:
            found.append(_Task(task, requests, "too few calls tell how long they took"))
            continue
        mine = attempts.get(task, {})
        sampled = sum(mine.get(name, 0) for name in SAMPLING) / (sum(mine.values()) or 1)
        behaviour = Behaviour(row.detail["p95"], wait, sampled)
        found.append(_Task(task, requests, "", behaviour, nearest(behaviour)))
    return found


def _file(tasks: Sequence[_Task]) -> Iterator[str]:
    """Lines of the policy: a section a task, then the usual classes as comments."""
    yield f"# Policies of task classes, made by `thinkmeter policy init` on {dt.datetime.now(dt.UTC):%Y-%m-%d}."
    yield "# Copy what fits into thinkmeter.toml; what a section does not say comes from [policy.default]."
    yield ""
    yield "[policy.default]"
    yield "p95_factor = 2.0             # a runaway thinks more than this many times the p95 of its class"
    yield "runaway_floor_tokens = 1000  # and more than this"
    yield "escalation_target = 0.20     # fewer tier-1 answers than this should fail and climb"
    yield "precision_target = 0.95      # more passed answers than this should be correct"
    for task in tasks:
        yield ""
        if task.behaviour is None:
            yield f"# {_comment(task.name)}: not enough data to tell what it behaves like: {task.reason}"
            continue
        [(preset, distance), (second, _), *_] = task.like
        seen = f"{tokens(task.behaviour.thinking_p95_tokens)} thinking tokens at the p95"
        wait = f"{milliseconds(task.behaviour.wait_ms)} to wait for an answer at the p95"
        yield f"# {_comment(task.name)}: {task.requests:,} requests, {seen}, {wait}"
        how = "behaves like" if distance <= FAR else "is like none of the usual classes, least unlike"
        yield f"# it {how} {preset.name}; next is {second.name}"
        yield from _section(task.name, preset)
    yield ""
    yield "# The usual classes of work; a task that is one of them takes its section."
    for preset in PRESETS:
        yield "#"
        yield from (f"# {line}" for line in _section(preset.name.replace(" ", "_"), preset))


def _section(name: str, preset: Preset) -> Iterator[str]:
    yield f"# people wait {preset.waits}; it needs to think: {preset.thinking}"
    yield f"# who can check it: {preset.verifier}"
    yield f"[policy.{name if re.fullmatch(r'[A-Za-z0-9_-]+', name) else json.dumps(name)}]"
    yield from (
        f"{key} = {value:_}" if isinstance(value, int) else f"{key} = {value}" for key, value in _sorted(preset)
    )
    yield '# verifier = "NAME"  # whose verdict decides, where there are several'


def _sorted(preset: Preset) -> list[tuple[str, Any]]:
    settings: Mapping[str, Any] = preset.settings
    return sorted(settings.items())


def _comment(name: str) -> str:
    """A name as it can stand in a comment: on one line."""
    return json.dumps(name, ensure_ascii=False)[1:-1]


def _show(console: Console, tasks: Sequence[_Task]) -> None:
    if not tasks:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("task", "requests", "thinking p95", "wait p95", "behaves like", "next"):
        table.add_column(heading, justify="right" if heading in ("requests", "thinking p95", "wait p95") else "left")
    for task in tasks:
        if task.behaviour is None:
            table.add_row(task.name, f"{task.requests:,}", NOTHING, NOTHING, f"not enough data: {task.reason}", "")
            continue
        [(preset, distance), (second, _), *_] = task.like
        like = preset.name if distance <= FAR else f"none of them; least unlike {preset.name}"
        seen = (tokens(task.behaviour.thinking_p95_tokens), milliseconds(task.behaviour.wait_ms))
        table.add_row(task.name, f"{task.requests:,}", *seen, like, second.name)
    console.print(table)
