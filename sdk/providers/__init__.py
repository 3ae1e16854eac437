"""The client libraries that are measured: a table. Nothing of a library is imported before the application does."""

import functools
import sys
from collections.abc import Iterable
from importlib import metadata
from types import ModuleType
from typing import Any, Final

import wrapt

from thinkmeter.sdk.embeddings import Embeddings
from thinkmeter.sdk.health import contained, warn
from thinkmeter.sdk.providers.botocore import Botocore
from thinkmeter.sdk.providers.google_genai import GoogleGenai, GoogleInteractions
from thinkmeter.sdk.providers.library import ChangedError, Library, Place
from thinkmeter.sdk.providers.litellm import LiteLlm
from thinkmeter.sdk.providers.mistral import MISTRAL
from thinkmeter.sdk.providers.stainless import Stainless
from thinkmeter.sdk.providers.xai import XAI
from thinkmeter.sdk.replies import Chat, Completion, Messages, Responses

GROUP: Final = "thinkmeter.providers"
"""Entry point group by which other packages add a library: each names a `Library`, or a class of one."""

LIBRARIES: Final[tuple[Library, ...]] = (
    Stainless(
        "openai",
        {
            "chat/completions": Chat,
            "completions": Completion,
            "responses": Responses,
            "responses/compact": Responses,
            "embeddings": Embeddings,
        },
    ),
    Stainless("anthropic", {"v1/messages": Messages}),
    Stainless("groq", {"openai/v1/chat/completions": Chat, "openai/v1/embeddings": Embeddings}),
    GoogleGenai(),
    GoogleInteractions(),
    *MISTRAL,
    Botocore(),
    LiteLlm(),
    *XAI,
)
"""Every library that can be wrapped without anyone's help."""

UNMEASURED: Final[dict[str, str]] = {}
"""Libraries that are not as we know them, by name: what is different."""

_wanted: frozenset[str] = frozenset()
_hooked: set[str] = set()
_wrapped: dict[str, list[Place]] = {}


def wrap(names: Iterable[str] | None) -> None:
    """Wrap these libraries (None: all), those that are imported now and the others when they are."""
    global _wanted
    libraries = (*LIBRARIES, *_added())
    known = {library.name for library in libraries}
    _wanted = frozenset(known if names is None else names)
    for name in _wanted - known:
        warn("providers: %r is none of %s; it is ignored", name, ", ".join(sorted(known)))
    for library in libraries:
        if library.name not in _wanted:
            continue
        if library.module in sys.modules:
            _arrived(library, sys.modules[library.module])
        elif library.module not in _hooked:
            _hooked.add(library.module)
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
    UNMEASURED.clear()


@functools.cache
def _added() -> tuple[Library, ...]:
    """Libraries of other packages. One that cannot be loaded is said and left out."""
    found: list[Library] = []
    for point in metadata.entry_points(group=GROUP):
        try:
            library = point.load()
            found.append(library() if isinstance(library, type) else library)
        except Exception as error:  # noqa: BLE001 (another's code may fail in any way)
            warn("provider %s (%s) cannot be loaded and is left out: %r", point.name, point.value, error)
    return tuple(found)


def _hook(library: Library) -> Any:
    """What runs after the import of a library."""
    return lambda module: _arrived(library, module)


def _arrived(library: Library, module: ModuleType) -> None:
    """Wrap a library that is there, if it is wanted still and not wrapped yet."""
    if library.name not in _wanted or library.module in _wrapped:
        return
    with contained(f"wrapping {library.name}"):
        try:
            _wrapped[library.module] = library.wrap(module)
        except Exception as error:  # noqa: BLE001 (whatever it is, that release is not as we know it)
            reason = str(error) if isinstance(error, ChangedError) else repr(error)
            UNMEASURED[library.name] = reason
            warn("calls of %s are not measured: this release of it is not one we know (%s)", library.name, reason)
