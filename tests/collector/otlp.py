"""Export requests made by naming only what a test is about."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

RECEIVED = 1_795_000_000 * 10**9
SECOND = 10**9


def value(of: Any) -> AnyValue:
    """An OTLP value of a Python one."""
    if isinstance(of, AnyValue):
        return of
    made = AnyValue()
    match of:
        case None:
            pass
        case bool():
            made.bool_value = of
        case int():
            made.int_value = of
        case float():
            made.double_value = of
        case str():
            made.string_value = of
        case bytes():
            made.bytes_value = of
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(value(item) for item in of)
        case dict():
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(pairs(of))
        case _:
            raise TypeError(f"{of!r} has no OTLP form")
    return made


def pairs(of: Mapping[str, Any]) -> list[KeyValue]:
    """OTLP attributes of a mapping."""
    return [KeyValue(key=key, value=value(item)) for key, item in of.items()]


def span(number: int = 1, /, events: Sequence[tuple[str, Mapping[str, Any]]] = (), **attributes: Any) -> Span:
    """A span of two seconds; `__` in a keyword stands for a dot."""
    return span_of({key.replace("__", "."): item for key, item in attributes.items()}, number, events)


def span_of(
    attributes: Mapping[str, Any], number: int = 1, events: Sequence[tuple[str, Mapping[str, Any]]] = ()
) -> Span:
    """A span of two seconds that ended when it was received."""
    made = Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=f"span {number}",
        kind=cast(Any, 3),
        start_time_unix_nano=RECEIVED - 2 * SECOND,
        end_time_unix_nano=RECEIVED,
        attributes=pairs(attributes),
    )
    for name, told in events:
        made.events.append(Span.Event(name=name, time_unix_nano=RECEIVED - SECOND, attributes=pairs(told)))
    return made


def traces(spans: Sequence[Span], scope: str = "some.scope", resource: Mapping[str, Any] | None = None) -> bytes:
    """An export request of spans."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(pairs(resource or {"service.name": "shop"}))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return request.SerializeToString()


def record(attributes: Mapping[str, Any], *, event: str = "", body: Any = None, number: int = 1) -> LogRecord:
    """A log record of a span."""
    return LogRecord(
        time_unix_nano=RECEIVED - SECOND,
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        event_name=event,
        body=value(body),
        attributes=pairs(attributes),
    )


def logs(records: Sequence[LogRecord]) -> bytes:
    """An export request of log records."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.attributes.extend(pairs({"service.name": "shop"}))
    resource_logs.scope_logs.add().log_records.extend(records)
    return request.SerializeToString()
