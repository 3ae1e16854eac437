"""An application that other instrumentations watch too; each call is a request of its own.

Run as `python -m tests.sdk.beside.program ORDER PROVIDER-PORT COLLECTOR-URL LIBRARY,... INSTRUMENTATION...`. ORDER is
`first` where thinkmeter is instrumented before the others, else `last`.
"""

import importlib
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import thinkmeter
from tests.sdk.beside.calls import calls

INSTRUMENTORS = {
    "openllmetry": [
        ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
        ("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor"),
    ],
    "openinference": [
        ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
        ("openinference.instrumentation.anthropic", "AnthropicInstrumentor"),
    ],
    "otel genai": [
        ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
        ("opentelemetry.instrumentation.genai.anthropic", "AnthropicInstrumentor"),
    ],
    "otel openai-v2": [("opentelemetry.instrumentation.openai_v2", "OpenAIInstrumentor")],
}


def main() -> None:
    """Instrument, call, end."""
    order, port, collector, libraries, *others = sys.argv[1:]
    provider = TracerProvider(resource=Resource.create({"service.name": " + ".join(others)}))
    trace.set_tracer_provider(provider)
    if order == "first":
        thinkmeter.instrument(endpoint=collector)
    for other in others:
        for module, name in INSTRUMENTORS[other]:
            instrumentor: Any = getattr(importlib.import_module(module), name)()
            instrumentor.instrument(tracer_provider=provider)
    if order == "last":
        thinkmeter.instrument(endpoint=collector)
    for name, call in calls(libraries.split(",")).items():
        with thinkmeter.request("beside", request_id=f"{order} {name}"), thinkmeter.attempt(tier=1):
            call(int(port))
    assert thinkmeter.flush(20), thinkmeter.health()
    assert thinkmeter.health().faults == 0, thinkmeter.health()


if __name__ == "__main__":
    main()
