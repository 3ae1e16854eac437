"""One call of a model, told by somebody else's instrumentation through somebody else's exporter.

Run as `python -m tests.collector.beside.exporters WHO PROVIDER-URL COLLECTOR-HTTP-URL COLLECTOR-GRPC-URL`, where those
packages are installed; nothing of thinkmeter is.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

ASKED: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "6 x 7?"}]}


def main() -> None:
    """Call and end."""
    who, provider, http, grpc = sys.argv[1:]
    CLIENTS[who](provider, http, grpc)


def call(provider: str) -> None:
    """Through the client that is instrumented."""
    import openai

    openai.OpenAI(api_key="k", base_url=f"{provider}/v1", max_retries=0).chat.completions.create(**ASKED)


def exported(exporter: Any, instrument: Callable[[Any], None], provider: str) -> None:
    """A call with an application's own tracer provider."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(exporter))
    instrument(tracers)
    call(provider)
    assert tracers.force_flush()
    tracers.shutdown()


def openinference(tracers: Any) -> None:
    """Arize's."""
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=tracers)


def openllmetry(tracers: Any) -> None:
    """Traceloop's."""
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=tracers)


def openinference_by_json(provider: str, http: str, grpc: str) -> None:
    """OpenTelemetry's exporter of OTLP/JSON."""
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

    exported(OTLPSpanExporter(endpoint=f"{http}/v1/traces"), openinference, provider)


def openinference_by_grpc(provider: str, http: str, grpc: str) -> None:
    """OpenTelemetry's exporter of OTLP/gRPC, compressed."""
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exported(OTLPSpanExporter(grpc, insecure=True, compression=Compression.Gzip), openinference, provider)


def openllmetry_by_http(provider: str, http: str, grpc: str) -> None:
    """OpenTelemetry's exporter of OTLP/HTTP, compressed."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(f"{http}/v1/traces", compression=Compression.Gzip)
    exported(exporter, openllmetry, provider)


def litellm_by_http(provider: str, http: str, grpc: str) -> None:
    """litellm's callback, set up by its environment variables."""
    _litellm(provider, "otlp_http", f"{http}/v1/traces")


def litellm_by_grpc(provider: str, http: str, grpc: str) -> None:
    """The same, over gRPC."""
    _litellm(provider, "otlp_grpc", grpc)


def logfire(provider: str, http: str, grpc: str) -> None:
    """Logfire as a client of another back end, with its metrics and logs, set up by OpenTelemetry's variables."""
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = http
    import logfire as library

    library.configure(send_to_logfire=False, console=False)
    library.instrument_openai()
    call(provider)
    assert library.force_flush()
    library.shutdown()


def _litellm(provider: str, protocol: str, endpoint: str) -> None:
    os.environ |= {"OTEL_EXPORTER": protocol, "OTEL_ENDPOINT": endpoint}
    import litellm
    from litellm.litellm_core_utils.thread_pool_executor import executor
    from opentelemetry import trace

    litellm.callbacks = ["otel"]
    litellm.completion(**{**ASKED, "model": "openai/gpt-5"}, api_base=f"{provider}/v1", api_key="k")
    executor.shutdown(wait=True)  # its callback runs in threads of its own
    assert trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]


CLIENTS = {
    client.__name__: client
    for client in (
        openinference_by_json,
        openinference_by_grpc,
        openllmetry_by_http,
        litellm_by_http,
        litellm_by_grpc,
        logfire,
    )
}

if __name__ == "__main__":
    main()
