"""`thinkmeter import`: past calls from a CSV, JSON-lines or Parquet file."""

import difflib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from thinkmeter.collector.call_files import Row, read_rows
from thinkmeter.collector.past_calls import COLUMNS, PastCalls, renamed, unknown_columns
from thinkmeter.commands.bad_rows import refuse_bad_rows
from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import connect

BATCH_ROWS = 10_000


@app.command("import")
def import_calls(
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines or Parquet, told by its name; .gz is unpacked.")],
    renames: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="A column under another name; attributes.NAME keeps it as an attribute, nothing leaves it out.",
        ),
    ] = None,
    project: Annotated[str, typer.Option("--project", help="The project that the calls belong to.")] = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Import past calls: columns named as in the table `calls`, with verdicts and labels.

    Verdicts stand in verifier, verifier_version, verdict_score, verdict_threshold, verdict_passed; labels in correct,
    label_source, label_by. The same rows again change nothing. Rows that are not valid are listed and left out.
    """
    names = _names(renames or [])
    with connect(store_address(data, store_url, config)) as client:
        calls = PastCalls(client, project)
        rows = renamed(_known(file, names), names)
        while batch := list(itertools.islice(rows, BATCH_ROWS)):
            calls.insert(batch)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{calls.calls} calls, {calls.verdicts} verdicts and {calls.labels} labels imported", markup=False)
    refuse_bad_rows(file, calls.bad_rows)


def _names(renames: list[str]) -> dict[str, str]:
    names = {}
    for rename in renames:
        theirs, equals, ours = rename.partition("=")
        if not theirs or not equals:
            raise ThinkmeterError(f"--map {rename!r} is not of the form theirs=ours")
        names[theirs] = ours
    return names


def _known(file: Path, names: dict[str, str]) -> Iterator[Row]:
    """Rows of the file, once it is known that every column has a meaning."""
    seen: set[str] = set()
    for line, values in read_rows(file):
        if fresh := values.keys() - seen:
            seen |= fresh
            for theirs in unknown_columns(sorted(fresh), names):
                near = difflib.get_close_matches(names.get(theirs, theirs), COLUMNS, n=1, cutoff=0)[0]
                raise ThinkmeterError(
                    f"{file}:{line}: column {names.get(theirs, theirs)!r} is not one of `calls`: did you mean "
                    f"--map {theirs}={near}? --map {theirs}= leaves it out, --map {theirs}=attributes.{theirs} keeps it"
                )
        yield line, values
