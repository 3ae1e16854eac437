"""`opentelemetry-instrument` alone: no change of code, beside the application's own provider, sampler, propagators."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.sdk.collector_server import CollectorServer, attributes_of
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names

PROGRAM = """
    import sys
    import openai
    from opentelemetry import propagate, trace

    tracer = trace.get_tracer("shop")
    client = openai.OpenAI(api_key="k", base_url=sys.argv[1], max_retries=0)
    for number in range(int(sys.argv[2])):
        with tracer.start_as_current_span("GET /"):
            reply = client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "6 x 7?"}])
            assert reply.choices[0].message.content == "42"
    print(type(trace.get_tracer_provider()).__module__)
    print(sorted(propagate.get_global_textmap().fields))
"""
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
NONE_DROPPED = {"OTEL_TRACES_SAMPLER": "always_on"}


def zero_code(
    provider: ProviderServer, collector: CollectorServer, calls: int, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program below `opentelemetry-instrument`."""
    for _ in range(calls):
        provider.reply(chat_whole(Told()))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "THINKMETER_"))}
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "shop",
        # what the development environment has besides us; tests/sdk/beside runs these together
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai,anthropic",
    }
    tool = Path(sys.executable).with_name("opentelemetry-instrument")
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), f"{provider.url}/v1", str(calls)]
    return subprocess.run(
        [str(tool), *program],
        env={**own, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("endpoint", ["the standard variables", "an endpoint of its own"])
def test_calls_are_measured_beside_the_applications_own_provider(
    provider: ProviderServer, collector: CollectorServer, endpoint: str
) -> None:
    with CollectorServer() as ours:
        own = {"THINKMETER_ENDPOINT": ours.url} if endpoint == "an endpoint of its own" else {}
        done = zero_code(provider, collector, 2, **NONE_DROPPED, OTEL_PROPAGATORS="baggage", **own)
        assert done.returncode == 0, done.stderr
        assert "opentelemetry.sdk.trace" in done.stdout
        assert "['baggage']" in done.stdout
        spans = [span for span in collector.spans if span.name in ("GET /", "chat gpt-5")]
        web, chat = ([s for s in spans if s.name == name] for name in ("GET /", "chat gpt-5"))
        assert (len(web), len(chat)) == (2, 2)
        assert [span.parent_span_id for span in chat] == [span.span_id for span in web]
        for span in chat:
            found = attributes_of(span.attributes)
            assert (found[names.REASONING_OUTPUT_TOKENS], found[names.SAMPLING_PROBABILITY]) == (512, 1.0)
        assert collector.resources[0][names.SERVICE_NAME] == "shop"
        gen_ai = [span.name for span in ours.spans]
        assert gen_ai == (["chat gpt-5"] * 2 if own else [])


def test_the_applications_sampler_decides_and_coverage_can_know_it(
    provider: ProviderServer, collector: CollectorServer
) -> None:
    done = zero_code(provider, collector, 30, **SAMPLED)
    assert done.returncode == 0, done.stderr
    chat = [attributes_of(span.attributes) for span in collector.spans if span.name == "chat gpt-5"]
    web = [span for span in collector.spans if span.name == "GET /"]
    assert 0 < len(chat) == len(web) < 30
    assert {found[names.SAMPLING_PROBABILITY] for found in chat} == {0.5}
