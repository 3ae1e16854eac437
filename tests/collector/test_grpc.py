"""OTLP/gRPC as senders meet it: real exporters, and every refusal with its code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from clickhouse_connect.driver.client import Client
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import SecretStr

from tests.collector.traffic import points, spans, stored_spans
from tests.waiting import wait_for
from thinkmeter.collector.export import METRICS, TRACES, Export
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings, KeySettings, Scope
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

NOWHERE = StoreAddress("127.0.0.1", 1)


@contextmanager
def channel(collector: Collector, **options: Any) -> Iterator[Any]:
    unlimited = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}", options=unlimited, **options) as opened:
        yield opened


def send(opened: Any, export: Export, request: Message, **options: Any) -> Any:
    """The answer to a request, as a generated stub gets it."""
    path = f"/{export.service}/Export"
    call = opened.unary_unary(path, type(request).SerializeToString, export.response.FromString)
    return call(request, timeout=30, **options)


def refusal(collector: Collector, body: bytes, *, key: str | None = None, **options: Any) -> tuple[str, str, Status]:
    """Code, sentence and details of the answer to bytes that are not taken."""
    with channel(collector, **options) as opened:
        export = opened.unary_unary(f"/{TRACES.service}/Export")
        with pytest.raises(grpc.RpcError) as refused:
            export(body, metadata=(("authorization", f"Bearer {key}"),) if key else None, timeout=30)
    call: Any = refused.value
    trailing = dict(call.trailing_metadata() or ())
    return call.code().name, call.details(), Status.FromString(trailing.get("grpc-status-details-bin", b""))


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_opentelemetry_exporter_gets_its_spans_stored(
    collector: Collector, client: Client, compression: Any
) -> None:
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{collector.grpc_port}", insecure=True, compression=compression)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("app")
    for number in range(700):
        with tracer.start_as_current_span(f"chat {number}", attributes={"gen_ai.operation.name": "chat"}):
            pass
    assert provider.force_flush()
    provider.shutdown()
    wait_for(lambda: client.command("SELECT count() FROM spans") == 700)
    assert client.command("SELECT count(DISTINCT trace_id, span_id, name) FROM spans") == 700


def test_the_opentelemetry_log_exporter_gets_its_records_stored(collector: Collector, client: Client) -> None:
    provider = LoggerProvider()
    exporter = OTLPLogExporter(f"http://127.0.0.1:{collector.grpc_port}", insecure=True)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("app").emit(LogRecord(event_name="gen_ai.choice", timestamp=1_793_491_200 * 10**9))
    provider.shutdown()
    wait_for(lambda: client.query("SELECT event_name FROM log_records").result_rows == [("gen_ai.choice",)])


def test_a_partial_success_says_what_was_rejected(collector: Collector, client: Client) -> None:
    request = spans([1, 2])
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = bytes(16)
    with channel(collector) as opened:
        told = send(opened, TRACES, request).partial_success
        assert told.rejected_spans == 1
        assert "not all of them zero" in told.error_message
        metrics = send(opened, METRICS, points(4)).partial_success
        assert metrics.rejected_data_points == 4
    wait_for(lambda: stored_spans(client) == [2])


def test_garbage_is_an_invalid_argument(collector: Collector) -> None:
    code, sentence, status = refusal(collector, b"garbage")
    assert (code, sentence) == ("INVALID_ARGUMENT", "the body is no ExportTraceServiceRequest: Wire format was corrupt")
    assert (status.code, status.message, list(status.details)) == (3, sentence, [])


def test_a_bomb_is_refused(tmp_path: Path, settings: CollectorSettings) -> None:
    small = settings.model_copy(update={"max_decompressed_bytes": 100_000, "drain_s": 0})
    with Collector(NOWHERE, tmp_path, small) as collector:
        assert refusal(collector, bytes(50_000_000), compression=grpc.Compression.Gzip)[0] == "RESOURCE_EXHAUSTED"


def test_keys_are_asked_for(tmp_path: Path, settings: CollectorSettings) -> None:
    keys = [
        KeySettings(key=SecretStr("ingest-key")),
        KeySettings(key=SecretStr("label-key"), scopes=frozenset({Scope.LABEL})),
    ]
    with Collector(NOWHERE, tmp_path, settings.model_copy(update={"drain_s": 0}), keys) as collector:
        assert refusal(collector, b"")[0] == "UNAUTHENTICATED"
        assert refusal(collector, b"", key="wrong")[0] == "UNAUTHENTICATED"
        assert refusal(collector, b"", key="label-key")[0] == "PERMISSION_DENIED"
        with channel(collector) as opened:
            send(opened, TRACES, spans([1]), metadata=(("x-api-key", "ingest-key"),))


def test_a_full_spool_asks_to_come_again(tmp_path: Path, settings: CollectorSettings) -> None:
    full = settings.model_copy(update={"max_spool_bytes": 1, "drain_s": 0})
    with Collector(NOWHERE, tmp_path, full) as collector:
        code, sentence, status = refusal(collector, spans([1]).SerializeToString())
    retry = RetryInfo()
    assert (code, "the spool is full" in sentence) == ("UNAVAILABLE", True)
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 10


def test_an_occupied_port_is_one_sentence(collector: Collector, tmp_path: Path) -> None:
    taken = CollectorSettings(http_port=0, grpc_port=collector.grpc_port)
    with pytest.raises(ThinkmeterError, match=f"port {collector.grpc_port} for OTLP/gRPC .* --otlp-grpc-port"):
        Collector(NOWHERE, tmp_path / "other", taken).start()
