"""The client libraries that are measured: a table. Nothing of a library is imported before the application does."""

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Final, Protocol

import wrapt

from thinkmeter.sdk.health import contained, warn
from thinkmeter.sdk.providers.google_genai import GoogleGenai
from thinkmeter.sdk.providers.stainless import Stainless
from thinkmeter.sdk.replies import Chat, Completion, Messages, Responses


class Library(Protocol):
    """One client library.

    Attributes:
        name: what `instrument(providers=...)` calls it.
        module: the module whose import makes it wrappable.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def module(self) -> str: ...  # noqa: D102

    def wrap(self, module: ModuleType) -> list[tuple[Any, str]]:
        """Wrap it, and say what was wrapped: owner and attribute name of functions that `wrapt` replaced."""


LIBRARIES: Final[tuple[Library, ...]] = (
    Stainless(
        "openai",
        {
            "chat/completions": Chat,
            "completions": Completion,
            "responses": Responses,
            "responses/compact": Responses,
        },
    ),
    Stainless("anthropic", {"v1/messages": Messages}),
    Stainless("groq", {"openai/v1/chat/completions": Chat}),
    GoogleGenai(),
)
"""Every library that can be wrapped."""

_wanted: frozenset[str] = frozenset()
_hooked: set[str] = set()
_wrapped: dict[str, list[tuple[Any, str]]] = {}


def wrap(names: Iterable[str] | None) -> None:
    """Wrap these libraries (None: all), those that are imported now and the others when they are."""
    global _wanted
    known = {library.name for library in LIBRARIES}
    _wanted = frozenset(known if names is None else names)
    for name in _wanted - known:
        warn("providers: %r is none of %s; it is ignored", name, ", ".join(sorted(known)))
    for library in LIBRARIES:
        if library.name not in _wanted:
            continue
        if library.module in sys.modules:
            _arrived(library, sys.modules[library.module])
        elif library.name not in _hooked:
            _hooked.add(library.name)
            wrapt.register_post_import_hook(_hook(library), library.module)


def unwrap() -> None:
    """Leave every library as it was."""
    global _wanted
    _wanted = frozenset()
    for places in _wrapped.values():
        for owner, name in places:
            with contained("unwrapping a client library"):
                function = owner.__dict__[name]
                if isinstance(function, wrapt.FunctionWrapper):
                    setattr(owner, name, function.__wrapped__)
    _wrapped.clear()


def _hook(library: Library) -> Any:
    """What runs after the import of a library."""
    return lambda module: _arrived(library, module)


def _arrived(library: Library, module: ModuleType) -> None:
    """Wrap a library that is there, if it is wanted still and not wrapped yet."""
    if library.name in _wanted and library.name not in _wrapped:
        with contained(f"wrapping {library.name}"):
            _wrapped[library.name] = library.wrap(module)
