"""The command line: `thinkmeter` and `python -m thinkmeter`."""

import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def command_line() -> "typer.Typer":
    """The application with every command: each module of `thinkmeter.commands` adds its own.

    Raises:
        ModuleNotFoundError: the server extra is not installed.
    """
    from thinkmeter import commands
    from thinkmeter.commands.line import app

    for module in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
        importlib.import_module(module.name)
    return app


def main() -> None:
    """Run one command; exit code 0 done, 1 failed, 2 usage."""
    try:
        app = command_line()
    except ModuleNotFoundError as error:
        print(
            f"thinkmeter's commands need the server extra ({error.name} is missing): pip install 'thinkmeter[server]'",
            file=sys.stderr,
        )
        sys.exit(1)
    app()


if __name__ == "__main__":
    main()
