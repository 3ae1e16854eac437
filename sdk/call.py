"""The span of one call: started before the request is sent, ended exactly once, whatever happens in between."""

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk import guard
from thinkmeter.sdk.asked import Asked
from thinkmeter.sdk.health import FAULTS, LOG, contained
from thinkmeter.sdk.replies import Messages, Reply
from thinkmeter.sdk.runtime import Runtime
from thinkmeter.sdk.scope import current_scope
from thinkmeter.sdk.span import finish
from thinkmeter.sdk.thinking import Thinking
from thinkmeter.sdk.usage import Usage, other_models

if TYPE_CHECKING:
    from collections.abc import Callable

    from thinkmeter.sdk.content import Transcript

CUT = "error"
"""Finish reason of a stream that ended before its end."""
_PAGES: Final = (str, bytes, list)


class Call:
    """One call while it runs. Nothing here raises.

    Attributes:
        reply: what was learned of the reply so far.
        asked: what the request asks for.
        context: the context to send the request in, so that spans of HTTP clients become children.
        hides: whether a chunk that exists only because we asked for usage is kept from the caller.
        is_more: tells chunks that need not be read, once there are such.
        read: whether an unstreamed reply was read.
        server: the host that it goes to.
        stopped: whether the stream is to end here, since the thinking that it showed is over the cap.
    """

    __slots__ = (
        "_answer_s",
        "_cap_tokens",
        "_chunk_s",
        "_ended",
        "_outside",
        "_own",
        "_runtime",
        "_span",
        "_started",
        "_started_ns",
        "_thinking",
        "_transcript",
        "asked",
        "context",
        "hides",
        "is_more",
        "read",
        "reply",
        "server",
        "stopped",
    )

    def __init__(
        self,
        runtime: Runtime,
        reply: Reply,
        asked: Asked,
        server: tuple[str, int | None],
        body: object,
        outside: Context | None = None,
    ) -> None:
        """Start the span of a request with that body to that host and port, in that context (None: the current one)."""
        settings = runtime.settings
        self._runtime, self.reply, self.asked = runtime, reply, asked
        self._chunk_s: float | None = None
        self._answer_s: float | None = None
        self.is_more: Callable[[Any], bool] | None = None
        self._ended = self.stopped = self.hides = self.read = False
        self._thinking = Thinking(type(reply))
        self._cap_tokens = guard.cap_tokens(settings) if settings.max_thinking_tokens else None
        self._transcript = _transcript(reply, body) if settings.capture_content else None
        self._outside = outside = context.get_current() if outside is None else outside
        own: dict[str, AttributeValue] = {
            **current_scope(outside).attributes,
            names.OPERATION_NAME: reply.operation,
            names.PROVIDER_NAME: reply.endpoint.provider,
        }
        if settings.tiers and names.TIER not in own:
            tier = runtime.tier_of(asked.model)
            if tier is not None:
                own[names.TIER] = tier
        asked.describe(own)
        starter = runtime.starter()
        kept = starter.kept(outside)
        if kept is not None:
            own[names.SAMPLING_PROBABILITY] = kept
        host, port = server
        self.server = host
        if host:
            own[names.SERVER_ADDRESS] = host
            if port is not None:
                own[names.SERVER_PORT] = port
        self._own = own
        self._started_ns = time.time_ns()
        self._started = time.perf_counter()
        self._span = starter.start(f"{reply.operation} {asked.model}", outside, SpanKind.CLIENT, own, self._started_ns)
        self.context: Context = trace.set_span_in_context(self._span, outside)

    def whole(self, body: object) -> None:
        """Read an unstreamed reply; it does not end the call."""
        self.read = True
        if body is None or isinstance(body, _PAGES):  # a page of a gateway, not a reply
            return
        try:
            self.reply.whole(body)
            self._thinking.whole(body)
            if self._transcript is not None:
                self._transcript.whole(body)
        except Exception as error:  # noqa: BLE001 (`contained`, without the calls that it takes)
            FAULTS.add("reading a reply", error)

    def chunk(self, chunk: Any) -> bool:
        """Read one element of a stream; True: it is to be kept from the caller."""
        try:
            reply = self.reply
            if self._chunk_s is None:
                self._chunk_s = time.perf_counter() - self._started
            told = reply.view(chunk)
            reply.chunk(told)
            if self._answer_s is None and reply.answered:
                self._answer_s = time.perf_counter() - self._started
                if self._transcript is None and told.__class__ is not dict:
                    self.is_more = reply.is_more
            thinking = self._thinking
            if (not reply.answered or thinking.resumes) and thinking.chunk(told) and self._cap_tokens is not None:
                self._hold(thinking.tokens, self._cap_tokens)
            if self._transcript is not None:
                self._transcript.chunk(told)
            return self.hides and reply.complete and reply.wants_hidden(told)
        except Exception as error:  # noqa: BLE001 (see above)
            FAULTS.add("reading a chunk", error)
        return False

    def stop(self) -> guard.ThinkingBudgetExceeded | None:
        """End a stream that is to end here; what its reader is to be told, None: just the end."""
        shown, cap = self._thinking.tokens, self._cap_tokens or 0
        if self._runtime.settings.on_exceed != "raise":
            self.end()
            return None
        refusal = guard.ThinkingBudgetExceeded(self.asked.model, shown, cap, shown=True)
        self.end(refusal)
        return refusal

    def _hold(self, shown_tokens: int, cap_tokens: int) -> None:
        """Hold the thinking shown so far against the cap."""
        if shown_tokens <= cap_tokens:
            return
        if self._runtime.settings.on_exceed != "warn":
            self.stopped = True
        else:
            LOG.warning("a call to %s shows more thinking than the cap of %d", self.asked.model, cap_tokens)
            self._cap_tokens = None  # said once

    def end(self, error: BaseException | None = None) -> None:
        """End the span, once.

        Args:
            error: what ended the call before its time; None: it was read to its end, or the caller wanted no more.
        """
        if self._ended:
            return
        self._ended = True
        found: dict[str, AttributeValue] = {}
        later: Callable[[dict[str, AttributeValue]], None] | None = None
        try:
            if self._span.is_recording():
                self._describe(error, found)
                if self._thinking.shown:
                    later = self._thinking.describe
        except Exception as fault:  # noqa: BLE001 (see above)
            FAULTS.add("describing a call", fault)
        try:
            finish(self._span, found, failed=names.ERROR_TYPE in found, later=later)
        except Exception as fault:  # noqa: BLE001 (see above)
            FAULTS.add("ending a call", fault)

    def _describe(self, error: BaseException | None, found: dict[str, AttributeValue]) -> None:
        """Gather what was learned."""
        reply = self.reply
        failure = type(error).__qualname__ if error is not None else reply.error
        if failure is not None:
            found[names.ERROR_TYPE] = failure
        usage = reply.usage(thinking_off=self.asked.thinking_off, shown=self._thinking.shown)
        found.update(usage.attributes())
        if reply.response_id is not None:
            found[names.RESPONSE_ID] = reply.response_id
        if reply.model is not None:
            found[names.RESPONSE_MODEL] = reply.model
        if reply.conversation is not None:
            found[names.CONVERSATION_ID] = reply.conversation
        if self.stopped and not reply.complete:
            found[names.RESPONSE_FINISH_REASONS] = (guard.STOPPED,)
        elif reply.finish_reasons:
            found[names.RESPONSE_FINISH_REASONS] = tuple(reply.finish_reasons.values())
        elif self.asked.stream and not reply.complete:
            found[names.RESPONSE_FINISH_REASONS] = (CUT,)
        if self._chunk_s is not None:
            found[names.TIME_TO_FIRST_CHUNK] = self._chunk_s
        if self._answer_s is not None:
            found[names.TIME_TO_FIRST_ANSWER] = self._answer_s
        if self._transcript is not None:
            settings = self._runtime.settings
            found |= self._transcript.attributes(thinking=settings.capture_thinking, patterns=settings.redact)
        if isinstance(reply, Messages) and reply.raw and "iterations" in reply.raw:
            for model, apart in other_models(reply.raw):
                self._beside(model or reply.model or self.asked.model, apart)

    def _beside(self, model: str, usage: Usage) -> None:
        """A span for an inference that another model made within this call and that is billed apart."""
        asked = (names.THINKING_BUDGET_TOKENS, names.REQUEST_REASONING_LEVEL, names.REQUEST_MAX_TOKENS)
        own = {name: value for name, value in self._own.items() if name not in asked}
        own.update(usage.attributes())
        own[names.REQUEST_MODEL] = own[names.RESPONSE_MODEL] = model
        starter, outside = self._runtime.starter(), self._outside
        finish(starter.start(f"{self.reply.operation} {model}", outside, SpanKind.CLIENT, own, self._started_ns), {})


def _transcript(reply: Reply, body: object) -> "Transcript | None":
    """The record of what is said, for those who asked for it."""
    from thinkmeter.sdk.content import Transcript

    with contained("reading a prompt"):
        return Transcript(type(reply), body)
    return None
