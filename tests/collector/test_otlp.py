"""OTLP/JSON becomes the same messages that protobuf's own mapping makes, and errors name the place."""

import base64
import json
import math
from typing import Any, TypeVar

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from thinkmeter.collector.otlp import protobuf_from_json
from thinkmeter.collector.refusal import Reason, Refused

M = TypeVar("M", bound=Message)
int64 = st.integers(-(2**63), 2**63 - 1)
uint64 = st.integers(0, 2**64 - 1)
text = st.text(max_size=12)
values = st.recursive(
    st.one_of(
        st.builds(lambda v: AnyValue(string_value=v), text),
        st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
        st.builds(lambda v: AnyValue(int_value=v), int64),
        st.builds(lambda v: AnyValue(double_value=v), st.floats(allow_nan=False)),
        st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=9)),
        st.just(AnyValue()),
    ),
    lambda inner: st.one_of(
        st.builds(lambda v: AnyValue(array_value=ArrayValue(values=v)), st.lists(inner, max_size=3)),
        st.builds(
            lambda v: AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=k, value=x) for k, x in v.items()])),
            st.dictionaries(text, inner, max_size=3),
        ),
    ),
    max_leaves=6,
)
attributes = st.lists(st.builds(lambda k, v: KeyValue(key=k, value=v), text, values), max_size=3)
trace_ids = st.binary(min_size=16, max_size=16)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.sampled_from([b"", b"\1" * 8]),
    name=text,
    kind=st.sampled_from(Span.SpanKind.values()),
    start_time_unix_nano=uint64,
    flags=st.integers(0, 2**32 - 1),
    attributes=attributes,
    events=st.lists(st.builds(Span.Event, time_unix_nano=uint64, attributes=attributes), max_size=2),
    links=st.lists(st.builds(Span.Link, trace_id=trace_ids), max_size=1),
    status=st.builds(Status, code=st.integers(0, 2), message=text),
)


@st.composite
def trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(draw(attributes))
    resource_spans.scope_spans.add().spans.extend(draw(st.lists(spans, max_size=3)))
    return request


def message_from_json(body: bytes, empty: M) -> M:
    """The message that the bytes made from JSON are."""
    message = type(empty)()
    message.ParseFromString(protobuf_from_json(body, type(empty)))
    return message


def otlp_json(message: Any, **options: Any) -> bytes:
    """As protobuf's own printer writes it, with the ids in hexadecimal as OTLP wants them."""

    def hexadecimal(value: Any) -> Any:
        if isinstance(value, list):
            return [hexadecimal(part) for part in value]
        if not isinstance(value, dict):
            return value
        ids = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}
        return {k: base64.b64decode(v).hex() if k in ids else hexadecimal(v) for k, v in value.items()}

    return orjson.dumps(hexadecimal(json.loads(json_format.MessageToJson(message, **options))))


@pytest.mark.parametrize("camel_case", [True, False])
@pytest.mark.parametrize("enum_numbers", [True, False])
@given(request=trace_requests())
def test_what_protobuf_prints_is_read_back(
    camel_case: bool, enum_numbers: bool, request: ExportTraceServiceRequest
) -> None:
    body = otlp_json(request, preserving_proto_field_name=not camel_case, use_integers_for_enums=enum_numbers)
    assert message_from_json(body, ExportTraceServiceRequest()) == request


@given(values)
def test_a_value_is_read_as_protobuf_reads_it(value: AnyValue) -> None:
    printed = json_format.MessageToJson(value).encode()
    assert message_from_json(printed, AnyValue()) == json_format.Parse(printed, AnyValue())


names = st.sampled_from(
    ["resourceSpans", "scopeSpans", "spans", "name", "traceId", "kind", "attributes", "value", "intValue", "arrayValue"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        request = message_from_json(orjson.dumps(value), ExportTraceServiceRequest())
    except (Refused, DecodeError):  # the door refuses both
        return
    assert ExportTraceServiceRequest.FromString(request.SerializeToString()) == request


def one_span(**fields: Any) -> bytes:
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}, fields]}]}]})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"traceId": "xyz"}, 'traceId: hexadecimal digits are expected, not "xyz"'),
        ({"traceId": 5}, "traceId: a string is expected, not 5"),
        ({"kind": "SPAN_KIND_ODD"}, 'kind: a name or number of SpanKind is expected, not "SPAN_KIND_ODD"'),
        ({"startTimeUnixNano": "soon"}, 'startTimeUnixNano: an integer is expected, not "soon"'),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano: an integer is expected, not 1.5"),
        ({"startTimeUnixNano": -1}, "startTimeUnixNano: an integer from 0 to 18446744073709551615 is"),
        ({"name": ["a"]}, "name: a string is expected, not an array"),
        ({"events": {}}, "events: an array is expected, not an object"),
        ({"events": [{}, 7]}, "events[1]: an object is expected, not 7"),
        ({"attributes": [{"value": {"boolValue": "yes"}}]}, "attributes[0].value.boolValue: true or false is expected"),
        ({"attributes": [{"value": {"doubleValue": "much"}}]}, "attributes[0].value.doubleValue: a number is expected"),
        ({"attributes": [{"value": {"bytesValue": "§"}}]}, "attributes[0].value.bytesValue: base64 is expected"),
    ],
)
def test_errors_name_the_place(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(Refused) as refused:
        message_from_json(one_span(**fields), ExportTraceServiceRequest())
    assert str(refused.value).startswith(f"resourceSpans[0].scopeSpans[0].spans[1].{problem}")
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not JSON"),
        (b'{"resourceSpans": [', "the body is not JSON"),
        (b'{"resourceSpans": "\xff"}', "the body is not JSON"),
        (b"[]", "the body: an object is expected, not an array"),
        (b"null", "the body: an object is expected, not null"),
        (b"[" * 100_000 + b"]" * 100_000, "the body is not JSON"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        message_from_json(body, ExportTraceServiceRequest())


@pytest.mark.parametrize(("levels", "problem"), [(60, DecodeError), (150, DecodeError), (500, Refused)])
def test_nesting_ends_where_protobuf_ends_it(levels: int, problem: type[Exception]) -> None:
    value = '{"arrayValue": {"values": [' * levels + "{}" + "]}}" * levels
    body = one_span(attributes=[{"key": "k", "value": 1}]).replace(b'"value":1', b'"value":' + value.encode())
    with pytest.raises(problem):
        message_from_json(body, ExportTraceServiceRequest())


def test_numbers_may_be_text_and_unknown_fields_are_ignored() -> None:
    body = one_span(
        traceId="0AF7651916CD43DD8448EB211C80319C",
        kind="3",
        startTimeUnixNano="1760000000000000001",
        endTimeUnixNano=1760000000000000002,
        flags=256.0,
        mood="curious",
        status=None,
        attributes=[
            {"key": "a", "value": {"intValue": 7, "tomorrow": {}}},
            {"key": "b", "value": {"doubleValue": "NaN"}},
            {"key": "c", "value": {"doubleValue": "-1e3"}},
            {"key": "d", "value": {"bytesValue": "_-8"}},
        ],
    )
    span = message_from_json(body, ExportTraceServiceRequest()).resource_spans[0].scope_spans[0].spans[1]
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert (span.kind, span.flags) == (3, 256)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1760000000000000001, 1760000000000000002)
    a, b, c, d = (attribute.value for attribute in span.attributes)
    assert (a.int_value, c.double_value, d.bytes_value) == (7, -1000.0, b"\xff\xef")
    assert math.isnan(b.double_value)


def test_logs_and_metrics_are_read_alike() -> None:
    record = {"timeUnixNano": "5", "severityNumber": "SEVERITY_NUMBER_INFO", "body": {"stringValue": "hi"}}
    logs = message_from_json(
        orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}), ExportLogsServiceRequest()
    )
    assert logs.resource_logs[0].scope_logs[0].log_records[0].severity_number == 9
    point = {"asInt": "4", "explicitBounds": [1, 2.5], "bucketCounts": ["1", 2]}
    metrics = message_from_json(
        orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"histogram": {"dataPoints": [point]}}]}]}]}),
        ExportMetricsServiceRequest(),
    )
    (read,) = metrics.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points
    assert list(read.explicit_bounds) == [1.0, 2.5]
    assert list(read.bucket_counts) == [1, 2]
