"""Replies of Cohere's own API (v2 chat), and what is said in them.

Cohere bills thinking as output and does not count it apart: it is unknown, unless it was switched off.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from thinkmeter.sdk.asked import COHERE, at, entry, text, whole
from thinkmeter.sdk.parts import Part, parts_of, text_part, tool_call
from thinkmeter.sdk.replies import Reply
from thinkmeter.sdk.usage import Raw, Usage, plain

if TYPE_CHECKING:
    from thinkmeter.sdk.content import Transcript


class Cohere(Reply):
    """A message in blocks; in a stream, what it took comes with its end."""

    shape = COHERE
    __slots__ = ()
    _ANSWERS: ClassVar = frozenset({"tool-plan-delta", "tool-call-start"})

    def whole(self, body: Any) -> None:
        """Read a reply."""
        self.response_id = text(entry(body, "id"))
        self._end(body)

    def chunk(self, chunk: Any) -> None:
        """Read an event."""
        kind = entry(chunk, "type")
        if kind == "content-delta":
            if not self.answered:
                self.answered = bool(at(chunk, ("delta", "message", "content", "text")))
        elif kind in self._ANSWERS:
            self.answered = True
        elif kind == "message-start":
            self.response_id = text(entry(chunk, "id"))
        elif kind == "message-end":
            self._end(entry(chunk, "delta"))

    def _end(self, told: Any) -> None:
        self.raw = plain(entry(told, "usage"))
        reason = text(entry(told, "finish_reason"))
        if reason is not None:
            self.finish_reasons[0] = reason
            if reason in ("ERROR", "ERROR_TOXIC", "TIMEOUT"):
                self.error = reason
        self.complete = True

    def read_usage(self, raw: Raw) -> Usage:
        """What is billed; what it counted, where that is not told."""
        return Usage(
            whole(at(raw, ("billed_units", "input_tokens")) or at(raw, ("tokens", "input_tokens"))),
            whole(at(raw, ("billed_units", "output_tokens")) or at(raw, ("tokens", "output_tokens"))),
            cache_read=whole(raw.get("cached_tokens")),
            raw=raw,
        )


def cohere_whole(body: Any) -> list[list[Part]]:
    """What a reply says."""
    message = entry(body, "message")
    plan = entry(message, "tool_plan")
    parts = [text_part(plan)] if plan else []
    parts += parts_of(entry(message, "content"))
    for call in entry(message, "tool_calls") or ():
        function = entry(call, "function")
        parts.append(tool_call(entry(call, "id"), entry(function, "name"), entry(function, "arguments")))
    return [parts]


def cohere_chunk(transcript: "Transcript", chunk: Any) -> None:
    """Take what an event says."""
    said = at(chunk, ("delta", "message"))
    content, call = entry(said, "content"), entry(entry(said, "tool_calls"), "function")
    for kind, more in (
        ("reasoning", entry(content, "thinking")),
        ("text", entry(content, "text") or entry(said, "tool_plan")),
    ):
        if isinstance(more, str) and more:
            transcript.add(0, kind, more)
    if call is not None:
        transcript.add(0, "tool_call", entry(call, "arguments"), text(entry(call, "name")))
