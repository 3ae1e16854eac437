"""The decoding in plain Python, from the same table of dialects: what ClickHouse's views are checked against.

It also inserts: small segments, for which a store's plan costs more than the decoding, and where the store cannot
decode at all or refuses bytes that Python can read.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from thinkmeter.collector import evaluations, instants, view
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.dialects.meaning import Said, count, first_of_each, lower, number
from thinkmeter.collector.dialects.shown import Attributes
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.value import attributes_of, json_string, text_of
from thinkmeter.collector.wire import EVENT_DEPTH, LOG_DEPTH, RESOURCE_DEPTH, SPAN_DEPTH
from thinkmeter.schema import attributes as a
from thinkmeter.schema.errors import PermanentError

Row = dict[str, Any]
"""Columns of a table by name. Times are nanoseconds since 1970, as the client of the store takes them."""

TABLES: Final = {
    Signal.TRACES: ("spans", "verdicts", "labels"),
    Signal.LOGS: ("log_records", "verdicts", "labels"),
}
"""What each signal fills."""


def decode(
    signal: Signal, body: bytes, project: str, received_unix_nano: int, privacy: Privacy = NOTHING_KEPT
) -> dict[str, list[Row]]:
    """Rows of each table that an export request makes, without the content that is not kept.

    Raises:
        PermanentError: the body is no such request.
    """
    rows: dict[str, list[Row]] = {table: [] for table in TABLES[signal]}
    try:
        made = (_of_traces if signal is Signal.TRACES else _of_logs)(body, project, received_unix_nano, privacy)
        for table, row in made:
            rows[table].append(row)
    except DecodeError as error:
        raise PermanentError(f"not an OTLP export request of {signal}: {error}") from None
    return rows


def _of_traces(body: bytes, project: str, received: int, privacy: Privacy) -> Iterator[tuple[str, Row]]:
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = first_of_each(_texts(resource_spans.resource.attributes, RESOURCE_DEPTH, privacy))
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                row, said = _span(span, scope_spans.scope, resource, received, privacy)
                yield "spans", {"project": project, **row, **_kept(row, span, said, project, privacy)}
                for event in span.events:
                    if event.name == a.EVALUATION_EVENT:
                        own = _texts(event.attributes, EVENT_DEPTH, privacy)
                        inherited = [(name, value) for name, value in said.attributes if name in evaluations.INHERITED]
                        time = _first_time(received, event.time_unix_nano, *_times(span))
                        yield _evaluation([*own, *inherited], row, time, project)


def _of_logs(body: bytes, project: str, received: int, privacy: Privacy) -> Iterator[tuple[str, Row]]:
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        resource = first_of_each(_texts(resource_logs.resource.attributes, RESOURCE_DEPTH, privacy))
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                attributes = _texts(record.attributes, LOG_DEPTH, privacy)
                row = _record(record, attributes, scope_logs.scope, resource, received, privacy)
                texts = [value for _, value in attributes]
                kept = {
                    "attributes": privacy.attributes(project, row["attributes"], texts),
                    "body": privacy.body(project, row["event_name"], row["body"], texts),
                }
                yield "log_records", {"project": project, **row, **kept}
                if row["event_name"] == a.EVALUATION_EVENT:
                    yield _evaluation(attributes, row, row["time"], project)


def _kept(row: Row, span: Span, said: Said, project: str, privacy: Privacy) -> Row:
    """The columns of a span that hold what anyone may put there, without the content that is not kept."""
    return {
        "attributes": privacy.attributes(project, row["attributes"], [value for _, value in said.attributes]),
        "event_attributes": [
            privacy.event(
                project, event.name, told, [value for _, value in _texts(event.attributes, EVENT_DEPTH, privacy)]
            )
            for event, told in zip(span.events, row["event_attributes"], strict=True)
        ],
    }


def _texts(pairs: Iterable[KeyValue], depth: int, privacy: Privacy) -> list[tuple[str, str]]:
    attributes = attributes_of(pairs, depth)
    return [(name, privacy.redacted(value)) for name, value in attributes] if privacy.redact else attributes


def _span(
    span: Span, scope: InstrumentationScope, resource: dict[str, str], received: int, privacy: Privacy
) -> tuple[Row, Said]:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    told = [(event.name, _texts(event.attributes, EVENT_DEPTH, privacy)) for event in span.events]
    said = Said(scope.name, _texts(span.attributes, SPAN_DEPTH, privacy), failed, told)
    usage = said.usage
    start, end = _times(span)
    time = _first_time(received, start, end)
    lasted = _is_time(start, received) and _is_time(end, received) and end > start
    tier, attempt = said.count("tier"), said.count("attempt")
    answer_s = said.number("time_to_first_answer_s")
    events = [first_of_each(attributes) for _, attributes in told]
    return {
        "received": received,
        "trace_id": _id(span.trace_id),
        "span_id": _id(span.span_id),
        "parent_span_id": _id(span.parent_span_id),
        "trace_state": span.trace_state,
        "name": span.name,
        "kind": _enumerated(span.kind, view.SPAN_KINDS),
        "time": time,
        "duration_ns": end - start if lasted else 0,
        "status": _enumerated(span.status.code, view.STATUSES),
        "status_message": privacy.redacted(span.status.message),
        "scope_name": scope.name,
        "scope_version": scope.version,
        **_resource_columns(resource),
        "dialect": said.dialect.name,
        "span_class": said.span_class,
        "operation": said.operation,
        "provider": said.provider,
        **{field: said.text(field) for field in f.VERBATIM if field != "effort"},
        "error_type": _error_type(span, said, events),
        "tier": tier if tier in (1, 2, 3) else None,
        "attempt": attempt or None,
        "sample": said.count("sample"),
        "service_tier": said.parameter("service_tier"),
        "effort": said.parameter("effort"),
        "budget_tokens": said.parameter_count("budget_tokens"),
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "output_tokens": usage.output_tokens,
        "thinking_tokens": usage.thinking_tokens,
        "thinking_source": usage.thinking_source,
        "reported_cost_usd": said.reported_cost_usd,
        "time_to_first_chunk_ms": _first_chunk_ms(span, said, received),
        "time_to_first_answer_ms": None if answer_s is None else answer_s * 1000,
        "finish_reason": said.finish_reason,
        "sampling_probability": _kept_share(said.number("sampling_probability"), span.trace_state),
        "attributes": _marked(said.kept, _odd(span, said, received)),
        "event_times": [_first_time(time, event.time_unix_nano, received=received) for event in span.events],
        "event_names": [event.name for event in span.events],
        "event_attributes": events,
    }, said


def _odd(span: Span, said: Said, received: int) -> str:
    """The kinds of oddity of a span, between commas."""
    start, end = _times(span)
    timed = _is_time(start, received), _is_time(end, received)
    odd = {
        "count": said.odd_count,
        "duplicate": said.odd_repeat,
        "thinking": said.odd_thinking,
        "time": not timed[0] or (end != 0 and not timed[1]),
        "duration": all(timed) and end < start,
    }
    return ",".join(kind for kind, is_so in odd.items() if is_so)


def _marked(attributes: dict[str, str], odd: str) -> dict[str, str]:
    return {f.ODD: odd, **attributes} if odd else attributes


def _record(
    record: LogRecord,
    attributes: Attributes,
    scope: InstrumentationScope,
    resource: dict[str, str],
    received: int,
    privacy: Privacy,
) -> Row:
    body = privacy.redacted(text_of(record.body, LOG_DEPTH))
    trace_id, span_id = _id(record.trace_id), _id(record.span_id)
    level = record.severity_number
    told = [trace_id, span_id, record.event_name, str(level), record.severity_text, body, scope.name]
    told += [name for name, _ in attributes] + [value for _, value in attributes]
    digest = hashlib.md5(f"[{','.join(map(json_string, told))}]".encode(), usedforsecurity=False).digest()
    return {
        "received": received,
        "time": _first_time(received, record.time_unix_nano, record.observed_time_unix_nano),
        "trace_id": trace_id,
        "span_id": span_id,
        "event_name": record.event_name or _first(attributes, evaluations.EVENT_NAME),
        "severity": record.severity_text or (view.SEVERITIES[(level - 1) // 4] if 1 <= level <= 24 else ""),
        "body": body,
        "scope_name": scope.name,
        **_resource_columns(resource),
        "attributes": first_of_each(attributes),
        "content_hash": int.from_bytes(digest[:8], "big"),
    }


def _evaluation(attributes: Attributes, judged: Row, time: int, project: str) -> tuple[str, Row]:
    """A row of `verdicts` or `labels`."""
    attempt = count(number(_first(attributes, a.ATTEMPT)))
    score = number(_first(attributes, a.EVALUATION_SCORE_VALUE))
    threshold = number(_first(attributes, a.VERDICT_THRESHOLD))
    word = lower(_first(attributes, a.EVALUATION_SCORE_LABEL))
    row: Row = {
        "project": project,
        "received": judged["received"],
        "time": time,
        "request_id": _first(attributes, a.REQUEST_ID),
        "attempt": attempt or None,
        "trace_id": judged["trace_id"],
        "span_id": judged["span_id"],
        "response_id": _first(attributes, a.RESPONSE_ID),
        "explanation": _first(attributes, a.EVALUATION_EXPLANATION),
    }
    reached = None if score is None or threshold is None else score >= threshold
    if _first(attributes, a.EVALUATION_KIND) != "ground_truth":
        return "verdicts", row | {
            "sample": count(number(_first(attributes, a.SAMPLE))),
            "verifier": _first(attributes, a.EVALUATION_NAME),
            "version": _first(attributes, a.VERIFIER_VERSION),
            "score": score,
            "threshold": threshold,
            "passed": True if word in f.PASSED else False if word in f.FAILED else reached,
        }
    if threshold is None and score in (0, 1):
        reached = score == 1
    share = number(_first(attributes, a.LABEL_SAMPLING_PROBABILITY))
    return "labels", row | {
        "correct": True if word in f.CORRECT else False if word in f.INCORRECT else reached,
        "source": lower(_first(attributes, a.LABEL_SOURCE)),
        "labeler": _first(attributes, a.LABEL_BY),
        "sampling_probability": share if share is not None and 0 < share <= 1 else None,
    }


def _error_type(span: Span, said: Said, events: Sequence[dict[str, str]]) -> str:
    if own := said.text("error_type"):
        return own
    if span.status.code != Status.STATUS_CODE_ERROR:
        return ""
    raised = [attributes for event, attributes in zip(span.events, events, strict=True) if event.name == "exception"]
    return (raised[0].get("exception.type") if raised else None) or view.NO_ERROR_TYPE


def _first_chunk_ms(span: Span, said: Said, received: int) -> float | None:
    told_s = said.number("time_to_first_chunk_s")
    if told_s is not None:
        return told_s * 1000
    if (told_ms := said.number("time_to_first_chunk_ms")) is not None:
        return told_ms
    start = span.start_time_unix_nano
    for name in f.FIRST_CHUNK_EVENTS:
        at = next((event.time_unix_nano for event in span.events if event.name == name), 0)
        if at:
            known = _is_time(start, received) and _is_time(at, received)
            return (at - start) / 1_000_000 if known and at > start else None
    return None


def _kept_share(told: float | None, trace_state: str) -> float | None:
    """The probability with which the trace was kept: as told, else from the threshold of a ratio sampler."""
    if told is not None and 0 < told <= 1:
        return told
    if not (dropped := re.search(view.RATIO_SAMPLED.replace("$", r"\Z"), trace_state)):
        return None
    return 1 - int(dropped[1].ljust(14, "0"), 16) / 2**56 or None


def _resource_columns(resource: dict[str, str]) -> Row:
    return {
        "service_name": resource.get(a.SERVICE_NAME, ""),
        "environment": resource.get(a.ENVIRONMENT) or resource.get("deployment.environment", ""),
        "resource_attributes": resource,
    }


def _times(span: Span) -> tuple[int, int]:
    return span.start_time_unix_nano, span.end_time_unix_nano


def _first_time(otherwise: int, *nanos: int, received: int | None = None) -> int:
    """The first that is a time, in nanoseconds; `received` is `otherwise` unless it is given."""
    return next((nano for nano in nanos if _is_time(nano, otherwise if received is None else received)), otherwise)


def _is_time(nano: int, received: int) -> bool:
    return instants.EARLIEST_NANO <= nano <= received + instants.AHEAD_NS


def _id(raw: bytes) -> str:
    return "" if raw in (bytes(8), bytes(16)) else raw.hex()


def _enumerated(code: int, names: Sequence[str]) -> str:
    return names[code] if 0 <= code < len(names) else names[0]


def _first(attributes: Attributes, wanted: str) -> str:
    return next((value for name, value in attributes if name == wanted), "")
