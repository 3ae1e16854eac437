"""Thinking that a reply shows: how much of it reflects, and whether it is over the cap. Read in passing, not kept."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.asked import at, entry, members
from thinkmeter.sdk.cohere import Cohere
from thinkmeter.sdk.gemini import Gemini
from thinkmeter.sdk.interactions import Interactions
from thinkmeter.sdk.replies import Messages, Reply, Responses
from thinkmeter.sdk.xai import Xai, message_of

if TYPE_CHECKING:
    from thinkmeter.sdk.reflection import Reflection

BYTES_PER_TOKEN: Final = 4
"""Of visible text, by which tokens are estimated while a stream runs; the provider's count comes at its end."""
_RESPONSES: Final = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})


class Thinking:
    """The visible thinking of one call.

    Attributes:
        resumes: whether thinking may go on once the answer has begun.
        shown: whether there was any: some servers frame none at all with empty lines.
    """

    __slots__ = ("_bytes", "_read_chunk", "_read_whole", "_reflection", "resumes", "shown")

    def __init__(self, kind: type[Reply]) -> None:
        """Read that API."""
        self._read_chunk, self._read_whole = _API.get(kind) or _readers(kind)
        self.resumes = self._read_chunk is not _chat_chunk
        self._reflection: Reflection | None = None
        self._bytes = 0
        self.shown = False

    def chunk(self, chunk: Any) -> bool:
        """Read one element of a stream; whether it shows thinking."""
        shown = self._read_chunk(chunk)
        if not shown or not isinstance(shown, str):
            return False
        self._add(shown)
        return True

    def whole(self, body: Any) -> None:
        """Read an unstreamed reply."""
        for shown in self._read_whole(body):
            if shown and isinstance(shown, str):
                self._add(shown)

    @property
    def tokens(self) -> int:
        """An estimate of the thinking shown so far."""
        return self._bytes // BYTES_PER_TOKEN

    def describe(self, found: dict[str, AttributeValue]) -> None:
        """Add the share of its sentences that reflect, turn or conclude, 0..1, where there are any."""
        ratio = None if self._reflection is None else self._reflection.ratio()
        if ratio is not None:
            found[names.REFLECTION_RATIO] = ratio

    def _add(self, shown: str) -> None:
        if self._reflection is None:
            from thinkmeter.sdk.reflection import Reflection

            self._reflection = Reflection()
        if not self.shown:
            self.shown = not shown.isspace()
        self._bytes += len(shown) if shown.isascii() else len(shown.encode("utf-8", "replace"))
        self._reflection.add(shown)


def _chat_chunk(chunk: Any) -> Any:
    told = members(chunk)
    choices = told.get("choices")
    if not choices:
        return None if choices is not None else at(chunk, ("contentBlockDelta", "delta", "reasoningContent", "text"))
    delta = members(entry(choices[0], "delta"))
    shown = delta.get("reasoning_content") or delta.get("reasoning")
    if shown:
        return shown
    content = delta.get("content")
    return "".join(_parts(content)) if content.__class__ is list else None


def _chat_whole(body: Any) -> Iterable[Any]:
    found: list[Any] = []
    told = members(body)
    for choice in told.get("choices") or ():
        message = members(entry(choice, "message"))
        found.append(message.get("reasoning_content") or message.get("reasoning"))
        content = message.get("content")
        if content.__class__ is list:
            found += _parts(content)
    output = told.get("output")
    if output is not None:  # Bedrock's
        for block in at(output, ("message", "content")) or ():
            found.append(at(block, ("reasoningContent", "reasoningText", "text")))
    return found


def _parts(content: Any) -> Iterable[str]:
    """Mistral's: thinking stands among the parts of the content."""
    for part in content:
        if entry(part, "type") == "thinking":
            inner = entry(part, "thinking")
            yield inner if isinstance(inner, str) else "".join(str(entry(i, "text") or "") for i in inner or ())


def _responses_chunk(chunk: Any) -> Any:
    return entry(chunk, "delta") if entry(chunk, "type") in _RESPONSES else None


def _responses_whole(body: Any) -> Iterable[Any]:
    for item in entry(body, "output") or ():
        if entry(item, "type") == "reasoning":
            # the text itself where it is shown, else its summary
            for part in entry(item, "content") or entry(item, "summary") or ():
                yield entry(part, "text")


def _messages_chunk(chunk: Any) -> Any:
    if entry(chunk, "type") != "content_block_delta":
        return None
    delta = entry(chunk, "delta")
    return entry(delta, "thinking") if entry(delta, "type") == "thinking_delta" else None


def _messages_whole(body: Any) -> Iterable[Any]:
    for block in entry(body, "content") or ():
        if entry(block, "type") == "thinking":
            yield entry(block, "thinking")


def _gemini_whole(body: Any) -> Iterable[Any]:
    for candidate in entry(body, "candidates") or ():
        for part in at(candidate, ("content", "parts")) or ():
            if entry(part, "thought"):
                yield entry(part, "text")


def _gemini_chunk(chunk: Any) -> Any:
    return "".join(shown for shown in _gemini_whole(chunk) if isinstance(shown, str))


def _interactions_whole(body: Any) -> Iterable[Any]:
    for step in entry(body, "steps") or ():
        if entry(step, "type") == "thought":
            for part in entry(step, "summary") or ():
                yield entry(part, "text")


def _interactions_chunk(chunk: Any) -> Any:
    delta = entry(chunk, "delta")
    return at(delta, ("content", "text")) if entry(delta, "type") == "thought_summary" else None


def _cohere_whole(body: Any) -> Iterable[Any]:
    for block in at(body, ("message", "content")) or ():
        yield entry(block, "thinking")


def _cohere_chunk(chunk: Any) -> Any:
    return at(chunk, ("delta", "message", "content", "thinking"))


def _xai_whole(body: Any) -> Iterable[Any]:
    return [output.message.reasoning_content for output in getattr(message_of(body), "outputs", ())]


def _xai_chunk(chunk: Any) -> Any:
    return "".join(output.delta.reasoning_content for output in chunk.outputs)


_CHAT: Final[tuple[Callable[[Any], Any], Callable[[Any], Iterable[Any]]]] = (_chat_chunk, _chat_whole)
_API: Final[dict[type[Reply], tuple[Callable[[Any], Any], Callable[[Any], Iterable[Any]]]]] = {
    Responses: (_responses_chunk, _responses_whole),
    Messages: (_messages_chunk, _messages_whole),
    Gemini: (_gemini_chunk, _gemini_whole),
    Interactions: (_interactions_chunk, _interactions_whole),
    Cohere: (_cohere_chunk, _cohere_whole),
    Xai: (_xai_chunk, _xai_whole),
}
"""How each API shows thinking; what is not named here reads like chat completions."""


def _readers(kind: type[Reply]) -> tuple[Callable[[Any], Any], Callable[[Any], Iterable[Any]]]:
    """How the API of that class of replies shows thinking, looked up once."""
    return _API.setdefault(kind, next((_API[base] for base in kind.__mro__ if base in _API), _CHAT))
