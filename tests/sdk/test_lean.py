"""A span that is made at its end alone is the span that the OpenTelemetry SDK would have made, field by field."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import (
    Event,
    ReadableSpan,
    SpanLimits,
)
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    AlwaysRecordSampler,
    Decision,
    ParentBased,
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

from tests.sdk.lean import Made
from thinkmeter.sdk.lean import Lean
from thinkmeter.sdk.span import finish

BEGUN_NS = 1_700_000_000_000_000_000
SOONER_NS, ENDED_NS = BEGUN_NS + 5, BEGUN_NS + 1_000_000_000


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
