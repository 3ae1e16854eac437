"""litellm, for the providers that it reaches by its own HTTP handlers: their replies, before it rewrites them.

What it sends through another client library (openai, ...) does not pass here and is measured there. Each request is a
call, as each is billed: a repetition is another one, an answer out of its cache is none.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from thinkmeter.sdk import guard
from thinkmeter.sdk.asked import Asked, text
from thinkmeter.sdk.bedrock import ClaudeConverse, Converse, Invoked, InvokedChat, invoked
from thinkmeter.sdk.body import EventStream, Reader, watch
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.embeddings import Embeddings, GeminiEmbeddings, InvokedEmbeddings
from thinkmeter.sdk.endpoints import endpoint_of
from thinkmeter.sdk.gemini import GeminiDocument
from thinkmeter.sdk.health import warn
from thinkmeter.sdk.providers.methods import Arguments, Methods, Opening
from thinkmeter.sdk.replies import Chat, Messages, Reply, Responses
from thinkmeter.sdk.runtime import Runtime
from thinkmeter.sdk.settings import Settings

READ: Final = ("url", "data", "json", "stream", "content")
ROUTES: Final[tuple[tuple[re.Pattern[str], type[Reply]], ...]] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"/chat/completions$", Chat),
        (r"/responses$", Responses),
        (r"/embeddings$", Embeddings),
        (r"/messages$", Messages),
        (r"/anthropic/models/(?P<model>[^/]+):(stream)?[rR]awPredict$", Messages),
        (r"/models/(?P<model>[^/:]+):(generate|streamGenerate)Content$", GeminiDocument),
        (r"/models/(?P<model>[^/:]+):(batchE|e)mbedContents?$", GeminiEmbeddings),
        (r"/model/(?P<model>[^/]*embed[^/]*)/invoke$", InvokedEmbeddings),
        (r"/model/(?P<model>[^/]+)/converse(-stream)?$", Converse),
        (r"/model/(?P<model>[^/]+)/invoke(-with-response-stream)?$", InvokedChat),
    )
)
"""Path -> how its replies are read, first fit; the model, where it stands there and not in the body."""
REFUSED: Final = frozenset({400, 422})


class LiteLlm(Methods):
    """The handlers."""

    name = "litellm"
    module = "litellm.llms.custom_httpx.http_handler"
    methods = {f"{owner}.post": READ for owner in ("HTTPHandler", "AsyncHTTPHandler")}  # noqa: RUF012 (never changed)

    def __init__(self) -> None:
        """Nobody has refused anything yet."""
        self._refusing: set[str] = set()

    def open(self, client: Any, method: str, arguments: Arguments) -> Opening | None:
        """A call, where that request is one."""
        url = urlsplit(str(arguments["url"]))
        route = next(((found, kind) for pattern, kind in ROUTES if (found := pattern.search(url.path))), None)
        where, body = _body(arguments)
        if route is None or where is None:
            return None
        found, kind = route
        model = text(body.get("model")) or (found["model"] if "model" in found.re.groupindex else "")
        stream = bool(arguments.get("stream") or body.get("stream"))
        endpoint = endpoint_of(url.hostname or "", model)
        if kind is Converse and "anthropic" in model:
            kind = ClaudeConverse
        elif kind is InvokedChat:
            kind = invoked(model, body)
        asked = Asked(model, stream=stream)
        kind.shape.read(body.get("generationConfig") or body if kind is GeminiDocument else body, asked)
        return Opening(kind(endpoint), asked, (url.hostname or "", url.port), body)

    def clamp(self, arguments: Arguments, asked: Asked, settings: Settings) -> Arguments:
        """The budget stands in the body, which may be encoded already."""
        _, body = _body(arguments)
        config = body.get("generationConfig")
        if asked.budget_path is not None and isinstance(config, Mapping) and asked.budget_path[0] in config:
            return _with(arguments, {**body, "generationConfig": guard.clamped(config, asked, settings)})
        return _with(arguments, guard.clamped(body, asked, settings))

    def extend(self, opening: Opening, runtime: Runtime, arguments: Arguments) -> Arguments:
        """The usage of a stream of chat completions comes on request only."""
        reply, (host, _) = opening.reply, opening.server
        if not (type(reply) is Chat and opening.asked.stream and runtime.settings.stream_usage):
            return arguments
        _, body = _body(arguments)
        present = body.get("stream_options") or {}
        if not reply.endpoint.takes_stream_usage or host in self._refusing or "include_usage" in present:
            return arguments
        return _with(arguments, {**body, "stream_options": {**present, "include_usage": True}})

    def refuses(self, call: Call, error: Exception) -> bool:
        """Whether a server refused the request for that."""
        status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
        said = f"{error} {getattr(error, 'text', '')} {getattr(error, 'message', '')}"
        if (
            type(call.reply) is not Chat
            or not call.asked.stream
            or status not in REFUSED
            or "stream_options" not in said
        ):
            return False
        self._refusing.add(call.server)
        warn("%s does not take stream_options; the usage of its streams stays unknown", call.server)
        return True

    def deliver(self, result: Any, call: Call) -> Any:
        """An HTTP response: read already, or by litellm as it passes on what it rewrites."""
        reader: type[Reader] = Reader
        if isinstance(call.reply, Invoked):
            reader = EventStream
            heads = {name.lower(): value for name, value in result.headers.items()}
            call.reply.head({"ResponseMetadata": {"HTTPHeaders": heads, "RequestId": heads.get("x-amzn-requestid")}})
        elif isinstance(call.reply, Converse):
            reader = EventStream
            call.reply.response_id = text(result.headers.get("x-amzn-requestid"))
        if call.asked.stream and hasattr(result, "_content"):
            whole = reader(call, streamed=True)
            whole.feed(result.content)
            whole.end()
        else:
            watch(result, call, streamed=call.asked.stream, reader=reader)
        return result


def _body(arguments: Arguments) -> tuple[str | None, dict[str, Any]]:
    """Which parameter holds the body, and the body as a document; None: it is no document."""
    for where in ("json", "data", "content"):
        body = arguments.get(where)
        if isinstance(body, str | bytes | bytearray):
            try:
                body = json.loads(body)
            except ValueError:
                return None, {}
        if isinstance(body, dict):
            return where, body
    return None, {}


def _with(arguments: Arguments, body: dict[str, Any]) -> Arguments:
    """Other arguments with that body, encoded as it was."""
    where, _ = _body(arguments)
    assert where is not None  # as told in `open`
    encoded: Any = body
    if not isinstance(arguments[where], dict):
        encoded = json.dumps(body)
        if not isinstance(arguments[where], str):
            encoded = encoded.encode()
    return {**arguments, where: encoded}
