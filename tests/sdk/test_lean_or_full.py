"""Spans are made at their end alone wherever nobody could tell, and whoever looks at one before gets a full one."""

import io
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
import wrapt
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
)
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    AlwaysRecordSampler,
)
from opentelemetry.trace import (
    Span,
    SpanKind,
)
from opentelemetry.util.types import AttributeValue

import thinkmeter
from tests.sdk.lean import Made, Onlooker
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.health import FAULTS
from thinkmeter.sdk.lean import Lean
from thinkmeter.sdk.span import finish
from thinkmeter.sdk.start import Starter


def test_spans_are_lean_with_the_installed_release() -> None:
    with Made().starter(lean=True) as (starter, ended):
        span = starter.start("call", Context(), SpanKind.CLIENT, {"ours": 1}, None)
        assert isinstance(span, Lean)
        child = starter.start("child", trace.set_span_in_context(span, Context()), SpanKind.CLIENT, {}, None)
        assert isinstance(child, Lean)
        assert child.parent == span.get_span_context()
        finish(child, {})
        finish(span, {"more": ("stop",)})
        assert span._full is None
    assert [each.name for each in ended] == ["child", "call"]
    assert [type(each) for each in ended] == [ReadableSpan, ReadableSpan]


def test_what_takes_time_is_reckoned_by_whoever_reads_the_span() -> None:
    asked: list[str] = []

    def reckon(found: dict[str, AttributeValue]) -> None:
        asked.append(threading.current_thread().name)
        found["reckoned"] = 0.5

    with Made().starter(lean=True) as (starter, ended):
        finish(starter.start("call", Context(), SpanKind.CLIENT, {"ours": 1}, None), {}, later=reckon)
        assert not asked
    (span,) = ended
    reader = threading.Thread(target=lambda: span.attributes, name="exporter")
    reader.start()
    reader.join()
    assert span.attributes == {"ours": 1, "reckoned": 0.5}
    assert json.loads(span.to_json())["attributes"] == {"ours": 1, "reckoned": 0.5}
    assert asked == ["exporter"]


def test_attributes_that_cannot_be_reckoned_leave_the_others_and_are_counted() -> None:
    def reckon(found: dict[str, AttributeValue]) -> None:
        raise ValueError(found)

    with Made().starter(lean=True) as (starter, ended):
        finish(starter.start("call", Context(), SpanKind.CLIENT, {"ours": 1}, None), {}, later=reckon)
    assert [dict(span.attributes or {}) for span in ended] == [{"ours": 1}]
    assert thinkmeter.health().faults == 1
    FAULTS.clear()


class OwnHolder(SynchronousMultiSpanProcessor):
    """An application's own way to hand spans on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]


class Ending(SpanProcessor):
    """Looks at spans when they are about to end."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def _on_ending(self, span: SdkSpan) -> None:
        self.seen.append(dict(span.attributes or {}))


def disabled(provider: TracerProvider) -> None:
    from opentelemetry.sdk.trace import _disable_tracer_configurator

    provider._set_tracer_configurator(tracer_configurator=_disable_tracer_configurator)


@pytest.mark.parametrize(
    ("provider", "change"),
    [
        (TracerProvider(shutdown_on_exit=False), lambda p: p.add_span_processor(Onlooker())),
        (TracerProvider(shutdown_on_exit=False), lambda p: p.add_span_processor(Ending())),
        (TracerProvider(shutdown_on_exit=False, active_span_processor=OwnHolder()), lambda p: None),
        (TracerProvider(shutdown_on_exit=False, sampler=AlwaysRecordSampler(ALWAYS_ON)), lambda p: None),
        (TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits(max_attribute_length=5)), lambda p: None),
        (TracerProvider(shutdown_on_exit=False), disabled),
        (trace.NoOpTracerProvider(), lambda p: None),
    ],
    ids=["on_start", "_on_ending", "own holder", "unknown sampler", "lengths", "disabled", "no SDK"],
)
def test_what_a_lean_span_would_leave_out_makes_it_a_full_one(provider: Any, change: Callable[[Any], None]) -> None:
    starter = Starter(provider.get_tracer("scope"), getattr(provider, "sampler", None))
    change(provider)
    span = starter.start("call", Context(), SpanKind.CLIENT, {"ours": 1}, None)
    assert not isinstance(span, Lean)
    finish(span, {"more": 2})
    assert not span.is_recording()


def test_who_wraps_what_starts_spans_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    starter, asked = Starter(provider.get_tracer("scope"), provider.sampler), []

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        asked.append(args[0])
        return wrapped(*args, **kwargs)

    assert isinstance(starter.start("first", Context(), SpanKind.CLIENT, {}, None), Lean)
    monkeypatch.setattr(Tracer, "start_span", wrapt.FunctionWrapper(Tracer.start_span, wrapper))
    assert not isinstance(starter.start("second", Context(), SpanKind.CLIENT, {}, None), Lean)
    assert asked == ["second"]


def test_a_release_whose_spans_start_otherwise_gets_full_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Tracer.start_span

    def start_span(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.another_thing = True
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Tracer, "start_span", start_span)
    monkeypatch.setattr("thinkmeter.sdk.start._START", start_span)
    provider = TracerProvider(shutdown_on_exit=False)
    starter = Starter(provider.get_tracer("scope"), provider.sampler)
    assert not isinstance(starter.start("call", Context(), SpanKind.CLIENT, {}, None), Lean)


def test_the_sdks_own_metrics_of_spans_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    provider = TracerProvider(shutdown_on_exit=False, meter_provider=meters)
    starter = Starter(provider.get_tracer("scope"), provider.sampler)
    finish(starter.start("call", Context(), SpanKind.CLIENT, {}, None), {})
    finish(starter.start("call", Context(), SpanKind.CLIENT, {}, None), {})
    data = reader.get_metrics_data()
    assert data is not None
    told = {
        metric.name: sum(point.value for point in metric.data.data_points)  # type: ignore[union-attr, misc]
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    assert told["otel.sdk.span.started"] == 2
    assert told["otel.sdk.span.live"] == 0
    meters.shutdown()


def test_a_processor_that_is_added_during_a_call_gets_its_end_in_full() -> None:
    provider, ending = TracerProvider(shutdown_on_exit=False), Ending()
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    starter = Starter(provider.get_tracer("scope"), provider.sampler)
    span = starter.start("call", Context(), SpanKind.CLIENT, {}, None)
    assert isinstance(span, Lean)
    provider.add_span_processor(ending)
    finish(span, {"more": 1})
    (ended,) = exporter.get_finished_spans()
    assert [ended.attributes] == ending.seen == [{"more": 1}]


def test_one_who_is_told_of_the_start_may_write_on_the_current_span() -> None:
    class Writing(SpanProcessor):
        def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
            current.set_attribute("seen", True)

    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    current = Starter(provider.get_tracer("scope"), provider.sampler).start(
        "call", Context(), SpanKind.CLIENT, {}, None
    )
    provider.add_span_processor(Writing())
    finish(current, {"more": 1})
    (ended,) = exporter.get_finished_spans()
    assert ended.attributes == {"seen": True, "more": 1}


def test_two_threads_that_write_on_a_span_write_on_the_same() -> None:
    for _ in range(50):
        with Made().starter(lean=True) as (starter, ended):
            span = starter.start("call", Context(), SpanKind.CLIENT, {}, None)
            together = threading.Barrier(4)

            def write(number: int, span: Span = span, together: threading.Barrier = together) -> None:
                together.wait()
                span.set_attribute(f"thread {number}", number)

            threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            finish(span, {})
        assert len(ended[0].attributes or {}) == 4


@pytest.mark.newest  # whose clients speak by httpx2
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("holder", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_every_kind_of_processor_takes_the_span_of_a_call_and_what_a_hook_added(watched: bool, holder: Any) -> None:
    provider = TracerProvider(shutdown_on_exit=False, active_span_processor=holder())
    simple, batched = InMemorySpanExporter(), InMemorySpanExporter()
    printed = io.StringIO()
    for processor in (
        SimpleSpanProcessor(simple),
        BatchSpanProcessor(batched),
        SimpleSpanProcessor(ConsoleSpanExporter(out=printed)),
        *([Onlooker()] if watched else []),
    ):
        provider.add_span_processor(processor)
    body = json.dumps(chat_whole(Told())).encode()
    headers = {"Content-Type": "application/json"}
    answers = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))

    def hook(request: Any) -> None:
        span = trace.get_current_span()
        assert span.is_recording()
        span.set_attribute("http.seen", str(request.method))
        span.add_event("sent", {"n": 1})
        span.record_exception(ValueError("of a hook"))

    thinkmeter.instrument(tracer_provider=provider)
    http = httpx2.Client(transport=answers, event_hooks={"request": [hook]})
    client = openai.OpenAI(api_key="k", max_retries=0, http_client=http)
    with thinkmeter.request("task", user="u") as request, request.attempt(tier=2):
        trace.get_current_span().set_attribute("of the application", 3)
        client.chat.completions.create(model="gpt-5", messages=[])
    assert thinkmeter.health().faults == 0
    thinkmeter.uninstrument()
    provider.force_flush()
    call, attempt, outer = simple.get_finished_spans()
    assert (call.attributes or {})["http.seen"] == "POST"
    assert (call.attributes or {})[names.REASONING_OUTPUT_TOKENS] == Told().thinking
    assert [event.name for event in call.events] == ["sent", "exception"]
    assert (attempt.attributes or {})["of the application"] == 3
    assert call.parent == attempt.context
    assert attempt.parent == outer.context
    assert [span.name for span in batched.get_finished_spans()] == [call.name, attempt.name, outer.name]
    assert printed.getvalue().count('"trace_id"') == 3
    encode_spans(simple.get_finished_spans())
    client.close()
    provider.shutdown()
