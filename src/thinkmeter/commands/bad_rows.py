"""What is said of a file some of whose rows are not valid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from thinkmeter.schema.errors import ThinkmeterError

SHOWN: Final = 20


def refuse_bad_rows(file: Path, bad: Sequence[tuple[int, str]], *, aside: bool = False) -> None:
    """List rows that were left out, each with its line and reason, and fail.

    Args:
        file: that they are of.
        bad: line and reason.
        aside: list them on standard error, since standard output is for a program.

    Raises:
        ThinkmeterError: there are any.
    """
    for line, reason in bad[:SHOWN]:
        typer.echo(f"{file}:{line}: {reason}", err=aside)
    if bad:
        more = f", {len(bad) - SHOWN} more than shown" if len(bad) > SHOWN else ""
        many = f"{len(bad)} rows of {file} are" if len(bad) > 1 else f"1 row of {file} is"
        them, were = ("them", "were") if len(bad) > 1 else ("it", "was")
        raise ThinkmeterError(f"{many} not valid and {were} left out{more}; mend {them} and try again")
