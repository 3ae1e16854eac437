"""Replies of Gemini's generate_content."""

from typing import Any, Final

from thinkmeter.sdk.asked import GEMINI, at, entry, text
from thinkmeter.sdk.replies import Reply
from thinkmeter.sdk.usage import Raw, Usage, gemini_usage, plain

TIER_HEADER: Final = "x-gemini-service-tier"


class Gemini(Reply):
    """Each chunk carries a running total; the last one holds."""

    operation = "generate_content"
    shape = GEMINI
    __slots__ = ()

    def whole(self, body: Any) -> None:
        """Read a response."""
        self.chunk(body)
        self.complete = True

    def chunk(self, chunk: Any) -> None:
        """Read a chunk, or a response, which has the same form."""
        usage = entry(chunk, "usage_metadata")
        if usage is not None:
            self.raw = plain(usage)
        if self.response_id is None:
            self.response_id = text(entry(chunk, "response_id"))
            self.model = text(entry(chunk, "model_version"))
            self.service_tier = _served_tier(at(chunk, ("sdk_http_response", "headers")))
        for position, candidate in enumerate(entry(chunk, "candidates") or ()):
            if not self.answered:
                content = entry(candidate, "content")
                self.answered = any(map(_visible, entry(content, "parts") or ()))
            reason = text(entry(candidate, "finish_reason"))
            if reason is not None:
                self.finish_reasons[entry(candidate, "index") or position] = reason
                self.complete = True

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        return gemini_usage(raw)


class GeminiDocument(Gemini):
    """The same as it comes over the wire, with the API's own names."""

    __slots__ = ()

    def chunk(self, chunk: Any) -> None:
        """Read a chunk, or a response."""
        usage = chunk.get("usageMetadata")
        told = {
            "usage_metadata": usage,
            "response_id": chunk.get("responseId"),
            "model_version": chunk.get("modelVersion"),
            "candidates": [
                {**candidate, "finish_reason": candidate.get("finishReason")}
                for candidate in chunk.get("candidates") or ()
            ],
        }
        super().chunk(told)


def _served_tier(headers: Any) -> str | None:
    """The service tier that served the request, which the client library's usage object leaves out."""
    if not isinstance(headers, dict):
        return None
    return text(headers.get(TIER_HEADER) or headers.get(TIER_HEADER.title()))


def _visible(part: Any) -> bool:
    """Whether a part is answer that a user would see, or a tool call."""
    return not entry(part, "thought") and bool(
        entry(part, "text") or entry(part, "function_call") or entry(part, "functionCall")
    )
