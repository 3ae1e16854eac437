"""Export requests as senders make them, each span and log record with a number of its own."""

from collections.abc import Iterable

from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START_NS = 1_793_491_200 * 10**9
NAME_AS_NUMBER = b"\x28\x07"
"""Field 5 of a span, its name, as a varint: protobuf skips what has another type than expected, ClickHouse refuses."""
TRACES_GARBAGE = b"\x0a\x05\x0a\xff\xff\xff\xff"
"""Framed like a request, and none: neither protobuf nor ClickHouse decodes it."""


def spans(numbers: Iterable[int]) -> ExportTraceServiceRequest:
    """One span a number: trace and span id are the number."""
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = "app"
    for number in numbers:
        span = scope_spans.spans.add(name=f"chat {number}", kind=3)
        span.trace_id, span.span_id = number.to_bytes(16), number.to_bytes(8)
        span.start_time_unix_nano = START_NS + number * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 5_000_000
        attribute = span.attributes.add(key="gen_ai.operation.name")
        attribute.value.string_value = "chat"
    return request


def with_odd_field(number: int) -> bytes:
    """A request of one span that has a field of the wrong type."""
    span = spans([number]).resource_spans[0].scope_spans[0].spans[0].SerializeToString() + NAME_AS_NUMBER
    for tag in (0x12, 0x12, 0x0A):  # spans, scope_spans, resource_spans
        assert len(span) < 16384
        length = bytes([len(span)]) if len(span) < 128 else bytes([len(span) & 127 | 128, len(span) >> 7])
        span = bytes([tag]) + length + span
    return span


def log_records(numbers: Iterable[int]) -> ExportLogsServiceRequest:
    """One log record a number: its event is called by it."""
    request = ExportLogsServiceRequest()
    scope_logs = request.resource_logs.add().scope_logs.add()
    for number in numbers:
        scope_logs.log_records.add(time_unix_nano=START_NS + number, event_name=f"event {number}")
    return request


def points(count: int) -> ExportMetricsServiceRequest:
    """A gauge of so many points."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    for number in range(count):
        metric.gauge.data_points.add(as_int=number)
    return request


def stored_spans(client: Client) -> list[int]:
    """Numbers of all span rows, not deduplicated."""
    rows = client.query("SELECT reinterpretAsUInt64(reverse(unhex(span_id))) AS number FROM spans ORDER BY number")
    return [row[0] for row in rows.result_rows]
