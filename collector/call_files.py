"""Files of past calls: CSV, JSON lines and Parquet, read row by row with the place of each."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet

from thinkmeter.collector.labels import BadRow
from thinkmeter.schema.errors import ThinkmeterError

Row = tuple[int, Mapping[str, Any]]
"""Where a row stands (line of text, counted from 1; row of a Parquet file) and its values by column."""

_Refuse = Callable[[int, str], None]
"""Takes a line that is no row, and why."""


def read_rows(path: Path, broken: list[BadRow] | None = None) -> Iterator[Row]:
    """Rows of a file in their order; the format is told by the name, `.gz` around CSV or JSON lines is unpacked.

    Args:
        path: of the file.
        broken: gets the lines that are no row, with the reason, and the others are read; None: the first one ends it.

    Raises:
        ThinkmeterError: the file cannot be read, its format is not known, or a line is broken.
    """

    def refuse(line: int, reason: str) -> None:
        if broken is None:
            raise _Broken(f"{line}: {reason}")
        broken.append(BadRow(line, reason))

    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    if packed:
        suffixes.pop()
    kind = [suffix for suffix in suffixes if suffix != ".out"][-1:]  # Bedrock's results are named batch.jsonl.out
    reader = _READERS.get(kind[0] if kind else "")
    if reader is None:
        raise ThinkmeterError(f"{path} is none of {', '.join(sorted(_READERS))}: its name tells the format")
    try:
        if reader is _parquet:
            yield from _parquet(path.open("rb"), refuse)
        else:
            with gzip.open(path) if packed else path.open("rb") as source:
                yield from reader(source, refuse)
    except _Broken as error:
        raise ThinkmeterError(f"{path}:{error}") from None
    except UnicodeDecodeError as error:
        raise ThinkmeterError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except (OSError, EOFError, pyarrow.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ThinkmeterError(f"{path} cannot be read: {reason}") from None


class _Broken(Exception):
    """A line that is no row: its number and the reason."""


def _csv(source: Any, refuse: _Refuse) -> Iterator[Row]:
    with io.TextIOWrapper(source, encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        try:
            for values in reader:
                if None in values:
                    refuse(reader.line_num, f"more values than the {len(reader.fieldnames or ())} columns")
                    continue
                yield reader.line_num, values
        except csv.Error as error:
            raise _Broken(f"{reader.line_num}: {error}") from None


def _json_lines(source: Any, refuse: _Refuse) -> Iterator[Row]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            refuse(number, f"not JSON, {error}")
            continue
        if isinstance(values, dict):
            yield number, values
        else:
            refuse(number, "not a JSON object")


def _parquet(source: Any, _: _Refuse) -> Iterator[Row]:
    with source, pyarrow.parquet.ParquetFile(source) as file:
        number = 0
        for batch in file.iter_batches():
            for values in batch.to_pylist():
                number += 1
                yield number, values


_READERS: dict[str, Callable[[Any, _Refuse], Iterator[Row]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
