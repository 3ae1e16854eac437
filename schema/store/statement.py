"""Statements live in `.sql` files beside the module that runs them."""

from functools import cache
from importlib.resources import files


@cache
def statement(package: str, name: str) -> str:
    """Text of `name.sql` in `package`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return (files(package) / f"{name}.sql").read_text()
