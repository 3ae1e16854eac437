"""What replies say, whole or chunk by chunk: one class per API, one object per call.

The same code reads models of client libraries and plain dictionaries. A chunk is read in passing: nothing
is copied but the usage object.
"""

from typing import Any, ClassVar

from thinkmeter.sdk.asked import CHAT, MESSAGES, RESPONSES, Shape, at, entry, members, text
from thinkmeter.sdk.endpoints import Endpoint
from thinkmeter.sdk.usage import Raw, Usage, billed_tier, chat_usage, messages_usage, plain, responses_usage


class Reply:
    """What was learned of one reply so far.

    Attributes:
        response_id: the provider's id.
        model: the model that answered.
        finish_reasons: why it stopped, one a candidate, in the provider's words.
        service_tier: as billed, where it stands beside the usage.
        raw: the provider's usage object.
        answered: whether visible answer has begun.
        complete: whether the reply has told its end.
        error: class of an error that came as content.
        conversation: the provider's own conversation that the reply belongs to.
    """

    operation: ClassVar[str] = "chat"
    shape: ClassVar[Shape] = CHAT
    shows_thinking: ClassVar[bool] = False
    """Whether the API shows a block wherever it thought, so that a reply without one thought nothing."""

    __slots__ = (
        "answered",
        "complete",
        "conversation",
        "endpoint",
        "error",
        "finish_reasons",
        "model",
        "raw",
        "response_id",
        "service_tier",
        "thought",
    )

    def __init__(self, endpoint: Endpoint) -> None:
        """Nothing learned yet."""
        self.endpoint = endpoint
        self.response_id: str | None = None
        self.model: str | None = None
        self.finish_reasons: dict[int, str] = {}
        self.service_tier: str | None = None
        self.raw: Raw | None = None
        self.answered = self.complete = self.thought = False
        self.error: str | None = None
        self.conversation: str | None = None

    def whole(self, body: Any) -> None:
        """Read an unstreamed reply."""
        raise NotImplementedError

    def chunk(self, chunk: Any) -> None:
        """Read one element of a stream."""
        raise NotImplementedError

    def view(self, chunk: Any) -> Any:
        """What is read of an element of a stream, where the caller gets it in an envelope."""
        return chunk

    @staticmethod
    def is_more(chunk: Any) -> bool:
        """Whether an element of a stream that has begun to answer is only more of the answer: it need not be read."""
        return False

    def wants_hidden(self, chunk: Any) -> bool:
        """Whether that chunk exists only because we asked for usage."""
        return False

    def usage(self, *, thinking_off: bool, shown: bool = False) -> Usage:
        """What was used, as far as it was told; `shown`: the reply shows text of its thinking."""
        usage = self.read_usage(self.raw) if self.raw else Usage()
        if usage.service_tier is None:
            usage.service_tier = billed_tier(self.service_tier)
        if not self.complete:
            return usage.partial()
        shown_none = self.shows_thinking and not self.thought and self.raw is not None
        return usage.settle(thought_nothing=thinking_off or shown_none, shown=shown)

    def read_usage(self, raw: Raw) -> Usage:
        """What the provider's usage object means: input with cache, output with thinking; None: unknown."""
        raise NotImplementedError


class Chat(Reply):
    """OpenAI chat completions and compatible endpoints."""

    __slots__ = ()

    def whole(self, body: Any) -> None:
        """Read a completion."""
        told = members(body)
        self._head(told)
        self.raw = plain(told.get("usage"))
        for choice in told.get("choices") or ():
            self._finish(members(choice))
        self.complete = True

    def chunk(self, chunk: Any) -> None:
        """Read a chunk."""
        told = members(chunk)
        if self.response_id is None:
            self._head(told)
        usage = told.get("usage")
        if usage:
            self.raw = plain(usage)
            self._head(told)
        for each in told.get("choices") or ():
            choice = members(each)
            if not self.answered:
                self.answered = _visible(choice)
            if choice.get("finish_reason"):
                self._finish(choice)
                self.complete = True
                if not usage:  # Groq's own place
                    usage = at(chunk, ("x_groq", "usage"))
                    self.raw = plain(usage) or self.raw

    @staticmethod
    def is_more(chunk: Any) -> bool:
        """Neither usage nor an end. Where that is not told at once, it is read."""
        try:
            (choice,) = chunk.choices
            return chunk.usage is None and choice.finish_reason is None
        except (AttributeError, TypeError, ValueError):
            return False

    def wants_hidden(self, chunk: Any) -> bool:
        """The extra last chunk has usage and no choices; `chunk.choices[0]` would fail on it."""
        return not entry(chunk, "choices") and bool(entry(chunk, "usage"))

    def _head(self, told: Any) -> None:
        self.response_id = text(told.get("id")) or self.response_id
        self.model = text(told.get("model")) or self.model
        self.service_tier = text(told.get("service_tier")) or self.service_tier

    def _finish(self, choice: Any) -> None:
        reason = text(choice.get("finish_reason"))
        if reason is not None:
            self.finish_reasons[choice.get("index") or 0] = reason

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        end = self.endpoint
        return chat_usage(raw, thinking_apart=end.thinking_apart, thinking_untold=end.thinking_untold, costs=end.costs)


class MistralChat(Chat):
    """Mistral's own client: chunks in an envelope, and the service tier in the usage."""

    __slots__ = ()

    def view(self, chunk: Any) -> Any:
        """The chunk in an event."""
        return entry(chunk, "data")

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        usage = super().read_usage(raw)
        usage.service_tier = billed_tier(raw.get("service_tier"))
        return usage


class Completion(Chat):
    """OpenAI's older text completions."""

    operation = "text_completion"
    __slots__ = ()


class Responses(Reply):
    """OpenAI Responses."""

    shape = RESPONSES
    __slots__ = ()
    _ANSWERS: ClassVar = frozenset(
        {
            "response.output_text.delta",
            "response.refusal.delta",
            "response.function_call_arguments.delta",
            "response.custom_tool_call_input.delta",
        }
    )
    _ENDS: ClassVar = frozenset({"response.completed", "response.incomplete", "response.failed"})

    def whole(self, body: Any) -> None:
        """Read a response."""
        told = members(body)
        self.response_id = text(told.get("id"))
        self.model = text(told.get("model")) or self.model
        self.service_tier = text(told.get("service_tier"))
        self.conversation = text(entry(told.get("conversation"), "id"))
        self.raw = plain(told.get("usage"))
        status = text(told.get("status")) or "completed"
        self.complete = status not in ("queued", "in_progress")
        self.finish_reasons[0] = text(entry(told.get("incomplete_details"), "reason")) or status
        if status == "failed":
            self.error = text(entry(told.get("error"), "code")) or "failed"

    @staticmethod
    def is_more(chunk: Any) -> bool:
        """A piece of text."""
        return getattr(chunk, "type", None) == "response.output_text.delta"

    def chunk(self, chunk: Any) -> None:
        """Read an event."""
        kind = entry(chunk, "type")
        if kind in self._ANSWERS:
            self.answered = True
        elif kind in self._ENDS:
            self.whole(entry(chunk, "response"))
        elif kind == "response.created":
            self.response_id = text(at(chunk, ("response", "id")))
            self.model = text(at(chunk, ("response", "model")))
        elif kind == "error":
            self.error = text(entry(chunk, "code")) or "error"

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        return responses_usage(raw)


class Messages(Reply):
    """Anthropic Messages."""

    shape = MESSAGES
    shows_thinking = True
    __slots__ = ()
    _THINKING: ClassVar = frozenset({"thinking", "redacted_thinking"})

    def whole(self, body: Any) -> None:
        """Read a message."""
        told = members(body)
        self._head(told)
        self.raw = plain(told.get("usage"))
        for block in told.get("content") or ():
            if entry(block, "type") in self._THINKING:
                self.thought = True
        self._finish(told)
        self.complete = True

    @staticmethod
    def is_more(chunk: Any) -> bool:
        """A piece of text, or of the arguments of a tool."""
        try:
            return chunk.type == "content_block_delta" and chunk.delta.type in ("text_delta", "input_json_delta")
        except AttributeError:
            return False

    def chunk(self, chunk: Any) -> None:
        """Read an event. Usage is cumulative: what comes later replaces what came before, what is absent stays."""
        kind = entry(chunk, "type")
        if kind == "content_block_delta":
            if not self.answered:
                self.answered = at(chunk, ("delta", "type")) in ("text_delta", "input_json_delta")
        elif kind == "content_block_start":
            if at(chunk, ("content_block", "type")) in self._THINKING:
                self.thought = True
        elif kind == "message_start":
            message = members(entry(chunk, "message"))
            self._head(message)
            self.raw = dict(plain(message.get("usage")) or {})
        elif kind == "message_delta":
            told = plain(entry(chunk, "usage")) or {}
            self.raw = {**(self.raw or {}), **{name: value for name, value in told.items() if value is not None}}
            self._finish(members(entry(chunk, "delta")))
            self.complete = True

    def _head(self, told: Any) -> None:
        self.response_id = text(told.get("id"))
        self.model = text(told.get("model"))

    def _finish(self, told: Any) -> None:
        reason = text(told.get("stop_reason"))
        if reason is not None:
            self.finish_reasons[0] = reason

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        return messages_usage(raw)


def _visible(choice: Any) -> bool:
    """Whether a chunk's choice holds answer that a user would see, or a tool call."""
    said = choice.get("delta")
    if said is None:
        return bool(choice.get("text"))
    delta = members(said)
    content = delta.get("content")
    if isinstance(content, list):  # Mistral's: thinking stands among the parts
        return any(entry(part, "type") != "thinking" for part in content)
    return bool(content or delta.get("tool_calls") or delta.get("refusal"))
