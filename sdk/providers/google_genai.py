"""google-genai, for the Gemini API and Vertex AI: the private methods that send one request each.

The public ones may send several (automatic function calling, continuation) and return the usage of the last alone.
"""

import copy
from typing import Any, Final
from urllib.parse import urlsplit

from thinkmeter.sdk import guard
from thinkmeter.sdk.asked import GEMINI, INTERACTIONS, Asked, entry, text
from thinkmeter.sdk.body import watch
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.embeddings import GeminiEmbeddings
from thinkmeter.sdk.endpoints import endpoint_of
from thinkmeter.sdk.gemini import Gemini
from thinkmeter.sdk.interactions import Interactions
from thinkmeter.sdk.providers.methods import Arguments, Methods, Opening
from thinkmeter.sdk.settings import Settings
from thinkmeter.sdk.stream import replace_iterator

READ: Final = ("model", "contents", "config")


class GoogleGenai(Methods):
    """The library."""

    name = "google_genai"
    module = "google.genai.models"
    methods = {  # noqa: RUF012 (never changed)
        f"{owner}.{method}": READ
        for owner in ("Models", "AsyncModels")
        for method in ("_generate_content", "_generate_content_stream", "embed_content")
    }

    def open(self, models: Any, method: str, arguments: Arguments) -> Opening:
        """A call."""
        model = (text(arguments.get("model")) or "").rpartition("/")[2]
        asked = GEMINI.read(arguments.get("config"), Asked(model, stream=method.endswith("stream")))
        server, vertex = server_of(models._api_client)
        endpoint = endpoint_of(server[0], model, "Vertex" if vertex else "Gemini")
        reply = GeminiEmbeddings(endpoint) if method == "embed_content" else Gemini(endpoint)
        return Opening(reply, asked, server, arguments)

    def clamp(self, arguments: Arguments, asked: Asked, settings: Settings) -> Arguments:
        """The budget stands in the configuration."""
        return {**arguments, "config": guard.clamped(copy.copy(arguments.get("config")), asked, settings)}


class GoogleInteractions(Methods):
    """Its other interface: the methods that send one request each, below those that continue by themselves."""

    name = "google_genai"
    module = "google.genai._gaos.interactions"
    methods = {f"{owner}.create": ("request",) for owner in ("Interactions", "AsyncInteractions")}  # noqa: RUF012

    def open(self, resource: Any, method: str, arguments: Arguments) -> Opening:
        """A call."""
        body = entry(arguments.get("request"), "body") or arguments
        model = (text(entry(body, "model")) or "").rpartition("/")[2]
        asked = INTERACTIONS.read(body, Asked(model, stream=entry(body, "stream") is True))
        client = getattr(resource, "_api_client", None)
        server, vertex = (("", None), False) if client is None else server_of(client)
        endpoint = endpoint_of(server[0], model, "Vertex" if vertex else "Gemini")
        return Opening(Interactions(endpoint), asked, server, body)

    def deliver(self, result: Any, call: Call) -> Any:
        """An interaction, a stream, or the HTTP response of a caller who reads it by itself."""
        if hasattr(result, "generator"):
            replace_iterator(result, "generator", call)
        elif hasattr(result, "http_response"):
            watch(result.http_response, call, streamed=call.asked.stream)
        else:
            return super().deliver(result, call)
        return result


def server_of(client: Any) -> tuple[tuple[str, int | None], bool]:
    """Host and port that the library's inner client sends to, and whether that is Vertex AI."""
    url = urlsplit(getattr(client._http_options, "base_url", None) or "")
    return (url.hostname or "", url.port), bool(getattr(client, "vertexai", False))
