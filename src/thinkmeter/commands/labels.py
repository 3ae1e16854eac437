"""`thinkmeter labels`: import what people know, draw what they should look at, and see where they disagree."""

import csv
import datetime as dt
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from thinkmeter.commands.bad_rows import refuse_bad_rows
from thinkmeter.commands.line import app, wide_console
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address, store_client
from thinkmeter.commands.window import moment, window
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.wording import NOTHING, rate
from thinkmeter.schema.query import Filters, Reader
from thinkmeter.schema.query.labelling import Agreement, Contested, Drawn, agreement, draw
from thinkmeter.schema.store.client import StoreAddress

labels = typer.Typer(help="Import labels, draw a spot check, see where labelers disagree.", no_args_is_help=True)
app.add_typer(labels, name="labels")

SHOWN_ROWS: Final = 20
SHOWN_UNKNOWN: Final = 5
ITEM: Final = "item"
SHOWN: Final = ("task", "question", "answer")
"""Columns of a spot check that are there to be read."""
KEY_SUFFIX: Final = ".key.csv"

Project = Annotated[str, typer.Option("--project", help="The project.")]
Since = Annotated[str, typer.Option("--since", metavar="T", help="Begin: 7d before the end, or an ISO time.")]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help="End, not included.")]


@labels.command("import")
def import_labels(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, told by its name; .gz is unpacked.")],
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Of a spot check, the file that was written beside it; default: NAME.key.csv."),
    ] = None,
    project: Project = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Import labels, one row each: request_id, attempt (absent: the final one), correct, source, labeler, time.

    Rows that are not valid are listed with their line and left out. The same file again changes nothing: a labeler who
    says the same again adds nothing. A spot check of `labels sample` carries its sampling probabilities along.
    """
    from thinkmeter.collector.call_files import read_rows
    from thinkmeter.collector.label_file import LabelFile, unknown_answers

    read = LabelFile(_key(file, key) if _is_spot_check(file) else None, shown=SHOWN)
    for line, values in read_rows(file, read.bad_rows):
        read.add(line, values)
    address = store_address(data, store_url, config)
    with store_client(address) as client:
        new = read.insert(client, project)
        again = len(read.labels) - new
        unknown = unknown_answers(client, project, read.labels)
        _, contested = agreement(client, since=_EVER[0], until=_EVER[1], project=project) if new else ([], [])
    parts = [f"{new} {'label' if new == 1 else 'labels'} imported", *([f"{again} known already"] if again else [])]
    parts += [f"{read.open_items} not labelled yet"] if read.open_items else []
    typer.echo(", ".join(parts))
    if unknown:
        more = f" and {len(unknown) - SHOWN_UNKNOWN:,} more" if len(unknown) > SHOWN_UNKNOWN else ""
        typer.echo(
            f"of answers that project {project} has no calls of, kept until it has: {len(unknown):,}: "
            f"{', '.join(unknown[:SHOWN_UNKNOWN])}{more}"
        )
    mine = {label.request_id for label in read.labels}
    if disputed := [one for one in contested if one.request_id in mine]:
        typer.echo(f"labelers disagree on {len(disputed)} of these answers: see `thinkmeter labels disagreement`")
    refuse_bad_rows(file, sorted(read.bad_rows))


@labels.command("sample")
def sample_labels(
    output: Annotated[Path, typer.Option("--output", help="CSV for the reviewer; the key goes beside it.")] = Path(
        "spot-check.csv"
    ),
    size: Annotated[int, typer.Option("--size", min=1, help="How many answers in all.")] = 100,
    task: Annotated[str | None, typer.Option("--task", help="Only this task class.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same answers.")] = 1,
    since: Since = "7d",
    until: Until = None,
    project: Project = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Draw answers for a person to label, equally many of each task class, verdict and score band.

    The reviewer's file does not tell the verdict. What was drawn with which probability stands in the key beside it,
    which stays with you: `labels import` reads both, so that numbers weigh each label by what it stands for.
    """
    beside = _key_path(output)
    for path in (output, beside):
        if path.exists():
            raise ThinkmeterError(f"{path} exists already: name another with --output, or take it away")
    address = store_address(data, store_url, config)
    first, last = _window(address, since, until)
    filters = Filters(first, last, project, {} if task is None else {"task": task})
    with store_client(address, read_only=True) as client:
        drawn = draw(client, filters, size, seed)
    if not drawn:
        raise ThinkmeterError("no settled answer without a label in this window")
    _write_spot_check(output, beside, drawn)
    strata = len({(one.task, one.verdict, one.band) for one in drawn})
    typer.echo(f"{len(drawn)} answers of {strata} strata in {output}: fill in correct and labeler")
    typer.echo(f"keep {beside} from the reviewer, then `thinkmeter labels import {output}`")
    if not any(one.question or one.answer for one in drawn):
        typer.echo("content is not recorded, so the reviewer has to look answers up by request_id")


@labels.command("disagreement")
def show_disagreement(
    since: Since = "90d",
    until: Until = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with every contested answer.")] = False,
    project: Project = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Show how far labelers agree, pair by pair, and the answers on which they do not."""
    address = store_address(data, store_url, config)
    first, last = _window(address, since, until)
    with store_client(address, read_only=True) as client:
        pairs, contested = agreement(client, since=first, until=last, project=project)
    if as_json:
        told = {"pairs": [_pair(one) for one in pairs], "contested": [_contested(one) for one in contested]}
        json.dump(told, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    else:
        _show(wide_console(), pairs, contested)


_EVER: Final = (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC))


def _window(address: StoreAddress, since: str, until: str | None) -> tuple[dt.datetime, dt.datetime]:
    with Reader(address) as reader:
        return window(moment(since, "--since"), None if until is None else moment(until, "--until"), reader)


def _key_path(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".jsonl") + KEY_SUFFIX)


def _is_spot_check(file: Path) -> bool:
    from thinkmeter.collector.call_files import read_rows

    return any(ITEM in values for _, values in _first(read_rows(file, [])))


def _first(rows: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for row in rows:
        yield row
        return


def _key(file: Path, key: Path | None) -> dict[str, Mapping[str, Any]]:
    """Item of a spot check -> its row of the key.

    Raises:
        ThinkmeterError: there is no key: without it nobody knows what the labels stand for.
    """
    path = key or _key_path(file)
    try:
        with path.open(newline="", encoding="utf-8") as text:
            return {row[ITEM]: row for row in csv.DictReader(text)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise ThinkmeterError(
            f"{file} is a spot check, and its key {path} cannot be read: {error}; name it with --key, since it tells "
            "what each label stands for"
        ) from None


def _write_spot_check(output: Path, beside: Path, drawn: Sequence[Drawn]) -> None:
    with open(beside, "x", newline="", encoding="utf-8", opener=_private) as text:
        names = ("project", "request_id", "attempt", "task", "verdict", "band", "stratum_size", "verifier", "score")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([ITEM, *names, "sampling_probability"])
        for number, one in enumerate(drawn, 1):
            writer.writerow([number, *(getattr(one, name) for name in names), repr(one.sampling_probability)])
    with output.open("x", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([ITEM, "request_id", "attempt", *SHOWN, "correct", "labeler", "explanation"])
        for number, one in enumerate(drawn, 1):
            writer.writerow([number, one.request_id, one.attempt, *(getattr(one, name) for name in SHOWN), "", "", ""])


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _pair(one: Agreement) -> dict[str, Any]:
    low, high = one.interval
    told = {"labelers": list(one.labelers), "n": one.n, "agreed": one.agreed, "share": one.share}
    return {**told, "low": low, "high": high, "kappa": one.kappa}


def _contested(one: Contested) -> dict[str, Any]:
    return {"request_id": one.request_id, "attempt": one.attempt, "said": dict(one.said)}


def _show(console: Console, pairs: Sequence[Agreement], contested: Sequence[Contested]) -> None:
    if not pairs:
        console.print("no answer has labels of more than one labeler")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("labelers", "answers", "agree", "95% interval", "kappa"):
        table.add_column(name, justify="left" if name == "labelers" else "right")
    for one in pairs:
        low, high = one.interval
        kappa = NOTHING if one.kappa is None else f"{one.kappa:.2f}"
        table.add_row(" and ".join(one.labelers), f"{one.n:,}", rate(one.share), f"{rate(low)} to {rate(high)}", kappa)
    console.print(table)
    for answer in contested[:SHOWN_ROWS]:
        said = ", ".join(f"{who}: {'correct' if correct else 'wrong'}" for who, correct in answer.said.items())
        console.print(f"{answer.request_id}, attempt {answer.attempt}: {said}", markup=False)
    if len(contested) > SHOWN_ROWS:
        console.print(f"{len(contested) - SHOWN_ROWS} more; --json has all")
