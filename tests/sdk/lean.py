"""Providers of spans whose ids are the same in every run, and whose spans are lean or full."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    Sampler,
)

from thinkmeter.sdk.start import Starter

RESOURCE = Resource({"service.name": "s"})


class Counted(IdGenerator):
    """Ids that are the same in every run."""

    def __init__(self, *, random: bool) -> None:
        self._next = itertools.count(1)
        self._random = random

    def generate_span_id(self) -> int:
        return next(self._next)

    def generate_trace_id(self) -> int:
        return next(self._next) << 60

    def is_trace_id_random(self) -> bool:
        return self._random


class Onlooker(SpanProcessor):
    """Looks at spans when they start, so that they are full ones."""

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        assert isinstance(span, SdkSpan)


@dataclass(frozen=True)
class Made:
    """How a provider was made."""

    sampler: Sampler | None = None
    limits: SpanLimits | None = None
    random: bool = True

    @contextmanager
    def starter(self, *, lean: bool) -> Iterator[tuple[Starter, list[ReadableSpan]]]:
        """Starts spans of such a provider, whose ended spans are in the list at the end."""
        exporter = InMemorySpanExporter()
        provider = TracerProvider(
            self.sampler, RESOURCE, False, id_generator=Counted(random=self.random), span_limits=self.limits
        )
        if not lean:
            provider.add_span_processor(Onlooker())
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        ended: list[ReadableSpan] = []
        yield Starter(provider.get_tracer("scope", "1"), provider.sampler), ended
        ended += exporter.get_finished_spans()
        provider.shutdown()
