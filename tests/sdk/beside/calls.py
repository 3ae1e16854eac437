"""The calls of the program, and how the provider answers them, in the same order."""

import contextlib
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from tests.sdk.cases import CASES, Case
from tests.sdk.provider_server import ProviderServer
from tests.sdk.told import Told

LIBRARIES = {"openai chat": "openai", "openai responses": "openai", "anthropic messages": "anthropic"}
"""Case -> the library it goes through."""
MEASURED = [case for case in CASES if case.name in LIBRARIES]
SHAPES = ("whole", "streamed", "left early", "refused")


def _call(case: Case, shape: str) -> Callable[[int], None]:
    def call(port: int) -> None:
        client = case.client(port, False)
        if shape == "refused":
            library = importlib.import_module(LIBRARIES[case.name])
            with contextlib.suppress(library.BadRequestError):
                case.create(client, False)
            client.close()
            return
        reply = case.create(client, shape != "whole")
        if shape == "streamed":
            list(reply)
        elif shape == "left early":
            next(iter(reply))
            reply.close()
        client.close()

    return call


def calls(libraries: Sequence[str]) -> dict[str, Callable[[int], None]]:
    """Name -> how it is made, given the provider's port."""
    measured = [case for case in MEASURED if LIBRARIES[case.name] in libraries]
    return {f"{case.name} {shape}": _call(case, shape) for case in measured for shape in SHAPES}


def answer(provider: ProviderServer, libraries: Sequence[str], application: str) -> None:
    """Let the provider answer those of an application, each with a response id of its own."""
    for case in (case for case in MEASURED if LIBRARIES[case.name] in libraries):
        for shape in SHAPES:
            identity = f"{application} {case.name} {shape}"
            if shape == "refused":
                provider.reply({"error": {"type": "invalid_request_error", "message": "no"}}, 400)
            elif shape == "whole":
                provider.reply(named(case.whole(Told()), identity))
            else:
                provider.stream([named(event, identity) for event in case.events(Told())], done=case.done)


def named(node: Any, identity: str) -> Any:
    """The same with that response id wherever the example has its own."""
    if isinstance(node, dict):
        return {k: identity if (k, v) == ("id", "reply-1") else named(v, identity) for k, v in node.items()}
    return [named(item, identity) for item in node] if isinstance(node, list) else node
