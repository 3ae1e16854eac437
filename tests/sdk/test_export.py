"""What leaves the process: where to, how long it is kept, what is counted."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider

import thinkmeter
from tests.sdk.collector_server import Answer, CollectorServer, attributes_of
from thinkmeter.schema import attributes as names


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Each test instruments by itself."""
    thinkmeter.uninstrument()
    yield
    thinkmeter.uninstrument()


def call(**further: Any) -> None:
    thinkmeter.record_call(provider="openai", model="gpt-5", input_tokens=1, output_tokens=1, **further)


def run(
    script: str, python: str = sys.executable, warnings: str = "error", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "THINKMETER_"))}
    return subprocess.run(
        [python, "-W", warnings, "-c", textwrap.dedent(script)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_importing_loads_the_api_of_opentelemetry_and_nothing_heavier() -> None:
    done = run("import sys, thinkmeter, json; print(json.dumps(sorted(sys.modules)))")
    loaded: list[str] = json.loads(done.stdout)
    heavy = (
        "opentelemetry.sdk",
        "opentelemetry.exporter",
        "opentelemetry.proto",
        "google",
        "requests",
        "wrapt",
        "pydantic",
        "openai",
        "anthropic",
        "thinkmeter.schema.store",
        "asyncio",
    )
    assert [name for name in loaded if name.startswith(heavy)] == []
    assert "opentelemetry.trace" in loaded


def test_instrumenting_imports_no_provider_and_no_exporter() -> None:
    done = run("import sys, thinkmeter, json; thinkmeter.instrument(); print(json.dumps(sorted(sys.modules)))")
    loaded: list[str] = json.loads(done.stdout)
    clients = ("openai", "anthropic", "google.genai", "groq", "mistralai", "boto3", "botocore")
    heavy = (*clients, "httpx", "requests", "opentelemetry.exporter")
    assert [name for name in loaded if name.startswith(heavy)] == []


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


def test_arguments_override_thinkmeter_variables_which_override_the_standard_ones(
    collector: CollectorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "standard")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue")
    monkeypatch.setenv("THINKMETER_ENDPOINT", collector.url)
    monkeypatch.setenv("THINKMETER_SERVICE_NAME", "ours")
    monkeypatch.setenv("THINKMETER_TIERS", "gpt-5*=2")
    thinkmeter.instrument(service_name="argument")
    call()
    assert thinkmeter.flush()
    assert collector.resources[0][names.SERVICE_NAME] == "argument"
    assert collector.headers[0]["x-team"] == "blue"
    assert attributes_of(collector.spans[0].attributes)[names.TIER] == 2


def test_the_standard_variables_alone_suffice(collector: CollectorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url + "/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=standard,deployment.environment.name=staging")
    thinkmeter.instrument()
    call()
    assert thinkmeter.flush()
    assert collector.resources[0].items() >= {"service.name": "standard", names.ENVIRONMENT: "staging"}.items()
    assert collector.headers[0]["content-encoding"] == "gzip"


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


PROGRAM = """
    import sys, time, thinkmeter
    thinkmeter.instrument(endpoint=sys.argv[1] if len(sys.argv) > 1 else None)
    with thinkmeter.request("t") as req, req.attempt(tier=1) as attempt:
        thinkmeter.record_call(provider="openai", model="gpt-5", input_tokens=1, output_tokens=1)
        attempt.verdict("v", passed=True)
    thinkmeter.label(req.id, correct=True)
"""
LAST_LINE = "    print(time.monotonic())\n"
"""From where on a program does nothing but end."""


def test_a_program_that_just_ends_has_sent_everything(collector: CollectorServer) -> None:
    done = run(PROGRAM, THINKMETER_ENDPOINT=collector.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(collector.spans) == 3
    assert len(collector.events) == 2


@pytest.mark.parametrize("kind", ["hangs", "refuses", "is busy"])
def test_the_end_of_a_program_is_bounded(collector: CollectorServer, kind: str) -> None:
    gate = threading.Event()
    url = collector.url
    if kind == "hangs":
        collector.answers.extend([Answer(wait_for=gate)] * 10)
    elif kind == "is busy":
        collector.answers.extend([Answer(503, {"Retry-After": "60"})] * 10)
    else:
        url = "http://127.0.0.1:9"
    done = run(PROGRAM + LAST_LINE, THINKMETER_ENDPOINT=url, THINKMETER_FLUSH_TIMEOUT_S="1")
    ended = time.monotonic()
    gate.set()
    assert done.returncode == 0
    assert ended - float(done.stdout) < 4
    assert "Traceback" not in done.stderr


def test_an_exit_right_after_a_request_began_to_hang_is_bounded_too(collector: CollectorServer) -> None:
    gate = threading.Event()
    collector.answers.extend([Answer(wait_for=gate)] * 10)
    program = PROGRAM + LAST_LINE + "    thinkmeter.flush(0.5)\n"
    done = run(program, THINKMETER_ENDPOINT=collector.url, THINKMETER_FLUSH_TIMEOUT_S="1")
    ended = time.monotonic()
    gate.set()
    assert done.returncode == 0
    assert ended - float(done.stdout) < 5


def test_a_forked_child_sends_its_own_and_not_its_parents(collector: CollectorServer) -> None:
    done = run(
        """
        import os, thinkmeter
        thinkmeter.instrument()
        def call(name):
            thinkmeter.record_call(
                provider="openai", model="gpt-5", input_tokens=1, output_tokens=1, request_id=name
            )
        call("parent before")
        child = os.fork()
        if child == 0:
            call("child")
            health = thinkmeter.health().spans
            assert (health.accepted, health.sent) == (1, 0), health
            assert thinkmeter.flush(), thinkmeter.health()
            os._exit(0)
        call("parent after")
        assert os.waitpid(child, 0)[1] == 0
        assert thinkmeter.flush()
        """,
        THINKMETER_ENDPOINT=collector.url,
    )
    assert done.returncode == 0, done.stderr
    ids = [attributes_of(span.attributes)[names.REQUEST_ID] for span in collector.spans]
    assert sorted(ids) == ["child", "parent after", "parent before"]


def test_an_applications_own_provider_is_used_and_gains_an_export_of_gen_ai_spans(collector: CollectorServer) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    own = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(own))
    thinkmeter.instrument(endpoint=collector.url, tracer_provider=provider)
    call()
    with provider.get_tracer("web").start_as_current_span("GET /"):
        provider.get_tracer("agents").start_span("invoke_agent", attributes={"gen_ai.agent.name": "a"}).end()
    assert thinkmeter.flush()
    assert [span.name for span in own.get_finished_spans()] == ["chat gpt-5", "invoke_agent", "GET /"]
    assert sorted(span.name for span in collector.spans) == ["chat gpt-5", "invoke_agent"]


def test_an_applications_own_provider_alone_sends_where_no_endpoint_is_given(collector: CollectorServer) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    thinkmeter.instrument(tracer_provider=provider)
    call()
    health = thinkmeter.health()
    assert (health.endpoint, health.spans.accepted) == (None, 0)


def test_flushing_reaches_the_applications_own_provider_too() -> None:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    own = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(own, schedule_delay_millis=600_000))
    thinkmeter.instrument(tracer_provider=provider)
    call()
    assert own.get_finished_spans() == ()
    assert thinkmeter.flush()
    assert [span.name for span in own.get_finished_spans()] == ["chat gpt-5"]
    provider.shutdown()


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_global_provider_set_before_or_after_is_adopted_and_never_replaced(
    collector: CollectorServer, order: str
) -> None:
    done = run(
        f"""
        import thinkmeter
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        own = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(own))
        if {order == "before"}:
            trace.set_tracer_provider(provider)
        thinkmeter.instrument()
        if {order == "after"}:
            with thinkmeter.request("early"):
                pass
            trace.set_tracer_provider(provider)
        assert trace.get_tracer_provider() is provider
        with thinkmeter.request("t"):
            with trace.get_tracer("app").start_as_current_span("tool"):
                pass
        assert [span.name for span in own.get_finished_spans()] == ["tool", "request t"]
        assert own.get_finished_spans()[0].attributes["thinkmeter.task"] == "t"
        assert thinkmeter.flush()
        """,
        THINKMETER_ENDPOINT=collector.url,
    )
    assert done.returncode == 0, done.stderr
    expected = ["request t", "tool"] if order == "before" else ["request early", "request t", "tool"]
    assert sorted(span.name for span in collector.spans) == expected


def test_instrumenting_again_changes_nothing(collector: CollectorServer, caplog: pytest.LogCaptureFixture) -> None:
    thinkmeter.instrument(endpoint=collector.url)
    thinkmeter.instrument(endpoint=collector.url)
    assert caplog.text == ""
    thinkmeter.instrument(endpoint="http://127.0.0.1:9")
    assert "the first ones hold" in caplog.text
    call()
    assert thinkmeter.flush()
    assert len(collector.spans) == 1


def test_uninstrument_sends_what_waits(collector: CollectorServer) -> None:
    thinkmeter.instrument(endpoint=collector.url)
    call()
    thinkmeter.uninstrument()
    assert len(collector.spans) == 1
    call()
    assert not thinkmeter.health().instrumented


def test_the_environment_can_turn_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINKMETER_DISABLED", "true")
    thinkmeter.instrument()
    assert not thinkmeter.health().instrumented


def test_settings_that_make_no_sense_are_said_and_ignored(
    collector: CollectorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("THINKMETER_MAX_THINKING_TOKENS", "many")
    monkeypatch.setenv("THINKMETER_TIERS", "gpt-5*=9,o3=1")
    monkeypatch.setenv("THINKMETER_ENDPOINT", collector.url)
    thinkmeter.instrument(on_exceed="explode", providers=["opnai"])
    call()
    assert thinkmeter.flush()
    for part in (
        "'many' is not a positive number of tokens",
        "'9' is not a tier",
        "'explode' is none of",
        "'opnai' is none of",
    ):
        assert part in caplog.text


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


def test_loading_by_opentelemetry_instrument_needs_the_two_methods_alone(collector: CollectorServer) -> None:
    from importlib.metadata import entry_points

    from thinkmeter.sdk.autoload import ThinkmeterInstrumentor

    declared = Path(__file__).parents[2] / "pyproject.toml"
    assert 'thinkmeter = "thinkmeter.sdk.autoload:ThinkmeterInstrumentor"' in declared.read_text()
    for entry_point in entry_points(group="opentelemetry_instrumentor", name="thinkmeter"):
        assert entry_point.load() is ThinkmeterInstrumentor
    ThinkmeterInstrumentor().instrument(skip_dep_check=True)
    assert thinkmeter.health().instrumented
    ThinkmeterInstrumentor().uninstrument()
    assert not thinkmeter.health().instrumented
