"""A sample of OTLP that speaks every dialect and holds every kind of value, to see that a store decodes it right."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from thinkmeter.collector.dialects import DIALECTS, UNCLAIMED
from thinkmeter.collector.dialects.fields import NUMBERS
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.segment import Signal, body_of, frame
from thinkmeter.schema import attributes as a

PROJECT: Final = "canary"
RECEIVED: Final = 1_790_000_000 * 10**9
ODD_VALUES: Final[Mapping[str, Any]] = {
    "odd.text": 'quotes " \\ / \n \x01 \u2028 and ümläut 🌍',
    "odd.number": -0.1,
    "odd.large": 1.5e300,
    "odd.flag": True,
    "odd.none": None,
    "odd.list": ["a/b", "c", None],
    "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]',
    "gen_ai.output.messages": '[{"parts": [{"type": "reasoning", "content": "hm"}]}]',
    "ai.response.reasoning": "hm",
    "output.value": '{"content": [{"thinking": "hm", "type": "thinking"}]}',
}
DEEP_VALUES: Final[Mapping[str, Any]] = {
    "odd.bytes": b"\x00\xff",
    "odd.mixed": [1, 2.5, False, b"x", None],
    "odd.numbers": ["one", 2],
    "odd.nested": [1, [3, [4]]],
    "odd.maps": [{"a": 1}],
    "odd.map": {"list": [1, "two"], "map": {"deep": 1}},
}


def sample(signal: Signal, flat: bool = False) -> list[bytes]:
    """Frames of two requests of two projects, perhaps flat ones."""
    odd = ODD_VALUES if flat else {**ODD_VALUES, **DEEP_VALUES}
    body = _traces(odd) if signal is Signal.TRACES else _logs(odd)
    return [frame(body, project, RECEIVED) for project in (PROJECT, PROJECT + " 2")]


def deep_sample() -> tuple[bytes, set[str]]:
    """A frame of spans that hold something deep in one place each, and one that does not; the names of the former."""
    request = ExportTraceServiceRequest()
    named = set()
    for place in ("", "resource", "span", "event"):
        for key, value in DEEP_VALUES.items() if place else [("flat", None)]:
            resource_spans = request.resource_spans.add()
            span = resource_spans.scope_spans.add().spans.add()
            span.name = f"{place} {key}"
            event = span.events.add()
            places = {"resource": resource_spans.resource.attributes, "span": span.attributes}
            for other in ("resource", "span", "event"):
                told = {**ODD_VALUES, key: value} if other == place else ODD_VALUES
                _fill(places.get(other, event.attributes), told)
            if place:
                named.add(span.name)
    return frame(request.SerializeToString(), PROJECT, RECEIVED), named


def difference(
    client: Client, signal: Signal, tables: Mapping[str, str], privacy: Privacy = NOTHING_KEPT, flat: bool = False
) -> str:
    """Where the rows of some tables are not the ones that the reference decoder makes of the sample; '' if alike."""
    expected: dict[str, list[Row]] = {table: [] for table in tables}
    for part in sample(signal, flat):
        made = decode(signal, *body_of(part), privacy)
        for table in tables:
            expected[table] += made[table]
    for table, rows in expected.items():
        found = in_order(stored(client, tables[table]))
        if len(found) != len(rows):
            return f"{len(found)} rows of {table} instead of {len(rows)}"
        for row, right in zip(found, in_order(rows), strict=True):
            for column, value in right.items():
                if row[column] != value:
                    return f"{table}.{column} of {right['span_id']} is {row[column]!r} instead of {value!r}"
    return ""


def stored(client: Client, table: str) -> list[Row]:
    """Rows of a table as `decode` makes them: times in nanoseconds, and of equal keys of a map the first."""
    described = client.query("DESCRIBE TABLE {table:Identifier}", parameters={"table": table}).result_rows
    columns = [_as_decoded(name, kind) for name, kind, *_ in described if name != "inserted"]
    return list(client.query(f"SELECT {', '.join(columns)} FROM {table} AS t").named_results())


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order that does not depend on how they were stored."""
    return sorted(rows, key=lambda row: [str(row[column]) for column in sorted(row)])


def _as_decoded(name: str, kind: str) -> str:
    if kind.startswith("DateTime64(9"):
        return f"toUnixTimestamp64Nano(t.{name}) AS {name}"
    if kind.startswith("Array(DateTime64(9"):
        return f"arrayMap(at -> toUnixTimestamp64Nano(at), t.{name}) AS {name}"
    if kind.startswith("Map("):
        return f"{_first_of_each(f't.{name}')} AS {name}"
    if kind.startswith("Array(Map("):
        return f"arrayMap(m -> {_first_of_each('m')}, t.{name}) AS {name}"
    return f"t.{name} AS {name}"


def _first_of_each(of: str) -> str:
    keys = f"arrayDistinct(mapKeys({of})::Array(String))"
    return f"mapFromArrays({keys}, arrayMap(key -> {of}[key], {keys}))"


def _traces(odd: Mapping[str, Any]) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    _fill(resource_spans.resource.attributes, {a.SERVICE_NAME: "canary", a.ENVIRONMENT: "test", **odd})
    # every dialect twice, the second time without a count above 0, beside thinking that is shown
    told = [(dialect, least) for least in (1, 0) for dialect in (*DIALECTS, UNCLAIMED)]
    for number, (dialect, least) in enumerate(told, 1):
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = f"{dialect.scopes[0]}" if dialect.scopes else "some.scope"
        scope_spans.scope.version = "1.0"
        span = scope_spans.spans.add()
        span.trace_id = number.to_bytes(16, "big")
        span.span_id = number.to_bytes(8, "big")
        span.parent_span_id = bytes(8)
        span.name = f"canary {number}"
        span.kind = cast(Any, number)
        span.trace_state = "vendor=x,ot=th:8;rv:0"
        span.start_time_unix_nano = RECEIVED - number * 10**9 if number != 3 else 0
        span.end_time_unix_nano = RECEIVED + 1
        span.status.code = cast(Any, 2)
        span.status.message = "it failed"
        said = {
            name: place * least + least if field in NUMBERS else f"{field} {place}"
            for field, names in dialect.names.items()
            for place, name in enumerate(names)
        }
        said |= {mark: "chat" for mark in dialect.marks if mark not in said}
        said |= {"llm.invocation_parameters": '{"reasoning": {"effort": "high"}, "thinking": {"budget_tokens": 1024}}'}
        _fill(span.attributes, {**said, "server.address": "api.x.ai", "gen_ai.system": "openai", **odd})
        for kind in ("verifier", "ground_truth"):
            event = span.events.add()
            event.name = a.EVALUATION_EVENT
            event.time_unix_nano = RECEIVED
            _fill(event.attributes, _evaluation(kind))
        event = span.events.add()
        event.name = "gen_ai.user.message"
        _fill(event.attributes, {"content": "hello", "gen_ai.system": "openai"})
        event = span.events.add()
        event.name = "gen_ai.choice"
        _fill(event.attributes, {"message": '{"reasoning_content": "hm"}', "gen_ai.system": "openai"})
        event = span.events.add()
        event.name = "exception"
        _fill(event.attributes, {"exception.type": "CanaryError", **odd})
    return request.SerializeToString()


def _logs(odd: Mapping[str, Any]) -> bytes:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    _fill(resource_logs.resource.attributes, {a.SERVICE_NAME: "canary", "deployment.environment": "test"})
    scope_logs = resource_logs.scope_logs.add()
    scope_logs.scope.name = "canary"
    for number, kind in enumerate(("verifier", "ground_truth", "other", "content"), 1):
        record = scope_logs.log_records.add()
        record.time_unix_nano = RECEIVED - number if number != 1 else 0
        record.observed_time_unix_nano = RECEIVED
        record.severity_number = cast(Any, 9)
        record.trace_id = number.to_bytes(16, "big")
        record.span_id = number.to_bytes(8, "big")
        record.event_name = a.EVALUATION_EVENT if number == 1 else ""
        record.body.CopyFrom(_value([{"parts": [{"content": "nested"}]}, *odd.values()]))
        name = {2: a.EVALUATION_EVENT, 4: "gen_ai.user.message"}.get(number, "other")
        _fill(record.attributes, {"event.name": name, **_evaluation(kind), **odd})
    return request.SerializeToString()


def _evaluation(kind: str) -> dict[str, Any]:
    return {
        a.EVALUATION_NAME: "orm",
        a.EVALUATION_KIND: kind,
        a.EVALUATION_SCORE_VALUE: 0.25,
        a.VERDICT_THRESHOLD: "0.2",
        a.EVALUATION_EXPLANATION: "since it is so",
        a.VERIFIER_VERSION: "2",
        a.LABEL_SOURCE: "Human",
        a.LABEL_BY: "dana",
        a.LABEL_SAMPLING_PROBABILITY: 0.5,
        a.REQUEST_ID: "request",
        a.ATTEMPT: 2,
        a.SAMPLE: 0,
        a.RESPONSE_ID: "response",
    }


def _fill(attributes: Any, values: Mapping[str, Any]) -> None:
    attributes.extend(KeyValue(key=key, value=_value(value)) for key, value in values.items())


def _value(value: Any) -> AnyValue:
    made = AnyValue()
    match value:
        case None:
            pass
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.values.extend(map(_value, value))
        case dict():
            made.kvlist_value.values.extend(KeyValue(key=key, value=_value(item)) for key, item in value.items())
    return made
