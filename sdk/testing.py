"""Captures what an application would send, in memory: for its own tests, and for ours.

def test_escalates(...):
    with thinkmeter.sdk.testing.capture() as captured:
        answer(...)
    assert [call["thinkmeter.tier"] for call in captured.calls] == [1, 2]
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Unpack

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.health import FAULTS
from thinkmeter.sdk.instrument import Arguments, begin, uninstrument


class Captured:
    """What was captured so far, in the order in which it ended."""

    def __init__(self, spans: InMemorySpanExporter, logs: InMemoryLogRecordExporter) -> None:
        """Read these exporters."""
        self._spans = spans
        self._logs = logs

    @property
    def spans(self) -> list[ReadableSpan]:
        """Every finished span."""
        return list(self._spans.get_finished_spans())

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        """Attributes of every finished call."""
        return [span.attributes or {} for span in self.spans if names.OPERATION_NAME in (span.attributes or {})]

    @property
    def call(self) -> Mapping[str, Any]:
        """Attributes of the one call; fails where there are none or several."""
        (only,) = self.calls
        return only

    def entities(self, kind: str) -> list[Mapping[str, Any]]:
        """Attributes of every finished `request` or `attempt`."""
        found = [span.attributes or {} for span in self.spans]
        return [attributes for attributes in found if attributes.get(names.ENTITY) == kind]

    @property
    def verdicts(self) -> list[Mapping[str, Any]]:
        """Attributes of every verdict."""
        return [event for event in self._events() if event.get(names.EVALUATION_KIND) == "verifier"]

    @property
    def labels(self) -> list[Mapping[str, Any]]:
        """Attributes of every label."""
        return [event for event in self._events() if event.get(names.EVALUATION_KIND) == "ground_truth"]

    @property
    def faults(self) -> int:
        """Errors of the SDK itself; a test wants none."""
        return FAULTS.count

    def clear(self) -> None:
        """Forget what was captured."""
        self._spans.clear()
        self._logs.clear()
        FAULTS.clear()

    def _events(self) -> list[Mapping[str, Any]]:
        records = (finished.log_record for finished in self._logs.get_finished_logs())
        return [record.attributes or {} for record in records if record.event_name == names.EVALUATION_EVENT]


@contextmanager
def capture(**arguments: Unpack[Arguments]) -> Iterator[Captured]:
    """Instrument as `thinkmeter.instrument(**arguments)` does, and keep everything in memory; undone at the end.

    Nothing is sent. An instrumentation that holds already is ended first.
    """
    uninstrument()
    FAULTS.clear()
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    logger_provider = LoggerProvider(shutdown_on_exit=False)
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    begin(tracer_provider, logger_provider, **arguments)
    try:
        yield Captured(spans, logs)
    finally:
        uninstrument()
        tracer_provider.shutdown()
        logger_provider.shutdown()
