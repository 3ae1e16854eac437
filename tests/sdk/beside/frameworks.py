"""Frameworks that call the clients: litellm with its OpenTelemetry callback, LangChain with OpenInference.

Run as `python -m tests.sdk.beside.frameworks PROVIDER-PORT COLLECTOR-URL`, where litellm and langchain are installed.
"""

import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import thinkmeter


def main() -> None:
    """Instrument, call, end."""
    port, collector = sys.argv[1:]
    base_url = f"http://127.0.0.1:{port}/v1"
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    thinkmeter.instrument(endpoint=collector)

    import litellm
    from langchain_openai import ChatOpenAI
    from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig
    from litellm.litellm_core_utils.thread_pool_executor import executor
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    litellm.callbacks = [OpenTelemetry(OpenTelemetryConfig(exporter="none"), tracer_provider=provider)]
    question = [{"role": "user", "content": "6 x 7?"}]
    asked: dict[str, Any] = {"model": "openai/gpt-5", "messages": question, "api_base": base_url, "api_key": "k"}
    with thinkmeter.request("beside", request_id="litellm whole"), thinkmeter.attempt(tier=1):
        litellm.completion(**asked)
    with thinkmeter.request("beside", request_id="litellm streamed"), thinkmeter.attempt(tier=1):
        list(litellm.completion(**asked, stream=True))
    model = ChatOpenAI(model="gpt-5", base_url=base_url, api_key="k", max_retries=0)
    with thinkmeter.request("beside", request_id="langchain whole"), thinkmeter.attempt(tier=1):
        model.invoke("6 x 7?")
    with thinkmeter.request("beside", request_id="langchain streamed"), thinkmeter.attempt(tier=1):
        list(model.stream("6 x 7?"))
    executor.shutdown(wait=True)  # litellm's callback runs in threads of its own
    assert thinkmeter.flush(20), thinkmeter.health()
    assert thinkmeter.health().faults == 0, thinkmeter.health()


if __name__ == "__main__":
    main()
