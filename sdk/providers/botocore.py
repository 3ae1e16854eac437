"""Amazon Bedrock through boto3: every operation of every service passes one method of its client."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from thinkmeter.sdk import guard
from thinkmeter.sdk.asked import Asked, text
from thinkmeter.sdk.bedrock import (
    DETAILS,
    INVOKED,
    ClaudeConverse,
    Converse,
    Invoked,
    InvokedChat,
    InvokedConverse,
    InvokedMessages,
    invoked,
)
from thinkmeter.sdk.body import Reader
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.embeddings import InvokedEmbeddings
from thinkmeter.sdk.endpoints import endpoint_of
from thinkmeter.sdk.health import warn
from thinkmeter.sdk.providers.methods import Arguments, Methods, Opening
from thinkmeter.sdk.runtime import Runtime
from thinkmeter.sdk.settings import Settings
from thinkmeter.sdk.stream import replace_iteration, subclass

SERVICE: Final = "bedrock-runtime"
CONVERSE: Final = frozenset({"Converse", "ConverseStream"})
STREAMED: Final = frozenset({"ConverseStream", "InvokeModelWithResponseStream"})
OPERATIONS: Final = CONVERSE | STREAMED | {"InvokeModel"}
LONGEST: Final = 1024 * 1024
"""Bytes of a request's body that are parsed; a longer one holds pictures, and is only searched for its kind."""


class Botocore(Methods):
    """The library."""

    name = "boto3"
    module = "botocore.client"
    methods = {"BaseClient._make_api_call": ("operation_name", "api_params")}  # noqa: RUF012 (never changed)

    def __init__(self) -> None:
        """No server has refused anything yet."""
        self._refusing: set[str] = set()

    def open(self, client: Any, method: str, arguments: Arguments) -> Opening | None:
        """A call, where the operation is one of a model's."""
        operation = arguments.get("operation_name")
        if operation not in OPERATIONS or client.meta.service_model.service_name != SERVICE:
            return None
        params = arguments["api_params"]
        model = text(params.get("modelId")) or ""
        url = urlsplit(client.meta.endpoint_url)
        endpoint = endpoint_of(url.hostname or "", model, "Bedrock")
        asked = Asked(model, stream=operation in STREAMED)
        reply: Converse | InvokedMessages | InvokedConverse | InvokedChat | InvokedEmbeddings
        if operation in CONVERSE:
            body: Any = params
            reply = (ClaudeConverse if "anthropic" in model else Converse)(endpoint)
        else:
            body = _document(params.get("body"))
            reply = (InvokedEmbeddings if "embed" in model else invoked(model, body))(endpoint)
        reply.shape.read(body, asked)
        return Opening(reply, asked, (url.hostname or "", url.port), body)

    def clamp(self, arguments: Arguments, asked: Asked, settings: Settings) -> Arguments:
        """The budget stands in the parameters, or in a document that is one of them."""
        params = arguments["api_params"]
        if "body" in params:
            clamped = guard.clamped(_document(params["body"]), asked, settings)
            return {**arguments, "api_params": {**params, "body": json.dumps(clamped).encode()}}
        return {**arguments, "api_params": guard.clamped(params, asked, settings)}

    def extend(self, opening: Opening, runtime: Runtime, arguments: Arguments) -> Arguments:
        """Claude's count of thinking comes through Converse on request only."""
        reply, params = opening.reply, arguments["api_params"]
        if not isinstance(reply, ClaudeConverse) or not runtime.settings.stream_usage or opening.asked.thinking_off:
            return arguments
        paths = params.get("additionalModelResponseFieldPaths") or []
        if opening.asked.model in self._refusing or any(path.startswith("/usage") for path in paths):
            return arguments
        reply.asked_details = True
        return {**arguments, "api_params": {**params, "additionalModelResponseFieldPaths": [*paths, DETAILS]}}

    def refuses(self, call: Call, error: Exception) -> bool:
        """Whether a model refused the request for its count of thinking."""
        reply = call.reply
        if not isinstance(reply, Converse) or not reply.asked_details:
            return False
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        if code != "ValidationException" or "additionalModelResponseField" not in str(error):
            return False
        self._refusing.add(call.asked.model)
        reply.asked_details = False
        warn("%s does not tell its count of thinking through Converse; it stays unknown", call.asked.model)
        return True

    def deliver(self, result: Any, call: Call) -> Any:
        """Read a response, or its body as the caller reads it."""
        reply = call.reply
        body = result.get("stream") or result.get("body")
        if isinstance(reply, Invoked):
            reply.head(result)
        if body is not None and not hasattr(body, "_raw_stream"):
            call.end()  # a stand-in of the application's tests
        elif call.asked.stream:
            reply.response_id = text(result["ResponseMetadata"].get("RequestId"))
            replace_iteration(body, "_event_generator", call)
        elif body is not None:
            body._thinkmeter_reader = Reader(call, streamed=False)
            kind: Any = type(body)
            body.__class__ = subclass(kind, _watched)
        else:
            call.whole(result)
            call.end()
        return result


def _document(body: Any) -> dict[str, Any]:
    """A request's body, as far as it can be read without being used up: a file is not read."""
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes | bytearray):
        return {}
    if len(body) > LONGEST:
        return {word: None for word in INVOKED if f'"{word}"'.encode() in body}
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _watched(kind: Any) -> dict[str, Any]:
    """What a body does differently while we read over the caller's shoulder."""

    def read(self: Any, amt: int | None = None) -> Any:
        reader: Reader = self._thinkmeter_reader
        reader.begin()
        try:
            data = kind.read(self, amt)
        except BaseException as error:
            reader.end(error)
            raise
        reader.feed(data)
        if amt is None or (not data and amt > 0):
            reader.end()
        return data

    def readinto(self: Any, buffer: Any) -> Any:
        reader: Reader = self._thinkmeter_reader
        reader.begin()
        try:
            count = kind.readinto(self, buffer)
        except BaseException as error:
            reader.end(error)
            raise
        reader.feed(bytes(memoryview(buffer)[:count]))
        if not count and len(buffer):
            reader.end()
        return count

    def close(self: Any) -> None:
        kind.close(self)
        self._thinkmeter_reader.end()

    return {"read": read, "readinto": readinto, "close": close}
