"""Replies of Gemini's interactions."""

from typing import Any, ClassVar

from thinkmeter.sdk.asked import INTERACTIONS, at, entry, text
from thinkmeter.sdk.replies import Reply
from thinkmeter.sdk.usage import Raw, Usage, interactions_usage, plain


class Interactions(Reply):
    """Each request of an interaction has a usage of its own, which comes at its end."""

    operation = "generate_content"
    shape = INTERACTIONS
    __slots__ = ()
    _RUNNING: ClassVar = frozenset({"in_progress", "queued"})
    _SILENT: ClassVar = frozenset({"thought_summary", "thought_signature"})

    def whole(self, body: Any) -> None:
        """Read an interaction."""
        self.response_id = text(entry(body, "id")) or self.response_id
        self.model = text(entry(body, "model")) or self.model
        self.service_tier = text(entry(body, "service_tier"))
        self.raw = plain(entry(body, "usage"))
        status = text(entry(body, "status"))
        self.complete = status not in self._RUNNING
        if status is not None:
            self.finish_reasons[0] = status
            if status == "failed":
                self.error = status

    def chunk(self, chunk: Any) -> None:
        """Read an event."""
        kind = text(entry(chunk, "event_type"))
        if kind == "step.delta":
            if not self.answered:
                self.answered = at(chunk, ("delta", "type")) not in self._SILENT
        elif kind == "interaction.completed":
            self.whole(entry(chunk, "interaction"))
        elif kind == "interaction.created":
            self.response_id = text(at(chunk, ("interaction", "id")))
            self.model = text(at(chunk, ("interaction", "model")))
        elif kind == "error":
            self.error = text(at(chunk, ("error", "code"))) or "error"

    def read_usage(self, raw: Raw) -> Usage:
        """What the usage object means."""
        return interactions_usage(raw)
