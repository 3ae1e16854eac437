"""A span that becomes one of the OpenTelemetry SDK's only where somebody uses it as such.

Nearly always nobody does: our span is started, handed on as the parent of others, and ended with everything at once.
Then nothing but its context is made at its start, and nothing but what is exported at its end.
"""

import threading
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, Tracer
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from thinkmeter.sdk.health import contained

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import SpanProcessor

_UNSET: Final = Status(StatusCode.UNSET)
_FAILED: Final = Status(StatusCode.ERROR)


class Full(Span):
    """A span of the OpenTelemetry SDK, which lets nobody but its tracers make a `Span` itself."""


class Late(ReadableSpan):
    """An ended span, some of whose attributes are reckoned when somebody reads them: by the exporter's thread, mostly.

    They are added once more where two threads read them first, and are the same then.
    """

    later: "Callable[[dict[str, AttributeValue]], None] | None" = None
    """Adds those attributes; None: they are there."""

    @property  # a field of the inherited class, which its methods and others' code read
    def _attributes(self) -> dict[str, AttributeValue]:
        """All of them."""
        later = self.later
        if later is not None:
            with contained("adding attributes"):
                later(self._known)
            self.later = None
        return self._known

    @_attributes.setter
    def _attributes(self, attributes: dict[str, AttributeValue]) -> None:
        self._known = attributes


class Lean(Span):
    """A recording span, of which nothing but its context was wanted so far. Then, a `Full` one stands behind it.

    What is not defined here gets there by `__getattr__`, inherited properties too: they look for fields which
    are not set on this object.
    """

    def __new__(cls, *_: Any) -> "Lean":
        """The inherited one makes two calls more."""
        return object.__new__(cls)

    def __init__(
        self,
        tracer: Tracer,
        processors: "tuple[SpanProcessor, ...]",
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, AttributeValue],
        start_ns: int,
        outside: Context,
    ) -> None:
        """Start a span in that context; its attributes are valid, and nobody else's from here on."""
        self._context, self._parent = context, parent
        self._tracer, self._processors = tracer, processors
        self._about = name, kind, start_ns, tracer.resource
        self._outside = outside
        self._found = attributes
        self._full: Full | None = None
        self._done: ReadableSpan | None = None
        # Re-entrant: the garbage collector may end an abandoned stream's span in the middle of any line.
        self._changing = threading.RLock()

    def finish(
        self,
        found: dict[str, AttributeValue],
        failed: bool,
        end_ns: int,
        later: "Callable[[dict[str, AttributeValue]], None] | None" = None,
    ) -> bool:
        """Add attributes, which are valid, and end; False: nothing was done, since the full span is wanted for that.

        `later` adds one more when it is first wanted, from any thread and once or twice.
        """
        tracer = self._tracer
        processor: Any = tracer.span_processor
        limit = tracer._span_limits.max_span_attributes
        with self._changing:
            attributes = self._found
            if (
                self._full is not None
                or self._done is not None
                or (limit is not None and len(attributes) + len(found) + (later is not None) > limit)
                or processor._span_processors is not self._processors
            ):
                return False
            attributes.update(found)
            name, kind, start_ns, resource = self._about
            self._done = done = (Late if later else ReadableSpan)(
                name,
                self._context,
                self._parent,
                resource,
                attributes,
                (),
                (),
                kind,
                tracer.instrumentation_info,
                _FAILED if failed else _UNSET,
                start_ns,
                end_ns,
                tracer._instrumentation_scope,
            )
        if isinstance(done, Late):
            done.later = later
        processor.on_end(done)
        return True

    def _whole(self) -> Full:
        """The full span, made when first wanted; one that has ended, where this one has."""
        with self._changing:
            if self._full is None:
                tracer, done = self._tracer, self._done
                name, kind, start_ns, resource = self._about
                full = Full(
                    name=name,
                    context=self.get_span_context(),
                    parent=self._parent,
                    sampler=tracer.sampler,
                    resource=resource,
                    attributes=self._found if done is None else done.attributes,
                    span_processor=tracer.span_processor,
                    kind=kind,
                    instrumentation_info=tracer.instrumentation_info,
                    limits=tracer._span_limits,
                    instrumentation_scope=tracer._instrumentation_scope,
                )
                self._full = full  # first, so that whoever is told of its start may write on it
                if done is None:
                    full.start(start_ns, self._outside)
                else:
                    full._start_time, full._end_time, full._status = start_ns, done.end_time, done.status
            return self._full

    def __getattr__(self, name: str) -> Any:
        """What the full span alone has."""
        if name.startswith("__") or "_changing" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._whole(), name)

    def get_span_context(self) -> SpanContext:
        """See `opentelemetry.trace.Span`."""
        return self._context  # type: ignore[return-value]  # the inherited field may be None, ours never is

    def is_recording(self) -> bool:
        """See `opentelemetry.trace.Span`."""
        return self._done is None and (self._full is None or self._full.is_recording())

    def set_attributes(self, attributes: Any) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().record_exception(exception, attributes, timestamp, escaped)

    def end(self, end_time: int | None = None) -> None:
        """See `opentelemetry.trace.Span`."""
        self._whole().end(end_time)
