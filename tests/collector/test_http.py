"""OTLP/HTTP as senders meet it: real exporters, every encoding, every refusal."""

import gzip
import http.client
import json
import os
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from google.rpc.status_pb2 import Status
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import SecretStr

from tests.collector.test_otlp import otlp_json
from tests.collector.traffic import log_records, points, spans, stored_spans
from tests.waiting import wait_for
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings, KeySettings, Scope
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NO_TAG = b"\x0f"
"""No field of protobuf has this wire type. Noise alone is a message of unknown fields now and then."""
NOWHERE = StoreAddress("127.0.0.1", 1)


def post(
    collector: Collector, path: str, body: bytes, content_type: str = PROTOBUF, **headers: str
) -> tuple[int, Message, bytes]:
    named = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    with closing(http.client.HTTPConnection("127.0.0.1", collector.http_port, timeout=30)) as connection:
        connection.request("POST", path, body, named)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()


def get(collector: Collector, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", collector.http_port, timeout=30)) as connection:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()


@pytest.fixture
def detached(tmp_path: Path, settings: CollectorSettings) -> Iterator[Collector]:
    """A collector whose store is away, with small limits and keys."""
    limits = {"max_body_bytes": 20_000, "max_decompressed_bytes": 20_000, "drain_s": 0, "body_timeout_s": 0.5}
    keys = [
        KeySettings(key=SecretStr("ingest-key"), project="alpha", scopes=frozenset({Scope.INGEST})),
        KeySettings(key=SecretStr("label-key"), project="alpha", scopes=frozenset({Scope.LABEL})),
    ]
    with Collector(NOWHERE, tmp_path, settings.model_copy(update=limits), keys) as running:
        yield running


# --- what is taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_the_opentelemetry_exporter_gets_its_spans_stored(
    collector: Collector, client: Client, compression: Compression
) -> None:
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{collector.http_port}/v1/traces", compression=compression)
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
    exporter = OTLPLogExporter(f"http://127.0.0.1:{collector.http_port}/v1/logs")
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("app").emit(LogRecord(event_name="gen_ai.choice", timestamp=1_793_491_200 * 10**9))
    provider.shutdown()
    wait_for(lambda: client.query("SELECT event_name FROM log_records").result_rows == [("gen_ai.choice",)])


ENCODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("zstd", zstandard.compress),
]


def test_every_encoding_of_every_type_is_stored(collector: Collector, client: Client) -> None:
    number = 0
    for content_type in (PROTOBUF, JSON, "application/json; charset=utf-8"):
        for encoding, compress in ENCODINGS:
            number += 1
            request = spans([number])
            body = request.SerializeToString() if content_type == PROTOBUF else otlp_json(request)
            status, headers, reply = post(
                collector, "/v1/traces", compress(body), content_type, Content_Encoding=encoding
            )
            assert status == 200, reply
            assert headers["Content-Type"] == content_type.partition(";")[0]
            assert reply == (b"" if content_type == PROTOBUF else b"{}")
    wait_for(lambda: stored_spans(client) == list(range(1, number + 1)))


def test_a_partial_success_says_what_was_rejected(collector: Collector, client: Client) -> None:
    request = spans([1, 2, 3])
    request.resource_spans[0].scope_spans[0].spans[1].span_id = b""
    status, _, reply = post(collector, "/v1/traces", request.SerializeToString())
    told = ExportTraceServiceResponse.FromString(reply).partial_success
    assert (status, told.rejected_spans) == (200, 1)
    assert told.error_message == "spans rejected: 1, trace_id must have 16 bytes and span_id 8, not all of them zero"
    wait_for(lambda: stored_spans(client) == [1, 3])


def test_metrics_are_said_not_to_be_stored(collector: Collector) -> None:
    status, _, reply = post(collector, "/v1/metrics", otlp_json(points(3)), JSON)
    assert status == 200
    assert json.loads(reply)["partialSuccess"]["rejectedDataPoints"] == "3"


def test_malformed_bodies_never_hold_up_their_neighbours(collector: Collector, client: Client) -> None:
    good = [spans(range(10 * n + 1, 10 * n + 11)).SerializeToString() for n in range(20)]
    for position, body in enumerate(good):
        assert post(collector, "/v1/traces", body)[0] == 200
        assert post(collector, "/v1/traces", body[: -1 - position])[0] == 400
        assert post(collector, "/v1/traces", NO_TAG + os.urandom(49))[0] == 400
    wait_for(lambda: stored_spans(client) == list(range(1, 201)))


# --- labels -------------------------------------------------------------------------------------------


def labels_in_store(client: Client) -> list[Any]:
    columns = "request_id, attempt, correct, source, labeler, toUnixTimestamp(time)"
    return list(client.query(f"SELECT {columns} FROM labels ORDER BY request_id").result_rows)


def test_labels_come_as_json(collector: Collector, client: Client) -> None:
    rows = [
        {"request_id": "a", "correct": True, "attempt": 2, "source": "test", "time": "2026-11-01T00:00:00Z"},
        {"request_id": "b", "correct": "perhaps"},
        {"correct": False},
        {"request_id": "c", "correct": False, "labeler": "dana", "time": "2026-11-01T01:00:00+01:00"},
    ]
    status, _, reply = post(collector, "/v1/labels", json.dumps(rows).encode(), JSON)
    told = json.loads(reply)
    assert (status, told["accepted"]) == (200, 2)
    assert [row["line"] for row in told["rejected"]] == [2, 3]
    assert "valid boolean" in told["rejected"][0]["reason"]
    assert "name what is labelled" in told["rejected"][1]["reason"]
    wait_for(
        lambda: (
            labels_in_store(client)
            == [
                ("a", 2, True, "test", "", 1793491200),
                ("c", None, False, "human", "dana", 1793491200),
            ]
        )
    )


def test_labels_come_as_csv(collector: Collector, client: Client) -> None:
    rows = (
        "request_id,attempt,correct,label_source,time\r\n"
        '"a,\r\n1",,yes,,2026-11-01T00:00:00Z\r\n'
        "b,0,no,,\r\n"
        "c,1,no,reference,2026-11-01T00:00:00Z\r\n"
    )
    status, _, reply = post(collector, "/v1/labels", gzip.compress(rows.encode()), "text/csv", Content_Encoding="gzip")
    told = json.loads(reply)
    assert (status, told["accepted"]) == (200, 2)
    assert told["rejected"] == [{"line": 4, "reason": "attempt: Input should be greater than or equal to 1"}]
    wait_for(
        lambda: (
            labels_in_store(client)
            == [
                ("a,\r\n1", None, True, "human", "", 1793491200),
                ("c", 1, False, "reference", "", 1793491200),
            ]
        )
    )


@pytest.mark.parametrize(
    ("body", "content_type", "status", "problem"),
    [
        (b"{}", JSON, 400, "a JSON array of labels is expected"),
        (b"[", JSON, 400, "not JSON"),
        (b"request_id,right\na,yes\n", "text/csv", 400, "line 1: the column 'right' is none of attempt, correct"),
        (b'request_id,correct\n"a,yes\n', "text/csv", 400, "after line 1: not CSV: unexpected end"),
        (b"\xff\xfe", "text/csv", 400, "not UTF-8"),
        (b"", "text/plain", 415, "neither application/json nor text/csv"),
        (b'[{"correct": true}]', JSON, 400, "name what is labelled"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(
    collector: Collector, body: bytes, content_type: str, status: int, problem: str
) -> None:
    answered, _, reply = post(collector, "/v1/labels", body, content_type)
    assert (answered, problem in reply.decode()) == (status, True), reply


# --- what is refused ----------------------------------------------------------------------------------


def told(reply: bytes, media: str) -> str:
    return Status.FromString(reply).message if media == PROTOBUF else str(json.loads(reply)["message"])


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_refusals_speak_the_language_of_the_request(detached: Collector, media: str) -> None:
    status, headers, reply = post(detached, "/v1/traces", b"garbage", media, x_api_key="ingest-key")
    assert (status, headers["Content-Type"]) == (400, media)
    assert told(reply, media).startswith("the body is no")
    assert "Retry-After" not in headers


@pytest.mark.parametrize(
    ("path", "headers", "status", "problem"),
    [
        ("/v1/traces", {}, 401, "a key is needed"),
        ("/v1/traces", {"x_api_key": "wrong"}, 401, "the key is unknown"),
        ("/v1/traces", {"Authorization": "Bearer label-key"}, 403, "lacks the scope ingest"),
        ("/v1/labels", {"Authorization": "Bearer ingest-key"}, 403, "lacks the scope label"),
        ("/v1/traces", {"x_api_key": "ingest-key", "Content_Encoding": "br"}, 415, "'br' is none of"),
    ],
)
def test_who_may_not_is_told(
    detached: Collector, path: str, headers: dict[str, str], status: int, problem: str
) -> None:
    answered, reply_headers, reply = post(detached, path, b"[]", JSON, **headers)
    assert (answered, problem in told(reply, JSON)) == (status, True), reply
    assert (reply_headers.get("WWW-Authenticate") == "Bearer") == (status == 401)


def test_the_key_is_asked_for_before_the_body(detached: Collector) -> None:
    with socket.create_connection(("127.0.0.1", detached.http_port), timeout=10) as sender:
        sender.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")
        assert sender.recv(4096).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("chunked", [True, False])
def test_a_request_that_is_too_large_is_refused(detached: Collector, chunked: bool) -> None:
    body = b"x" * 30_000
    with closing(http.client.HTTPConnection("127.0.0.1", detached.http_port, timeout=10)) as connection:
        headers = {"Content-Type": PROTOBUF, "x-api-key": "ingest-key"}
        pieces: Any = iter([body[:15_000], body[15_000:]]) if chunked else body
        connection.request("POST", "/v1/traces", pieces, headers, encode_chunked=chunked)
        reply = connection.getresponse()
        assert (reply.status, "larger than 20000 bytes" in told(reply.read(), PROTOBUF)) == (413, True)


def test_a_bomb_is_refused(detached: Collector) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    status, _, reply = post(detached, "/v1/traces", bomb, PROTOBUF, x_api_key="ingest-key", Content_Encoding="gzip")
    assert (status, "once decompressed" in told(reply, PROTOBUF)) == (413, True)


def test_a_sender_that_dawdles_is_asked_to_come_again(detached: Collector) -> None:
    with socket.create_connection(("127.0.0.1", detached.http_port), timeout=10) as sender:
        sender.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nx-api-key: ingest-key\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
        reply = sender.recv(4096)
    assert reply.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in reply.lower()


def test_a_full_spool_asks_to_come_again(tmp_path: Path, settings: CollectorSettings) -> None:
    small = settings.model_copy(update={"max_spool_bytes": 300, "drain_s": 0})
    with Collector(NOWHERE, tmp_path, small) as collector:
        assert post(collector, "/v1/traces", spans([1]).SerializeToString())[0] == 200
        status, headers, reply = post(collector, "/v1/logs", log_records(range(9)).SerializeToString())
        assert (status, headers["Retry-After"]) == (503, "10")
        assert "the spool is full" in told(reply, PROTOBUF)
        problems = json.loads(get(collector, "/readyz")[1])["problems"]
        assert any("does not answer" in problem for problem in problems)


def test_an_occupied_port_is_one_sentence(collector: Collector, tmp_path: Path) -> None:
    taken = CollectorSettings(http_port=collector.http_port, grpc_port=0)
    other = Collector(NOWHERE, tmp_path / "other", taken)
    with pytest.raises(ThinkmeterError, match=f"port {collector.http_port} for OTLP/HTTP .* --otlp-http-port"):
        other.start()
    with Collector(NOWHERE, tmp_path / "other", CollectorSettings(http_port=0, grpc_port=0, drain_s=0)):
        pass  # nothing of the first start is left, neither its lock nor its other port


# --- health -------------------------------------------------------------------------------------------


def test_health_and_counters_are_shown(collector: Collector) -> None:
    assert post(collector, "/v1/traces", spans(range(1, 8)).SerializeToString())[0] == 200
    assert get(collector, "/healthz") == (200, b"ok\n")
    assert get(collector, "/readyz")[0] == 200
    counters = b'thinkmeter_collector_written_items_total{signal="traces"} 7.0'
    wait_for(lambda: counters in get(collector, "/metrics")[1])
    text = get(collector, "/metrics")[1]
    for line in (
        b'thinkmeter_collector_accepted_items_total{signal="traces"} 7.0',
        b'thinkmeter_collector_requests_total{protocol="http",signal="traces"} 1.0',
        b"thinkmeter_collector_spool_bytes 0.0",
        b'thinkmeter_collector_lag_seconds{signal="traces"} 0.0',
    ):
        assert line in text


def test_a_store_that_is_away_is_alive_but_not_ready(detached: Collector) -> None:
    assert get(detached, "/healthz")[0] == 200
    status, reply = get(detached, "/readyz")
    assert status == 503
    assert "does not answer" in json.loads(reply)["problems"][0]


def test_a_sender_that_hangs_up_leaves_nothing_behind(collector: Collector, client: Client) -> None:
    body = spans([1]).SerializeToString()
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=10) as sender:
        sender.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n")
        sender.sendall(b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body)
    refused = 'thinkmeter_collector_refused_requests_total{reason="malformed",signal="traces"} 1.0'
    wait_for(lambda: refused.encode() in get(collector, "/metrics")[1])
    assert post(collector, "/v1/traces", spans([2]).SerializeToString())[0] == 200
    wait_for(lambda: stored_spans(client) == [2])
