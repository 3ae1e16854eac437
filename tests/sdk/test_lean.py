"""A span that is made at its end alone is the span that the OpenTelemetry SDK would have made, field by field."""

import io
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import openai
import pytest
import wrapt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    Event,
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
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    AlwaysRecordSampler,
    Decision,
    ParentBased,
    Sampler,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from opentelemetry.util.types import AttributeValue

import thinkmeter
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.health import FAULTS
from thinkmeter.sdk.lean import Lean
from thinkmeter.sdk.span import finish
from thinkmeter.sdk.start import Starter

RESOURCE = Resource({"service.name": "s"})
BEGUN_NS = 1_700_000_000_000_000_000
SOONER_NS, ENDED_NS = BEGUN_NS + 5, BEGUN_NS + 1_000_000_000


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


def described(span: ReadableSpan) -> dict[str, Any]:
    """Everything that can be read of an ended span, in the order of its names."""
    if span.end_time not in (ENDED_NS, SOONER_NS):  # ended by a `with`
        span._end_time = SOONER_NS
        span._events = [Event(event.name, event.attributes, SOONER_NS) for event in span.events]
    encoded = encode_spans([span])
    (sent,) = encoded.resource_spans[0].scope_spans[0].spans
    holders: list[Any] = [sent, *sent.events, *sent.links]
    for holder in holders:
        kept = sorted(holder.attributes, key=lambda pair: pair.key)
        del holder.attributes[:]
        holder.attributes.extend(kept)
    fields = (
        "name context parent kind resource status start_time end_time instrumentation_scope "
        "dropped_attributes dropped_events dropped_links"
    ).split()
    return {
        **{field: getattr(span, field) for field in fields if field != "status"},
        "status": (span.status.status_code, span.status.description),
        "info": span._instrumentation_info,
        "attributes": dict(span.attributes or {}),
        "events": [(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events],
        "links": [(link.context, dict(link.attributes or {})) for link in span.links],
        "json": json.loads(span.to_json()),
        "sent": encoded.SerializeToString(deterministic=True),
    }


def parent(*, remote: bool, sampled: bool, state: bool, random: bool) -> Context:
    """A context with such a span in it."""
    flags = TraceFlags((TraceFlags.SAMPLED if sampled else 0) | (TraceFlags.RANDOM_TRACE_ID if random else 0))
    told = TraceState([("vendor", "v")]) if state else None
    context = SpanContext(0xABC << 64, 0xDEF, remote, flags, told)
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


def raised() -> ValueError:
    """An exception without the place where it was raised."""
    return ValueError("no")


OPERATIONS: dict[str, Callable[[Span], object]] = {
    "set_attribute": lambda span: span.set_attribute("hook", 1),
    "set_attribute over ours": lambda span: span.set_attribute("ours", "theirs"),
    "set_attribute of nothing": lambda span: span.set_attribute("", object()),  # type: ignore[arg-type]
    "set_attributes": lambda span: span.set_attributes({"a": [1, 2], "b": "x" * 9, "c": (True, None)}),
    "add_event": lambda span: span.add_event("event", {"long": "z" * 9, "n": 1}, 5),
    "add_link": lambda span: span.add_link(SpanContext(1, 2, True), {"l": 1}),
    "update_name": lambda span: span.update_name("renamed"),
    "set_status ok": lambda span: span.set_status(Status(StatusCode.OK)),
    "set_status error": lambda span: span.set_status(StatusCode.ERROR, "said"),
    "record_exception": lambda span: span.record_exception(raised(), {"more": True}, 6),
    "with": lambda span: span.__exit__(ValueError, raised(), None),
    "end": lambda span: span.end(SOONER_NS),
    "is_recording": lambda span: None,
    "child": lambda span: trace.set_span_in_context(span, Context()),
}
"""What code of an application may do with the span that is current."""
VALUES = st.one_of(
    st.text(max_size=8),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.just(None),
    st.just(["l", 1]),
    st.just({"in": {"side": 1}}),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["ours", "a", "b", "c", "d", "e", ""]), VALUES, max_size=6)
FOUND = st.dictionaries(
    st.sampled_from(["ours", "f", "g", "h", "i"]),
    st.one_of(st.text(max_size=8), st.integers(0, 5), st.just(("stop",))),
    max_size=5,
)
SAMPLERS = st.sampled_from(
    [
        None,
        ALWAYS_ON,
        ALWAYS_OFF,
        StaticSampler(Decision.RECORD_ONLY),
        TraceIdRatioBased(0.5),
        ParentBased(TraceIdRatioBased(0.0)),
        ParentBased(ALWAYS_ON, local_parent_sampled=ALWAYS_OFF, remote_parent_not_sampled=ALWAYS_ON),
        ParentBased(ALWAYS_OFF, local_parent_sampled=TraceIdRatioBased(1.0)),
        AlwaysRecordSampler(ALWAYS_OFF),
    ]
)
UNSET = SpanLimits.UNSET
LIMITS = st.one_of(
    st.none(),
    st.builds(
        SpanLimits,
        max_span_attributes=st.sampled_from([UNSET, 0, 1, 4, 7, 128]),
        max_events=st.sampled_from([UNSET, 0, 1, 128]),
        max_links=st.sampled_from([UNSET, 0, 128]),
        max_event_attributes=st.sampled_from([UNSET, 1, 128]),
        max_span_attribute_length=st.sampled_from([UNSET, UNSET, None, 3]),
        max_attribute_length=st.sampled_from([None, None, 2]),
    ),
)
BOOLEANS = st.booleans()
PARENTS = st.one_of(
    st.just(Context()),
    st.just(Context({"other": 1})),
    st.builds(parent, remote=BOOLEANS, sampled=BOOLEANS, state=BOOLEANS, random=BOOLEANS),
)


@dataclass(frozen=True)
class Life:
    """What becomes of one span: where it starts and with what, what is done to it before its end and after."""

    outside: Context
    attributes: dict[str, Any]
    operations: list[str]
    found: dict[str, Any]
    later: float | None
    late: list[str]
    failed: bool


def lived(made: Made, life: Life, *, lean: bool) -> tuple[list[dict[str, Any]], list[object]]:
    """The ended spans of one life, and what could be seen on the way."""
    seen: list[object] = []
    with made.starter(lean=lean) as (starter, ended):
        span = starter.start("call", life.outside, SpanKind.CLIENT, dict(life.attributes), BEGUN_NS)
        assert lean or not isinstance(span, Lean)
        seen += [span.get_span_context(), isinstance(span, SdkSpan)]
        for position, name in enumerate((*life.operations, None, *life.late)):
            if name is None:
                later = None if life.later is None else partial(dict[str, Any].update, reckoned=life.later)
                finish(span, dict(life.found), failed=life.failed, end_ns=ENDED_NS, later=later)
            else:
                OPERATIONS[name](span)
            seen.append((position, span.is_recording()))
            if name is not None and isinstance(span, SdkSpan):
                seen.append((span.name, span.parent, span.kind, span.start_time, span.end_time is None))
                seen.append((dict(span.attributes or {}), span.status.status_code, len(span.events)))
    return [described(span) for span in ended], seen


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=st.builds(Made, sampler=SAMPLERS, limits=LIMITS, random=BOOLEANS),
    life=st.builds(
        Life,
        outside=PARENTS,
        attributes=ATTRIBUTES,
        operations=st.lists(st.sampled_from(sorted(OPERATIONS)), max_size=4),
        found=FOUND,
        later=st.none() | st.floats(0, 1),
        late=st.lists(st.sampled_from(sorted(OPERATIONS)), max_size=2),
        failed=BOOLEANS,
    ),
)
def test_a_lean_span_ends_as_the_full_one_would(caplog: pytest.LogCaptureFixture, made: Made, life: Life) -> None:
    told = []
    for lean in (False, True):
        caplog.clear()
        spans = lived(made, life, lean=lean)
        warnings = sorted(record.getMessage() for record in caplog.records)
        told.append((*spans, warnings))
    assert told[0] == told[1]


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
