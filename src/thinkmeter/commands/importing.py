"""`thinkmeter import`: past calls from a CSV, JSON-lines or Parquet file, or from the results of a batch."""

import datetime as dt
import difflib
import enum
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from thinkmeter.collector.call_files import Row, read_rows
from thinkmeter.collector.labels import BadRow
from thinkmeter.collector.past_calls import COLUMNS, PastCalls, renamed, unknown_columns
from thinkmeter.commands.bad_rows import SHOWN, refuse_bad_rows
from thinkmeter.commands.batch_results import FORMATS, BatchResults, format_of
from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import connect

BATCH_ROWS = 10_000


class Format(enum.StrEnum):
    """What a file holds."""

    AUTO = "auto"
    TABLE = "table"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    MISTRAL = "mistral"
    BEDROCK = "bedrock"


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
    constants: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OURS=VALUE", help="A column that is the same in every row: --set task=sql."),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", help="Rows of a table, or whose batch results; auto: by the first line.")
    ] = Format.AUTO,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When a batch was made, where its lines do not say (Anthropic)."),
    ] = None,
    request_id: Annotated[
        str, typer.Option("--request-id", help="The request that a batch's line belongs to.")
    ] = "{custom_id}",
    project: Annotated[str, typer.Option("--project", help="The project that the calls belong to.")] = "default",
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Import past calls: columns named as in the table `calls`, with verdicts and labels, or a batch's result file.

    Verdicts stand in verifier, verifier_version, verdict_score, verdict_threshold, verdict_passed; labels in correct,
    label_source, label_by. The same rows again change nothing. Rows that are not valid are listed and left out.

    Result files of the batch endpoints of OpenAI, Anthropic, Gemini, Vertex AI, Mistral and Amazon Bedrock are known by
    their lines, and priced as batches. Requests that the provider did not answer are listed and counted.
    """
    names = _pairs("--map", renames or [], "theirs=ours")
    fixed = _pairs("--set", constants or [], "ours=value")
    for name in unknown_columns(fixed, {}):
        raise ThinkmeterError(f"--set {name}=...: `calls` has no such column, its nearest is {_nearest(name)}")
    batch: BatchResults | None = None
    with connect(store_address(data, store_url, config)) as client:
        calls = PastCalls(client, project)
        lines = read_rows(file, calls.bad_rows)
        first = next(lines, None)
        lines = itertools.chain([first] if first else [], lines)
        kind = format_of(first[1]) if format == Format.AUTO and first else format.value
        if kind in FORMATS:
            batch = BatchResults(kind, time=_time(at), request_id=request_id, constants=fixed)
            rows = batch.rows(lines)
        else:
            rows = ((line, {**values, **fixed}) for line, values in renamed(_known(file, lines, names), names))
        while some := list(itertools.islice(rows, BATCH_ROWS)):
            calls.insert(some)
    console = Console(highlight=False, soft_wrap=True)
    of = f" from {kind} batch results" if batch else ""
    console.print(
        f"{calls.calls} calls, {calls.verdicts} verdicts and {calls.labels} labels imported{of}", markup=False
    )
    if batch:
        _tell_failed(console, file, batch.failed)
    refuse_bad_rows(file, sorted(calls.bad_rows))


def _tell_failed(console: Console, file: Path, failed: Sequence[BadRow]) -> None:
    if failed:
        console.print(f"{len(failed)} requests were not answered, and are not billed:")
    for line, reason in failed[:SHOWN]:
        console.print(f"{file}:{line}: {reason}", markup=False)
    if len(failed) > SHOWN:
        console.print(f"and {len(failed) - SHOWN} more")


def _pairs(option: str, given: list[str], form: str) -> dict[str, str]:
    pairs = {}
    for pair in given:
        left, equals, right = pair.partition("=")
        if not left or not equals:
            raise ThinkmeterError(f"{option} {pair!r} is not of the form {form}")
        pairs[left] = right
    return pairs


def _time(at: str | None) -> dt.datetime | None:
    if at is None:
        return None
    try:
        time = dt.datetime.fromisoformat(at)
    except ValueError:
        raise ThinkmeterError(f"--at {at!r} is not a time, as in --at 2026-11-20T06:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _nearest(name: str) -> str:
    return difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0)[0]


def _known(file: Path, lines: Iterable[Row], names: dict[str, str]) -> Iterator[Row]:
    """Rows of the file, once it is known that every column has a meaning."""
    seen: set[str] = set()
    for line, values in lines:
        if fresh := values.keys() - seen:
            seen |= fresh
            for theirs in unknown_columns(sorted(fresh), names):
                raise ThinkmeterError(
                    f"{file}:{line}: column {names.get(theirs, theirs)!r} is not one of `calls`: did you mean "
                    f"--map {theirs}={_nearest(names.get(theirs, theirs))}? --map {theirs}= leaves it out, "
                    f"--map {theirs}=attributes.{theirs} keeps it"
                )
        yield line, values
