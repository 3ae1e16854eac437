"""Replies of xAI's own client, which are messages of protocol buffers: absent counts and zeros look the same there."""

from typing import Any

from thinkmeter.sdk.asked import text
from thinkmeter.sdk.replies import Reply
from thinkmeter.sdk.usage import Raw, Usage, billed_tier, chat_usage


class Xai(Reply):
    """A reply, several to one request, or a stream of either."""

    __slots__ = ()

    def whole(self, body: Any) -> None:
        """Read a response."""
        self._read(message_of(body), "message")
        self.complete = True

    def chunk(self, chunk: Any) -> None:
        """Read a chunk, of which each has the usage so far."""
        self._read(chunk, "delta")

    def view(self, chunk: Any) -> Any:
        """The chunk in a pair of what was said so far and what is new."""
        return message_of(chunk[1])

    def _read(self, told: Any, said: str) -> None:
        self.response_id = text(told.id) or self.response_id
        self.model = text(getattr(told, "model", None)) or self.model
        if told.HasField("usage"):
            self.raw = _counts(told.usage) or self.raw
        tier = named(told, "service_tier")
        if tier is not None:
            self.service_tier = tier.removeprefix("SERVICE_TIER_").lower()
        for output in getattr(told, "outputs", ()):
            if not self.answered:
                spoken = getattr(output, said)
                self.answered = bool(spoken.content or spoken.tool_calls)
            reason = named(output, "finish_reason")
            if reason is not None:
                self.finish_reasons[output.index] = reason
                self.complete = True

    def read_usage(self, raw: Raw) -> Usage:
        """As chat completions at xAI, with a name of its own for what was cached."""
        usage = chat_usage(raw, thinking_apart=True, costs=True)
        prompt, completion = raw.get("prompt_tokens"), raw.get("completion_tokens")
        if usage.thinking is None and prompt is not None and completion is not None:
            if prompt + completion == raw.get("total_tokens"):
                usage.thinking, usage.source = 0, "derived"
        usage.cache_read = raw.get("cached_prompt_text_tokens", 0 if prompt is not None else None)
        usage.service_tier = billed_tier(self.service_tier)
        return usage


def message_of(node: Any) -> Any:
    """The message in an object of the client library, or in the first of several."""
    if isinstance(node, list | tuple):
        node = node[0]
    return getattr(node, "_proto", node)


def named(message: Any, member: str) -> str | None:
    """The name of an enumeration's value; None for the first, which stands for none."""
    number = getattr(message, member, 0)
    if not number:
        return None
    name: str = message.DESCRIPTOR.fields_by_name[member].enum_type.values_by_number[number].name
    return name


def _counts(usage: Any) -> Raw:
    """What is not zero in a usage object."""
    return {
        field.name: value if isinstance(value, int) else [int(one) for one in value]
        for field, value in usage.ListFields()
    }
