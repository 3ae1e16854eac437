"""The command line: `thinkmeter` and `python -m thinkmeter`."""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def command_line(command: str | None = None) -> "typer.Typer":
    """The application with one command, or with every one: each module of `thinkmeter.commands` adds its own.

    Args:
        command: the one that is to run; None, or a name that is none: all, as the help lists them.

    Raises:
        ModuleNotFoundError: the server extra is not installed.
    """
    from thinkmeter.commands import MODULES
    from thinkmeter.commands.line import app

    for module in sorted({MODULES[command]} if command in MODULES else set(MODULES.values())):
        importlib.import_module(f"thinkmeter.commands.{module}")
    return app


def main() -> None:
    """Run one command; exit code 0 done, 1 failed, 2 usage."""
    try:
        app = command_line(next(iter(sys.argv[1:]), None))
    except ModuleNotFoundError as error:
        print(
            f"thinkmeter's commands need the server extra ({error.name} is missing): pip install 'thinkmeter[server]'",
            file=sys.stderr,
        )
        sys.exit(1)
    app()


if __name__ == "__main__":
    main()
