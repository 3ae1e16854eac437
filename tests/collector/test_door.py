"""What the door takes can be stored; what it does not is told with the reason, and counted by it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.collector.traffic import log_records, points, spans
from tests.waiting import WAIT_S
from thinkmeter.collector.door import JSON, PROTOBUF, Door, Receipt
from thinkmeter.collector.export import LOGS, METRICS, TRACES, UNLIMITED, Export
from thinkmeter.collector.keys import Keys
from thinkmeter.collector.refusal import Deferred, Reason, Refused
from thinkmeter.collector.segment import Signal, body_of
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.telemetry import Telemetry

SETTINGS = CollectorSettings(
    min_free_disk_bytes=0, segment_age_s=0.01, max_decompressed_bytes=100_000, max_inflight_bytes=150_000
)


class Opened:
    """A door with a spool behind it, and what it let in."""

    def __init__(self, directory: Path, settings: CollectorSettings = SETTINGS) -> None:
        self.telemetry = Telemetry()
        self.spool = Spool(directory, settings, self.telemetry)
        self.door = Door(Keys(()), self.spool, settings, self.telemetry)

    def accept(self, export: Export, body: bytes, content_type: str = PROTOBUF, project: str = "p") -> Receipt:
        with self.door.room() as room:
            receipt = self.door.accept(export, body, content_type, "", project, room)
            if receipt.stored is not None:
                receipt.stored.result(WAIT_S)
        return receipt

    def let_in(self, signal: Signal = Signal.TRACES) -> tuple[bytes, str]:
        segment = self.spool.take(signal)
        assert segment is not None
        (frame,) = segment.read().frames
        self.spool.remove(signal, segment)
        return body_of(frame)[:2]

    def count(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(f"thinkmeter_collector_{name}_total", labels)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    door = Opened(tmp_path / "spool")
    yield door
    door.spool.close()


def test_a_request_goes_in_byte_by_byte(opened: Opened) -> None:
    body = spans(range(1, 4)).SerializeToString()
    receipt = opened.accept(TRACES, body)
    assert (receipt.accepted, receipt.rejected) == (3, {})
    assert opened.let_in() == (body, "p")
    assert opened.count("received_items", signal="traces") == opened.count("accepted_items", signal="traces") == 3


def test_logs_go_in(opened: Opened) -> None:
    body = log_records(range(5)).SerializeToString()
    assert opened.accept(LOGS, body).accepted == 5
    assert opened.let_in(Signal.LOGS) == (body, "p")


@pytest.mark.parametrize(
    "extra",
    [
        b"\xca\x3e\x05other",  # field 1001 of a segment's body: the project
        b"\xd1\x3e\x01\x02\x03\x04\x05\x06\x07\x08",  # field 1002: the time of receipt
        b"\x12\x02id",
        b"\x08\x05",
        b"\x0b\x08\x01\x0c",
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_sender_cannot_say_more_than_an_export_request(opened: Opened, extra: bytes, before: bool) -> None:
    body = spans([1]).SerializeToString()
    opened.accept(TRACES, extra + body if before else body + extra, project="mine")
    assert opened.let_in() == (body, "mine")


def test_unknown_fields_inside_are_kept(opened: Opened) -> None:
    request = spans([1])
    tomorrow = request.resource_spans[0].SerializeToString() + b"\xf8\x3f\x01"
    body = b"\x0a" + bytes([len(tomorrow)]) + tomorrow
    opened.accept(TRACES, body + b"\x12\x00")
    assert opened.let_in()[0] == body


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": b""},
        {"trace_id": b"\1" * 15},
        {"trace_id": bytes(16)},
        {"span_id": b""},
        {"span_id": bytes(8)},
    ],
)
def test_a_span_that_cannot_be_stored_is_rejected_and_its_neighbours_are_not(
    opened: Opened, fields: dict[str, bytes]
) -> None:
    request = spans(range(1, 6))
    for name, value in fields.items():
        setattr(request.resource_spans[0].scope_spans[0].spans[1], name, value)
        setattr(request.resource_spans[0].scope_spans[0].spans[4], name, value)
    receipt = opened.accept(TRACES, request.SerializeToString())
    assert (receipt.accepted, receipt.rejected) == (3, {Reason.INVALID_ID: 2})
    kept = ExportTraceServiceRequest.FromString(opened.let_in()[0])
    assert [span.name for span in kept.resource_spans[0].scope_spans[0].spans] == ["chat 1", "chat 3", "chat 4"]
    assert opened.count("rejected_items", signal="traces", reason=Reason.INVALID_ID) == 2
    reply: Any = TRACES.reply(receipt.rejected)
    assert reply.partial_success.rejected_spans == 2
    assert reply.partial_success.error_message.startswith("spans rejected: 2, ")


def test_metrics_are_answered_honestly(opened: Opened) -> None:
    receipt = opened.accept(METRICS, points(7).SerializeToString())
    reply: Any = METRICS.reply(receipt.rejected)
    assert receipt.stored is None
    assert reply.partial_success.rejected_data_points == 7
    assert "not metrics" in reply.partial_success.error_message


@pytest.mark.parametrize("request_message", [spans([]), ExportTraceServiceRequest()])
def test_an_empty_request_is_fine(opened: Opened, request_message: Message) -> None:
    receipt = opened.accept(TRACES, request_message.SerializeToString())
    assert receipt == Receipt(0, {}, None)
    assert opened.accept(TRACES, b"{}", JSON) == receipt


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        spans([1]).SerializeToString()[:-1],
        b"\x0a\xff\xff\xff\xff\x0f",
        spans([1]).SerializeToString().replace(b"chat 1", b"ch\xff\xfe 1"),
    ],
)
def test_what_is_malformed_is_refused(opened: Opened, body: bytes) -> None:
    with pytest.raises(Refused, match="the body is no ExportTraceServiceRequest") as refused:
        opened.accept(TRACES, body)
    assert refused.value.reason is Reason.MALFORMED
    assert opened.count("refused_requests", signal="traces", reason="malformed") == 1
    assert opened.spool.waiting_bytes == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    place=st.integers(0, 400), change=st.one_of(st.binary(max_size=6), st.sampled_from([b"\x0a\x00", b"\xca\x3e\x01x"]))
)
def test_bytes_are_refused_or_stored_as_they_were_understood(opened: Opened, place: int, change: bytes) -> None:
    body = spans([1, 2, 3]).SerializeToString()
    place %= len(body)
    body = body[:place] + change + body[place + len(change) :]
    try:
        receipt = opened.accept(TRACES, body, project="mine")
    except Refused:
        return
    understood = ExportTraceServiceRequest.FromString(body)
    count, rejected, _ = TRACES.prune(understood, UNLIMITED)
    assert (receipt.accepted, receipt.rejected) == (count - sum(rejected.values()), rejected)
    if receipt.stored is None:
        return
    kept, project = opened.let_in()
    understood_alone = ExportTraceServiceRequest(resource_spans=understood.resource_spans)
    assert (ExportTraceServiceRequest.FromString(kept), project) == (understood_alone, "mine")


def test_a_content_type_that_is_not_spoken_is_refused(opened: Opened) -> None:
    with pytest.raises(Refused, match="'text/html' is neither") as refused:
        opened.accept(TRACES, b"", "text/html")
    assert refused.value.reason is Reason.UNSUPPORTED_TYPE


def test_requests_share_the_memory(opened: Opened) -> None:
    with opened.door.room() as first, opened.door.room() as second:
        first.take(100_000)
        with pytest.raises(Deferred, match="too many requests at once") as put_off:
            second.take(100_000)
        assert put_off.value.reason is Reason.BUSY
        second.take(50_000)
    with opened.door.room() as third:
        third.take(150_000)


# --- limits of single items and of compression ----------------------------------------------------

LIMITED = CollectorSettings(min_free_disk_bytes=0, max_attributes=10, max_attribute_bytes=1000)


def with_attributes(request: ExportTraceServiceRequest, number: int, *texts: str) -> None:
    span = request.resource_spans[0].scope_spans[0].spans[number]
    for place, text in enumerate(texts):
        span.attributes.add(key=f"k{place}").value.string_value = text


def test_a_span_with_too_much_on_it_is_rejected_and_its_neighbours_are_not(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "spool", LIMITED)
    request = spans(range(1, 6))
    with_attributes(request, 0, *["v"] * 9)
    with_attributes(request, 1, *["v"] * 10)
    with_attributes(request, 2, "x" * 990)
    with_attributes(request, 3, "x" * 1001)
    receipt = opened.accept(TRACES, request.SerializeToString())
    assert (receipt.accepted, receipt.rejected) == (
        3,
        {Reason.TOO_MANY_ATTRIBUTES: 1, Reason.ATTRIBUTE_TOO_LONG: 1},
    )
    kept = ExportTraceServiceRequest.FromString(opened.let_in()[0])
    assert [span.name for span in kept.resource_spans[0].scope_spans[0].spans] == ["chat 1", "chat 3", "chat 5"]
    reply: Any = TRACES.reply(receipt.rejected)
    assert reply.partial_success.rejected_spans == 2
    assert "collector.max_attributes allows" in reply.partial_success.error_message
    assert "collector.max_attribute_bytes allows" in reply.partial_success.error_message
    assert opened.count("rejected_items", signal="traces", reason="too_many_attributes") == 1
    opened.spool.close()


def test_a_log_record_with_too_much_on_it_is_rejected(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "spool", LIMITED)
    request = log_records(range(3))
    request.resource_logs[0].scope_logs[0].log_records[1].attributes.add(key="k").value.string_value = "x" * 1001
    receipt = opened.accept(LOGS, request.SerializeToString())
    assert (receipt.accepted, receipt.rejected) == (2, {Reason.ATTRIBUTE_TOO_LONG: 1})
    opened.spool.close()
