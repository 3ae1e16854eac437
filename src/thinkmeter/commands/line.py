"""The command line as a whole: the application that every command joins, and how failures are told."""

import logging
import sys

import typer
from rich.console import Console

from thinkmeter import __version__
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event, speaks_json

log = logging.getLogger(__name__)


class _Line(typer.Typer):
    """A Typer application that tells an expected failure in one sentence, exit code 1."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        try:
            return super().__call__(*args, **kwargs)
        except ThinkmeterError as error:
            if speaks_json():
                log.critical("%s", error, extra=event("failed", reason=str(error)))
            else:
                Console(stderr=True, soft_wrap=True, highlight=False).print(f"thinkmeter: {error}", markup=False)
            sys.exit(1)


app = _Line(
    name="thinkmeter",
    help="Shows where reasoning models spend their thinking tokens, and whether it pays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def wide_console() -> Console:
    """Where tables go: as wide as the terminal, and wide enough for every column where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 300)


@app.callback()
def _root() -> None:
    pass  # Typer runs a lone command without its name unless there is a callback


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
