"""Replies of embedding models: input is billed, nothing is generated, and nothing thought."""

from typing import Any, Final

from thinkmeter.sdk.asked import Shape, at, entry, members, text, whole
from thinkmeter.sdk.bedrock import Invoked
from thinkmeter.sdk.replies import Reply
from thinkmeter.sdk.usage import Raw, Usage, billed_tier, chat_usage, plain

NOTHING_ASKED: Final = Shape()


class Embeddings(Reply):
    """OpenAI's embeddings and compatible endpoints."""

    operation = "embeddings"
    shape = NOTHING_ASKED
    __slots__ = ()

    def whole(self, body: Any) -> None:
        """Read a list of vectors, which are left alone."""
        told = members(body)
        self.response_id = text(told.get("id"))
        self.model = text(told.get("model"))
        self.raw = plain(told.get("usage"))
        self.complete = True

    def chunk(self, chunk: Any) -> None:
        """There are no streams of embeddings; an HTTP body that comes in pieces is read as a whole."""

    def usage(self, *, thinking_off: bool) -> Usage:
        """Input, as far as it was told; that there is no output is certain."""
        usage = self.read_usage(self.raw) if self.raw else Usage()
        if self.complete:
            usage.output, usage.thinking, usage.source = 0, 0, "derived"
        if usage.service_tier is None:
            usage.service_tier = billed_tier(self.service_tier)
        return usage

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        usage = chat_usage(raw, costs=self.endpoint.costs)
        if usage.input is None:
            usage.input = whole(raw.get("total_tokens"))
        return usage


class MistralEmbeddings(Embeddings):
    """Mistral's own client: the service tier in the usage."""

    __slots__ = ()

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        usage = super().read_usage(raw)
        usage.service_tier = billed_tier(raw.get("service_tier"))
        return usage


class GeminiEmbeddings(Embeddings):
    """Gemini's: a usage object, or a count beside each vector."""

    __slots__ = ()

    def whole(self, body: Any) -> None:
        """Read a response."""
        usage = entry(body, "usage_metadata") or entry(body, "usageMetadata")
        self.raw = plain(usage)
        if self.raw is None:
            counts = [whole(at(vector, ("statistics", "token_count"))) for vector in entry(body, "embeddings") or ()]
            known = [count for count in counts if count is not None]
            if known and len(known) == len(counts):
                self.raw = {"promptTokenCount": sum(known)}
        self.complete = True

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        counted = whole(raw.get("promptTokenCount"))
        return Usage(whole(raw.get("totalTokenCount")) if counted is None else counted, raw=raw)


class InvokedEmbeddings(Invoked, Embeddings):
    """By Bedrock's InvokeModel: its own count of the input stands beside the body, Titan's also in it."""

    __slots__ = ()

    def whole(self, body: Any) -> None:
        """Read the body."""
        super().whole(body)
        count = whole(entry(body, "inputTextTokenCount"))
        if self.raw is None and count is not None:
            self.raw = {"inputTokenCount": count}

    def usage(self, *, thinking_off: bool) -> Usage:
        """Input, as far as it was told."""
        return Embeddings.usage(self, thinking_off=thinking_off)

    def read_usage(self, raw: Raw) -> Usage:
        """What Bedrock's count means."""
        return Usage(whole(raw.get("inputTokenCount")), raw=raw)
