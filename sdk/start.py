"""How a span of ours is started: lean where nobody looks at one when it starts, by its tracer everywhere else."""

import math
import time
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
)
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, StaticSampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

from thinkmeter.sdk.export import Stamp
from thinkmeter.sdk.lean import Lean

_HOLDERS: Final = (SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor)
_STARTS: Final = frozenset(each.on_start for each in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor, Stamp))
_ENDINGS: Final = frozenset(
    getattr(each, "_on_ending", None) for each in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
)
"""Methods that do nothing with a span of ours."""
_ASKED_BY_PARENT: Final = (
    "_root",
    "_remote_parent_sampled",
    "_remote_parent_not_sampled",
    "_local_parent_sampled",
    "_local_parent_not_sampled",
)
_SIMPLE: Final = frozenset({str, int, float, bool})
"""Types of values that need no look."""
_FLAGS: Final = {
    (sampled, random): TraceFlags(
        (TraceFlags.SAMPLED if sampled else 0) | (TraceFlags.RANDOM_TRACE_ID if random else 0)
    )
    for sampled in (False, True)
    for random in (False, True)
}
_START, _END = Tracer.start_span, SdkSpan.end
_NAMES_IN_START: Final = frozenset(
    "DEFAULT NonRecordingSpan RANDOM_TRACE_ID SAMPLED SpanContext TraceFlags TypeError _Span _instrumentation_scope "
    "_is_enabled _span_limits _tracer_metrics attributes decision generate_span_id generate_trace_id "
    "get_current_span get_span_context id_generator instrumentation_info is_recording is_sampled "
    "is_trace_id_random is_valid isinstance random_trace_id resource sampler should_sample span_processor start "
    "start_span trace_api trace_flags trace_id trace_state".split()
)
_NAMES_IN_END: Final = frozenset(
    "RuntimeError _attributes _end_time _immutable _lock _on_ending _readable_span _record_end_metrics "
    "_span_processor _start_time logger on_end time_ns warning".split()
)
"""The names in the code that starts and ends a span of the OpenTelemetry SDK. Another release that does more than is
done here has others, and so has the wrapper of another instrumentation."""


class Starter:
    """Starts the spans of one tracer.

    Attributes:
        tracer: that tracer.
    """

    __slots__ = (
        "_able",
        "_always",
        "_always_inside",
        "_blind",
        "_holder",
        "_kept",
        "_most",
        "_processors",
        "_sampler",
        "tracer",
    )

    def __init__(self, tracer: trace.Tracer, sampler: Any) -> None:
        """Look at that tracer and its provider's sampler, which need not be the OpenTelemetry SDK's."""
        self.tracer = tracer
        self._kept = _ratio(sampler)
        self._holder: Any = getattr(tracer, "span_processor", None)
        self._able = _is_as_we_know_it(tracer)
        most = getattr(getattr(tracer, "_span_limits", None), "max_span_attributes", None)
        self._most: float = math.inf if most is None else most
        self._processors: Any = None
        self._sampler: Any = None
        self._blind = self._always = self._always_inside = False

    def kept(self, ctx: Context) -> float | None:
        """Probability that a trace is kept which begins in that context, or began with its span; None: unknown."""
        if not ctx:
            return self._kept
        span = trace.get_current_span(ctx)
        present = span.get_span_context()
        began_here = not present.is_valid or (not present.is_remote and getattr(span, "parent", present) is None)
        return self._kept if began_here else None

    def start(
        self, name: str, outside: Context, kind: SpanKind, attributes: dict[str, AttributeValue], start_ns: int | None
    ) -> Span:
        """Start a span in that context, then or now (None); the attributes are the span's from here on.

        It is to be ended by `span.finish()`.
        """
        if (
            not self._may_be_lean()
            or len(attributes) > self._most
            or not _SIMPLE.issuperset(map(type, attributes.values()))
            or "" in attributes
        ):
            return self.tracer.start_span(name, outside, kind, attributes, start_time=start_ns)
        tracer: Any = self.tracer
        ids = tracer.id_generator
        parent: SpanContext | None = trace.get_current_span(outside).get_span_context() if outside else None
        if parent is None or not parent.is_valid:
            parent = None
            trace_id = ids.generate_trace_id()
            random, always, trace_state = ids.is_trace_id_random(), self._always, None
        else:
            trace_id, flags = parent.trace_id, parent.trace_flags
            random, trace_state = flags.random_trace_id, parent.trace_state
            always = self._always_inside and flags.sampled and not parent.is_remote
        sampled = recorded = True
        if not always:
            result = tracer.sampler.should_sample(outside, trace_id, name, kind, attributes, ())
            trace_state = result.trace_state
            sampled = result.decision is Decision.RECORD_AND_SAMPLE
            recorded = result.decision is not Decision.DROP
        context = SpanContext(trace_id, ids.generate_span_id(), False, _FLAGS[sampled, random], trace_state)
        if not recorded:
            return NonRecordingSpan(context)
        start_ns = time.time_ns() if start_ns is None else start_ns
        return Lean(tracer, self._processors, name, context, parent, kind, attributes, start_ns, outside)

    def _may_be_lean(self) -> bool:
        """Whether nobody may read attributes when a span starts; processors may have been added since."""
        tracer: Any = self.tracer
        if not self._able or Tracer.start_span is not _START or SdkSpan.end is not _END or not tracer._is_enabled():
            return False
        if tracer.sampler is not self._sampler:
            self._ask(tracer.sampler)
        processors = self._holder._span_processors
        if processors is not self._processors:
            if not all(map(_is_idle, processors)):
                return False
            self._processors = processors
        return self._blind

    def _ask(self, sampler: Any) -> None:
        """Learn what a sampler goes by."""
        self._sampler = sampler
        self._blind = _is_blind(sampler)
        by_parent = self._blind and type(sampler).should_sample is ParentBased.should_sample
        self._always = _keeps_all(sampler._root if by_parent else sampler)
        self._always_inside = _keeps_all(sampler._local_parent_sampled if by_parent else sampler)


def _ratio(sampler: object) -> float | None:
    """The share of new traces that a sampler of the OpenTelemetry SDK keeps; None: it does not say."""
    root = getattr(sampler, "_root", sampler)  # where a sampler asks the parent first, what it asks without one
    rate = getattr(root, "rate", 1.0 if "AlwaysOn" in str(getattr(root, "get_description", str)()) else None)
    return float(rate) if isinstance(rate, int | float) else None


def _is_as_we_know_it(tracer: Any) -> bool:
    """Whether a tracer does nothing that a lean span would leave out."""
    if type(tracer) is not Tracer or "start_span" in vars(tracer) or type(tracer.span_processor) not in _HOLDERS:
        return False
    for function, known in ((_START, _NAMES_IN_START), (_END, _NAMES_IN_END)):
        code = getattr(function, "__code__", None)
        if code is None or not known.issuperset(code.co_names):
            return False
    counted = type(getattr(tracer, "_tracer_metrics", None)).__name__ not in ("NoneType", "NoOpTracerMetrics")
    limits = getattr(tracer, "_span_limits", None)
    return not counted and getattr(limits, "max_span_attribute_length", 0) is None


def _is_idle(processor: Any) -> bool:
    """Whether a processor looks at spans of ours when they have ended, and not before."""
    begun, ending = getattr(processor, "on_start", None), getattr(processor, "_on_ending", None)
    return getattr(begun, "__func__", None) in _STARTS and getattr(ending, "__func__", None) in _ENDINGS


def _is_blind(sampler: Any) -> bool:
    """Whether a sampler decides without attributes; False where that is not known."""
    decides = getattr(type(sampler), "should_sample", None)
    if decides is ParentBased.should_sample:
        return all(_is_blind(getattr(sampler, name, None)) for name in _ASKED_BY_PARENT)
    return decides in (StaticSampler.should_sample, TraceIdRatioBased.should_sample)


def _keeps_all(sampler: Any) -> bool:
    """Whether a sampler that decides without attributes records every span, and that alone."""
    static = getattr(type(sampler), "should_sample", None) is StaticSampler.should_sample
    return static and getattr(sampler, "_decision", None) is Decision.RECORD_AND_SAMPLE
