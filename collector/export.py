"""The three exports of OTLP, as data: what each is called and made of, and what of it cannot be stored."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from thinkmeter.collector.item_lengths import longest_item
from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.segment import Signal

FIELD_1: Final = 0x0A
"""On the wire: field 1, length-delimited, which is all that an export request is made of."""
NO_TRACE_ID: Final = bytes(16)
NO_SPAN_ID: Final = bytes(8)

EXPLANATIONS: Final = {
    Reason.INVALID_ID: "trace_id must have 16 bytes and span_id 8, not all of them zero",
    Reason.TOO_MANY_ATTRIBUTES: "more attributes than collector.max_attributes allows",
    Reason.ATTRIBUTE_TOO_LONG: "an attribute longer than collector.max_attribute_bytes allows",
    Reason.NOT_STORED: "thinkmeter stores traces and logs, not metrics: stop exporting metrics to this endpoint",
}


Pruned = tuple[int, Mapping[Reason, int], Mapping[str, int]]

AHEAD_NS: Final = 3600 * 10**9
OLD_NS: Final = 365 * 86_400 * 10**9
"""A span that ended later than so long after its receipt, or earlier than so long before, has a clock that is wrong."""


class Limits(NamedTuple):
    """How much one span or log record may hold.

    Attributes:
        attributes: how many attributes.
        attribute_bytes: length of one attribute, name and value.
    """

    attributes: int
    attribute_bytes: int


UNLIMITED: Final = Limits(2**31, 2**31)


class Checked(NamedTuple):
    """An export request that protobuf has read.

    Attributes:
        body: what can be stored of it; the bytes that came, where that is all.
        items: spans or log records in it.
        rejected: items that were taken out, by reason.
        odd: items whose clock seems wrong, by kind: `ahead`, `old`, `reversed`.
    """

    body: bytes
    items: int
    rejected: Mapping[Reason, int]
    odd: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Export:
    """One kind of export.

    Attributes:
        name: as in the path `/v1/{name}`.
        items: what it carries, in the plural.
        service: full name of its gRPC service.
        request: its message.
        response: the message that answers it.
        rejected_field: of `partial_success`, the number of items that were not taken.
        signal: the kind of segment that it goes to; None if it is not stored.
        prune: takes out of a request what cannot be stored; the items that were in it, the rejected by reason and
            the odd by kind.
    """

    name: str
    items: str
    service: str
    request: type[Message]
    response: type[Message]
    rejected_field: str
    signal: Signal | None
    prune: Callable[[Any, Limits], Pruned]

    def check(self, body: bytes, limits: Limits = UNLIMITED) -> Checked:
        """Read a request and take out of it what cannot be stored, or is beyond the limits.

        Raises:
            Refused: the bytes are no such message.
        """
        try:
            request = self.request.FromString(body)
        except DecodeError as error:
            problem = str(error).rpartition(": ")[2]
            raise Refused(Reason.MALFORMED, f"the body is no {self.request.__name__}: {problem}") from None
        if len(body) <= limits.attribute_bytes or longest_item(body) <= limits.attribute_bytes:
            limits = limits._replace(attribute_bytes=UNLIMITED.attribute_bytes)
        count, rejected, odd = self.prune(request, limits)
        items = count - sum(rejected.values())
        if items and (rejected or not _only_field_1(body)):
            body = _rewritten(request)
        return Checked(body, items, rejected, odd)

    def reply(self, rejected: Mapping[Reason, int]) -> Message:
        """The answer to a request of which these items were not taken."""
        response = self.response()
        if rejected:
            partial_success: Any = response.partial_success  # type: ignore[attr-defined]  # all three have it
            setattr(partial_success, self.rejected_field, sum(rejected.values()))
            partial_success.error_message = "; ".join(
                f"{self.items} rejected: {count}, {EXPLANATIONS[reason]}" for reason, count in rejected.items()
            )
        return response


def _only_field_1(body: bytes) -> bool:
    """Whether a message that protobuf has read consists of field 1 alone, as an export request should.

    Other fields, of a later OTLP or of nobody, would mean something else in a segment.
    """
    position = 0
    while position < len(body):
        if body[position] != FIELD_1:
            return False
        position += 1
        length = shift = 0
        while True:
            byte = body[position]
            position += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        position += length
    return position == len(body)


def _rewritten(request: Message) -> bytes:
    """What is left of a request: field 1, with everything unknown inside it."""
    (name,) = [field.name for field in request.DESCRIPTOR.fields]
    clean: Any = type(request)()
    getattr(clean, name).MergeFrom(getattr(request, name))
    return bytes(clean.SerializeToString())


def _beyond(item: Any, limits: Limits) -> Reason | None:
    """Which limit a span or log record is beyond."""
    attributes = item.attributes
    if len(attributes) > limits.attributes:
        return Reason.TOO_MANY_ATTRIBUTES
    longest = limits.attribute_bytes
    if longest < UNLIMITED.attribute_bytes and item.ByteSize() > longest:
        if any(attribute.ByteSize() > longest for attribute in attributes):
            return Reason.ATTRIBUTE_TOO_LONG
    return None


def _prune_spans(request: ExportTraceServiceRequest, limits: Limits) -> Pruned:
    count = 0
    odd: Counter[str] = Counter()
    now = time.time_ns()
    most, large = limits.attributes, limits.attribute_bytes < UNLIMITED.attribute_bytes
    oldest, latest = now - OLD_NS, now + AHEAD_NS
    rejected: Counter[Reason] = Counter()
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = scope_spans.spans
            count += len(spans)
            bad = []
            for position, span in enumerate(spans):
                trace_id, span_id = span.trace_id, span.span_id
                if len(trace_id) != 16 or len(span_id) != 8 or trace_id == NO_TRACE_ID or span_id == NO_SPAN_ID:
                    rejected[Reason.INVALID_ID] += 1
                    bad.append(position)
                    continue
                if (large or len(span.attributes) > most) and (reason := _beyond(span, limits)):
                    rejected[reason] += 1
                    bad.append(position)
                    continue
                start, end = span.start_time_unix_nano, span.end_time_unix_nano
                if not oldest < start <= end < latest:
                    odd["reversed" if end < start else "ahead" if end >= latest else "old"] += 1
            for position in reversed(bad):
                del spans[position]
    return count, rejected, odd


def _prune_log_records(request: ExportLogsServiceRequest, limits: Limits) -> Pruned:
    count = 0
    rejected: Counter[Reason] = Counter()
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            records = scope_logs.log_records
            count += len(records)
            for position in reversed(range(len(records))):
                if reason := _beyond(records[position], limits):
                    rejected[reason] += 1
                    del records[position]
    return count, rejected, {}


def _prune_metrics(request: ExportMetricsServiceRequest, limits: Limits) -> Pruned:
    points = 0
    for resource_metrics in request.resource_metrics:
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                points += len(getattr(metric, kind).data_points) if kind else 0
    return points, {Reason.NOT_STORED: points} if points else {}, {}


TRACES: Final = Export(
    "traces",
    "spans",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
    "rejected_spans",
    Signal.TRACES,
    _prune_spans,
)
LOGS: Final = Export(
    "logs",
    "log records",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
    "rejected_log_records",
    Signal.LOGS,
    _prune_log_records,
)
METRICS: Final = Export(
    "metrics",
    "metric points",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
    "rejected_data_points",
    None,
    _prune_metrics,
)
EXPORTS: Final = (TRACES, LOGS, METRICS)
