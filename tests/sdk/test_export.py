"""What leaves the process: where to, how long it is kept, what is counted."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

import thinkmeter
from tests.sdk.collector_server import Answer, CollectorServer, attributes_of
from tests.sdk.recorded import call
from thinkmeter.schema import attributes as names

pytestmark = pytest.mark.usefixtures("undone")


def test_spans_and_events_arrive_with_key_and_service(collector: CollectorServer) -> None:
    thinkmeter.instrument(endpoint=collector.url, service_name="shop", api_key="secret")
    with thinkmeter.request("t") as req, req.attempt(tier=1) as attempt:
        call()
        attempt.verdict("v", score=0.5)
    thinkmeter.label(req.id, correct=False)
    assert thinkmeter.flush()
    assert sorted(span.name for span in collector.spans) == ["attempt 1", "chat gpt-5", "request t"]
    assert [event["event_name"] for event in collector.events] == ["gen_ai.evaluation.result"] * 2
    assert collector.resources[0][names.SERVICE_NAME] == "shop"
    assert names.SDK_VERSION in collector.resources[0]
    assert {headers["authorization"] for headers in collector.headers} == {"Bearer secret"}
    health = thinkmeter.health()
    assert (health.spans.sent, health.spans.waiting, health.logs.sent) == (3, 0, 2)
    assert (health.endpoint, health.faults) == (f"{collector.url}/v1/traces", 0)


def test_a_collector_that_is_busy_for_a_while_loses_nothing_and_gets_nothing_twice(collector: CollectorServer) -> None:
    collector.answers.extend([Answer(503, {"Retry-After": "0.05"})] * 12)
    collector.answers.extend([Answer(429, {"Retry-After": "0.05"})] * 3)
    thinkmeter.instrument(endpoint=collector.url)
    for number in range(50):
        call(request_id=f"r{number}")
    assert thinkmeter.flush(timeout_s=10)
    ids = [attributes_of(span.attributes)[names.REQUEST_ID] for span in collector.spans]
    assert sorted(ids) == sorted(f"r{number}" for number in range(50))
    assert collector.requests == 16
    assert thinkmeter.health().spans.last_error is None


def test_many_threads_lose_nothing_to_a_collector_that_comes_and_goes(collector: CollectorServer) -> None:
    collector.answers.extend([Answer(503, {"Retry-After": "0.01"}), Answer(), Answer(502), Answer(), Answer(429)] * 2)
    thinkmeter.instrument(endpoint=collector.url)

    def work(worker: int) -> None:
        for number in range(100):
            with thinkmeter.request("t", request_id=f"{worker}-{number}") as req, req.attempt(tier=1) as attempt:
                call()
                attempt.verdict("v", score=0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert thinkmeter.flush(timeout_s=20), thinkmeter.health()
    calls = [span for span in collector.spans if span.name == "chat gpt-5"]
    ids = [attributes_of(span.attributes)[names.REQUEST_ID] for span in calls]
    expected = sorted(f"{worker}-{number}" for worker in range(8) for number in range(100))
    assert sorted(ids) == expected
    assert len({span.span_id for span in collector.spans}) == len(collector.spans) == 2400
    assert sorted(event[names.REQUEST_ID] for event in collector.events) == expected


def test_a_collector_that_comes_up_late_is_waited_for() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    thinkmeter.instrument(endpoint=f"http://127.0.0.1:{port}")
    call()
    assert not thinkmeter.flush(timeout_s=0.3)
    health = thinkmeter.health().spans
    assert (health.sent, health.waiting, health.dropped) == (0, 1, {})
    assert health.last_error is not None
    assert "refused" in health.last_error


def test_what_is_refused_for_good_is_dropped_with_its_reason(collector: CollectorServer) -> None:
    collector.answers.append(Answer(400))
    thinkmeter.instrument(endpoint=collector.url)
    call()
    assert not thinkmeter.flush()
    assert thinkmeter.health().spans.dropped == {"HTTP 400 Bad Request": 1}
    assert collector.requests == 1
    call()
    assert thinkmeter.flush()


def test_items_that_a_taken_batch_lost_are_counted(collector: CollectorServer) -> None:
    rejection = ExportTraceServiceResponse()
    rejection.partial_success.rejected_spans = 2
    collector.answers.append(Answer(200, {"content-type": "application/x-protobuf"}, rejection.SerializeToString()))
    thinkmeter.instrument(endpoint=collector.url)
    for _ in range(3):
        call()
    assert not thinkmeter.flush()
    health = thinkmeter.health().spans
    assert (health.accepted, health.sent, health.dropped) == (3, 1, {"rejected by the collector": 2})


def test_a_full_queue_drops_the_oldest_and_says_how_many(
    collector: CollectorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    gate = threading.Event()
    collector.answers.append(Answer(wait_for=gate))
    thinkmeter.instrument(endpoint=collector.url)
    call(request_id="held")
    collector.wait_for_requests(1)
    for number in range(25):
        call(request_id=f"r{number}")
    gate.set()
    assert thinkmeter.flush()
    ids = [attributes_of(span.attributes)[names.REQUEST_ID] for span in collector.spans]
    assert ids == ["held", *(f"r{number}" for number in range(15, 25))]
    assert thinkmeter.health().spans.dropped == {"queue full": 15}


def test_flush_waits_no_longer_than_it_is_told(collector: CollectorServer) -> None:
    gate = threading.Event()
    collector.answers.append(Answer(wait_for=gate))
    thinkmeter.instrument(endpoint=collector.url)
    call()
    taken_s = []
    for _ in range(3):  # the least of them, since on a busy machine any thread may be kept from waking
        begun = time.monotonic()
        assert not thinkmeter.flush(timeout_s=0.2)
        taken_s.append(time.monotonic() - begun)
    assert min(taken_s) < 1
    gate.set()
    assert thinkmeter.flush()
    assert collector.requests == 1


def test_uninstrument_sends_what_waits(collector: CollectorServer) -> None:
    thinkmeter.instrument(endpoint=collector.url)
    call()
    thinkmeter.uninstrument()
    assert len(collector.spans) == 1
    call()
    assert not thinkmeter.health().instrumented


def test_grpc_is_spoken_where_its_exporter_is_installed_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    grpc: Any = pytest.importorskip("grpc")
    from concurrent import futures

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
        TraceServiceServicer,
        add_TraceServiceServicer_to_server,
    )

    taken: list[ExportTraceServiceRequest] = []

    class Service(TraceServiceServicer):
        def Export(self, request: ExportTraceServiceRequest, context: object) -> ExportTraceServiceResponse:
            taken.append(request)
            return ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    thinkmeter.instrument(endpoint=f"http://127.0.0.1:{port}")
    call()
    assert thinkmeter.flush()
    server.stop(None).wait()
    (span,) = taken[0].resource_spans[0].scope_spans[0].spans
    assert span.name == "chat gpt-5"
