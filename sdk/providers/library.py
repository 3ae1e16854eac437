"""What a client library is to us, and the check that it still is the one that we know."""

import inspect
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Protocol

Place = tuple[Any, str]
"""A function that is replaced: its owner and its name there."""


class Library(Protocol):
    """One client library.

    Attributes:
        name: what `instrument(providers=...)` calls it; several may share one.
        module: the module whose import makes it wrappable.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def module(self) -> str: ...  # noqa: D102

    def wrap(self, module: ModuleType) -> list[Place]:
        """Wrap it, all of it or nothing, and say what was wrapped: functions that `wrapt` replaced.

        Raises:
            ChangedError: this release of the library is not as we know it.
        """


class ChangedError(Exception):
    """A client library whose inside is not as we know it: it stays as it is, and its calls are not measured."""


def places(module: ModuleType, wanted: Mapping[str, Iterable[str]]) -> list[Place]:
    """The functions of a module that are to be replaced.

    Args:
        module: where they are.
        wanted: `Class.method` -> names of the parameters by which we read a call.

    Raises:
        ChangedError: one is missing, or takes other parameters.
    """
    return [place(module, path, parameters) for path, parameters in wanted.items()]


def place(module: ModuleType, path: str, parameters: Iterable[str]) -> Place:
    """The same for one function."""
    class_name, _, name = path.rpartition(".")
    owner = getattr(module, class_name, None) if class_name else module
    function = vars(owner).get(name) if owner is not None else None
    if not callable(function):
        raise ChangedError(f"{module.__name__} has no {path}")
    taken = inspect.signature(function).parameters
    absent = [parameter for parameter in parameters if parameter not in taken]
    if absent:
        raise ChangedError(f"{module.__name__}.{path} takes no {', '.join(absent)}")
    return owner, name
