"""Replies of Amazon Bedrock: Converse, and InvokeModel, whose bodies are those of each model's maker."""

import base64
import json
from collections.abc import Container
from typing import Any, ClassVar, Final

from thinkmeter.sdk.asked import CONVERSE, at, entry, text, whole
from thinkmeter.sdk.endpoints import Endpoint
from thinkmeter.sdk.replies import Chat, Messages, Reply
from thinkmeter.sdk.usage import Raw, Usage, billed_tier, converse_usage, invocation_usage

DETAILS: Final = "/usage/output_tokens_details"
"""Where Claude's own reply has its count of thinking, which Converse passes on where it is asked for."""
METRICS: Final = "amazon-bedrock-invocationMetrics"
"""Bedrock's own counts, in the last chunk of a stream."""
COUNTS: Final = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}
"""Header -> Bedrock's own name of that count."""


class Converse(Reply):
    """Converse and ConverseStream, and Amazon's own models by InvokeModel, which speak the same.

    Attributes:
        asked_details: whether we asked for the count of thinking, which is then kept from the caller.
    """

    shape = CONVERSE
    __slots__ = ("asked_details",)

    def __init__(self, endpoint: Endpoint) -> None:
        """Nothing learned yet."""
        super().__init__(endpoint)
        self.asked_details = False

    def whole(self, body: Any) -> None:
        """Read a response."""
        self.response_id = text(at(body, ("ResponseMetadata", "RequestId"))) or self.response_id
        self.raw = entry(body, "usage") or self.raw
        self.service_tier = text(at(body, ("serviceTier", "type")))
        for block in at(body, ("output", "message", "content")) or ():
            if "reasoningContent" in block:
                self.thought = True
        self._finish(body)

    def chunk(self, chunk: Any) -> None:
        """Read an event."""
        if "contentBlockDelta" in chunk:
            delta = at(chunk, ("contentBlockDelta", "delta")) or {}
            if "reasoningContent" in delta:
                self.thought = True
            elif not self.answered:
                self.answered = bool(delta.get("text") or delta.get("toolUse"))
        elif "messageStop" in chunk:
            self._finish(chunk["messageStop"])
        elif "metadata" in chunk:
            metadata = chunk["metadata"]
            self.raw = {**(self.raw or {}), **(entry(metadata, "usage") or {})} or None
            self.service_tier = text(at(metadata, ("serviceTier", "type")))

    def _finish(self, body: Any) -> None:
        """The end of a reply; what we asked for is taken out of it."""
        reason = text(entry(body, "stopReason"))
        if reason is not None:
            self.finish_reasons[0] = reason
        self.complete = True
        details = at(body, ("additionalModelResponseFields", "usage", "output_tokens_details"))
        if isinstance(details, dict):
            self.raw = {**(self.raw or {}), "output_tokens_details": details}
        if self.asked_details:
            further = body.pop("additionalModelResponseFields", None)
            others = {name: value for name, value in (further or {}).items() if name != "usage"}
            if others:
                body["additionalModelResponseFields"] = others

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        return converse_usage(raw)


class ClaudeConverse(Converse):
    """Claude behind Converse: it shows a block wherever it thought."""

    shows_thinking = True
    __slots__ = ()


class Invoked(Reply):
    """A maker's own reply in Bedrock's envelope: a JSON document in each chunk, and Bedrock's own counts beside it."""

    __slots__ = ()

    def head(self, response: Any) -> None:
        """Read what stands beside the body; the body may never be read."""
        headers = at(response, ("ResponseMetadata", "HTTPHeaders")) or {}
        counts = {name: int(headers[header]) for header, name in COUNTS.items() if headers.get(header, "").isdecimal()}
        self.response_id = text(at(response, ("ResponseMetadata", "RequestId")))
        self.service_tier = text(entry(response, "serviceTier"))
        if counts:
            self.raw, self.complete = counts, True

    def whole(self, body: Any) -> None:
        """Read the body."""
        self._beside(super().whole, body)

    def view(self, chunk: Any) -> Any:
        """The document in a chunk."""
        data = at(chunk, ("chunk", "bytes"))
        if isinstance(data, str):  # as it travels
            data = base64.b64decode(data)
        return json.loads(data) if data else {}

    def chunk(self, chunk: Any) -> None:
        """Read a document."""
        self._beside(super().chunk, chunk)
        metrics = chunk.get(METRICS)
        if metrics:
            self.raw, self.complete = self.raw or metrics, True

    def usage(self, *, thinking_off: bool, shown: bool = False) -> Usage:
        """What was used: Bedrock's own counts, where the body tells none, do not say whether it thought."""
        if self.raw and "inputTokenCount" in self.raw:
            usage = invocation_usage(self.raw)
            usage.service_tier = billed_tier(self.service_tier)
            return usage.settle(thought_nothing=thinking_off, shown=shown)
        return super().usage(thinking_off=thinking_off, shown=shown)

    def _beside(self, read: Any, body: Any) -> None:
        """Read a body, and keep what it does not tell."""
        identifier, tier, raw = self.response_id, self.service_tier, self.raw
        read(body)
        self.response_id = self.response_id or identifier
        self.service_tier = self.service_tier or tier
        self.raw = self.raw or raw


class InvokedMessages(Invoked, Messages):
    """Claude by InvokeModel."""

    __slots__ = ()


class InvokedConverse(Invoked, Converse):
    """Amazon's own models by InvokeModel."""

    __slots__ = ()


class InvokedChat(Invoked, Chat):
    """Models by InvokeModel whose makers speak as OpenAI does, and all others: those tell no usage in their bodies."""

    __slots__ = ()
    _REASONS: ClassVar = ("stop_reason", "stopReason")

    def whole(self, body: Any) -> None:
        """Read the body; Llama's has counts of its own."""
        super().whole(body)
        self._other(body)

    def chunk(self, chunk: Any) -> None:
        """Read a document."""
        super().chunk(chunk)
        if not self.answered:
            self.answered = bool(chunk.get("generation") or chunk.get("outputs") or chunk.get("outputText"))
        self._other(chunk)

    def _other(self, body: Any) -> None:
        """What other makers tell."""
        reason = next((found for name in self._REASONS if (found := text(entry(body, name)))), None)
        if reason is not None:
            self.finish_reasons[0], self.complete = reason, True
        counts = whole(entry(body, "prompt_token_count")), whole(entry(body, "generation_token_count"))
        if self.raw is None and None not in counts:
            self.raw = {"inputTokenCount": counts[0], "outputTokenCount": counts[1]}


INVOKED: Final[dict[str, type[InvokedMessages | InvokedConverse | InvokedChat]]] = {
    "anthropic_version": InvokedMessages,
    "inferenceConfig": InvokedConverse,
}
"""A word that only this kind of request has -> how its reply is read."""


def invoked(model: str, body: Container[str]) -> type[InvokedMessages | InvokedConverse | InvokedChat]:
    """How the reply to InvokeModel is read, by the model and what the request's body has."""
    kind = next((kind for word, kind in INVOKED.items() if word in body), None)
    return kind or (InvokedMessages if "anthropic" in model else InvokedChat)


def typed(block: Any) -> dict[str, Any]:
    """A block of Converse's content, or a delta of one, as the block of other APIs that says the same."""
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if "reasoningContent" in block:
        thinking = at(block, ("reasoningContent", "reasoningText", "text")) or at(block, ("reasoningContent", "text"))
        return {"type": "thinking", "thinking": thinking}
    if "toolUse" in block:
        use = block["toolUse"]
        return {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
    if "toolResult" in block:
        result = block["toolResult"]
        return {"type": "tool_result", "tool_use_id": result.get("toolUseId"), "content": result.get("content")}
    return {"type": next(iter(block), None)}
