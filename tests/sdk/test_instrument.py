"""What `instrument` loads, which settings hold, and which provider of spans it uses."""

import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import thinkmeter
from tests.sdk.collector_server import CollectorServer, attributes_of
from tests.sdk.programs import run
from tests.sdk.recorded import call
from thinkmeter.schema import attributes as names

pytestmark = pytest.mark.usefixtures("undone")


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
