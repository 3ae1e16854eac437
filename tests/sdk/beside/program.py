"""An application that other instrumentations watch too; each call is a request of its own.

Run as `python -m tests.sdk.beside.program ORDER PROVIDER-PORT COLLECTOR-URL LIBRARY,... INSTRUMENTATION+...`. ORDER is
`first` where thinkmeter is instrumented before the others, else `last`. Each group of others has a process of its own,
forked from one that has imported the clients, which takes longer than all else.
"""

import importlib
import os
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
    """Run one application after the other."""
    order, port, collector, libraries, *groups = sys.argv[1:]
    for group in groups:
        child = os.fork()
        if not child:
            application(order, int(port), collector, libraries.split(","), group)
            return
        _, status = os.waitpid(child, 0)
        assert status == 0, group


def application(order: str, port: int, collector: str, libraries: list[str], group: str) -> None:
    """Instrument, call, end."""
    provider = TracerProvider(resource=Resource.create({"service.name": group}))
    trace.set_tracer_provider(provider)
    if order == "first":
        thinkmeter.instrument(endpoint=collector)
    for other in group.split("+"):
        for module, name in INSTRUMENTORS[other]:
            instrumentor: Any = getattr(importlib.import_module(module), name)()
            instrumentor.instrument(tracer_provider=provider)
    if order == "last":
        thinkmeter.instrument(endpoint=collector)
    for name, call in calls(libraries).items():
        with thinkmeter.request("beside", request_id=f"{order} {group} {name}"), thinkmeter.attempt(tier=1):
            call(port)
    assert thinkmeter.flush(20), thinkmeter.health()
    assert thinkmeter.health().faults == 0, thinkmeter.health()


if __name__ == "__main__":
    main()
