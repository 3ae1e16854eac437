"""google-genai: the private methods that send one request each.

The public ones may send several (automatic function calling, continuation) and return the usage of the last alone.
"""

import copy
from types import ModuleType
from typing import Any, Final

import wrapt
from opentelemetry import context

from thinkmeter.sdk import guard
from thinkmeter.sdk.asked import GEMINI, Asked, text
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.endpoints import endpoint_of
from thinkmeter.sdk.gemini import Gemini
from thinkmeter.sdk.health import contained
from thinkmeter.sdk.runtime import measuring
from thinkmeter.sdk.stream import AsyncChunks, Chunks

METHODS: Final = ("_generate_content", "_generate_content_stream")


class GoogleGenai:
    """The library."""

    name = "google_genai"
    module = "google.genai.models"

    def wrap(self, module: ModuleType) -> list[tuple[Any, str]]:
        """Wrap the library.

        Returns:
            What was wrapped: owner and name of the attribute.
        """
        wrapt.wrap_function_wrapper(module.Models, "_generate_content", _generate)
        wrapt.wrap_function_wrapper(module.Models, "_generate_content_stream", _generate_stream)
        wrapt.wrap_function_wrapper(module.AsyncModels, "_generate_content", _async_generate)
        wrapt.wrap_function_wrapper(module.AsyncModels, "_generate_content_stream", _async_generate_stream)
        return [(owner, name) for owner in (module.Models, module.AsyncModels) for name in METHODS]


def _generate(wrapped: Any, models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """In place of `Models._generate_content`."""
    call, kwargs = _begin(models, kwargs, streamed=False)
    if call is None:
        return wrapped(*args, **kwargs)
    token = context.attach(call.context)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        call.end(error)
        raise
    finally:
        context.detach(token)
    call.whole(result)
    call.end()
    return result


async def _async_generate(wrapped: Any, models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """In place of `AsyncModels._generate_content`."""
    call, kwargs = _begin(models, kwargs, streamed=False)
    if call is None:
        return await wrapped(*args, **kwargs)
    token = context.attach(call.context)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        call.end(error)
        raise
    finally:
        context.detach(token)
    call.whole(result)
    call.end()
    return result


def _generate_stream(wrapped: Any, models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """In place of `Models._generate_content_stream`, a generator function: it sends when it is first read."""

    def generate() -> Any:
        call, sent = _begin(models, kwargs, streamed=True)
        source = wrapped(*args, **sent)
        yield from source if call is None else Chunks(source, call)

    return generate()


async def _async_generate_stream(wrapped: Any, models: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """In place of `AsyncModels._generate_content_stream`: it sends when it is awaited."""
    call, kwargs = _begin(models, kwargs, streamed=True)
    if call is None:
        return await wrapped(*args, **kwargs)
    token = context.attach(call.context)
    try:
        source = await wrapped(*args, **kwargs)
    except BaseException as error:
        call.end(error)
        raise
    finally:
        context.detach(token)
    return AsyncChunks(source, call)


def _begin(models: Any, kwargs: dict[str, Any], *, streamed: bool) -> tuple[Call | None, dict[str, Any]]:
    """Start the call and give the arguments to pass on; no call where nothing can be said.

    Raises:
        ThinkingBudgetExceeded: the one exception that may reach the caller.
    """
    runtime = measuring()
    if runtime is None:
        return None, kwargs
    refusal: guard.ThinkingBudgetExceeded | None = None
    with contained("preparing a call"):
        model = (text(kwargs.get("model")) or "").rpartition("/")[2]
        config = kwargs.get("config")
        asked = GEMINI.read(config, Asked(model, stream=streamed))
        if guard.exceeds(asked, runtime.settings):
            if runtime.settings.on_exceed == "raise":
                refusal = guard.refusal(asked, runtime.settings)
            elif runtime.settings.on_exceed == "clamp":
                kwargs = {**kwargs, "config": guard.clamped(copy.copy(config), asked, runtime.settings)}
        if refusal is None:
            client = models._api_client
            host, port = _server(client)
            endpoint = endpoint_of(host, model, "Vertex" if getattr(client, "vertexai", False) else "Gemini")
            return Call(runtime, Gemini(endpoint), asked, (host, port), kwargs), kwargs
    if refusal is not None:
        raise refusal
    return None, kwargs


def _server(client: Any) -> tuple[str, int | None]:
    """Host and port that the client sends to."""
    from urllib.parse import urlsplit

    url = urlsplit(getattr(client._http_options, "base_url", None) or "")
    return url.hostname or "", url.port
