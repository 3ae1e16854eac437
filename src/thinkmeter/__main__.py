"""The command line: `thinkmeter` and `python -m thinkmeter`."""

import importlib
import pkgutil
import sys


def main() -> None:
    """Run one command; exit code 0 done, 1 failed, 2 usage."""
    try:
        from thinkmeter import commands
        from thinkmeter.commands.line import app

        for module in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
            importlib.import_module(module.name)  # each adds its command
    except ModuleNotFoundError as error:
        print(
            f"thinkmeter's commands need the server extra ({error.name} is missing): pip install 'thinkmeter[server]'",
            file=sys.stderr,
        )
        sys.exit(1)
    app()


if __name__ == "__main__":
    main()
