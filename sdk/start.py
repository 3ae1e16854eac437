"""Who looks at a span when it starts. Where nobody does, what is known by then is written at its end, all at once.

`Tracer.start_span` looks at each attribute for what may be wrong with it, which is a good part of what a span costs.
"""

from typing import Any, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, StaticSampler, TraceIdRatioBased

from thinkmeter.sdk.export import Stamp

_IDLE: Final = frozenset(
    {SpanProcessor.on_start, BatchSpanProcessor.on_start, SimpleSpanProcessor.on_start, Stamp.on_start}
)
"""Methods that read no attribute of our spans."""
_ASKED_BY_PARENT: Final = (
    "_root",
    "_remote_parent_sampled",
    "_remote_parent_not_sampled",
    "_local_parent_sampled",
    "_local_parent_not_sampled",
)


class Watchers:
    """The sampler and the processors of a tracer provider."""

    __slots__ = ("_holder", "_processors", "_sampler_reads", "_watch")

    def __init__(self, provider: Any) -> None:
        """Look at that provider, which need not be one of the OpenTelemetry SDK."""
        self._holder: Any = getattr(provider, "_active_span_processor", None)
        self._sampler_reads = not _is_blind(getattr(provider, "sampler", None))
        self._processors: Any = None
        self._watch = True

    def watch(self) -> bool:
        """Whether one of them may read attributes when a span starts; processors may have been added since."""
        processors = getattr(self._holder, "_span_processors", None)
        if processors is not self._processors:
            self._processors = processors
            self._watch = self._sampler_reads or any(type(each).on_start not in _IDLE for each in processors or ())
        return self._watch


def _is_blind(sampler: Any) -> bool:
    """Whether a sampler decides without attributes; False where that is not known."""
    decides = getattr(type(sampler), "should_sample", None)
    if decides is ParentBased.should_sample:
        return all(_is_blind(getattr(sampler, name, None)) for name in _ASKED_BY_PARENT)
    return decides in (StaticSampler.should_sample, TraceIdRatioBased.should_sample)
