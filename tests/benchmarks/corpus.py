"""Export requests like those of an application in production: about 25 attributes and 1 kB a span."""

import random
from collections.abc import Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from thinkmeter.schema import attributes as names

START_NS = 1_793_491_200 * 10**9
MODELS: Sequence[tuple[str, str]] = (
    ("openai", "gpt-5.1"),
    ("openai", "o4-mini"),
    ("anthropic", "claude-opus-4-5"),
    ("gcp.gemini", "gemini-3-pro"),
)
TASKS = ("sql_generation", "summary", "extraction", "code_review")


def request(chance: random.Random, spans: int) -> ExportTraceServiceRequest:
    """A request of calls that think."""
    export = ExportTraceServiceRequest()
    resource_spans = export.resource_spans.add()
    resource_spans.resource.attributes.extend(
        [_text(names.SERVICE_NAME, "assistant"), _text(names.ENVIRONMENT, "production"), _text("host.name", "ip-10-1")]
    )
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = names.SDK_SCOPE, "0.1.0"
    for _ in range(spans):
        provider, model = chance.choice(MODELS)
        thinking, answer = int(chance.lognormvariate(6, 1.2)), int(chance.lognormvariate(5.5, 1.0)) + 1
        span = scope_spans.spans.add(name=f"chat {model}", kind=3)
        span.trace_id, span.span_id, span.parent_span_id = (chance.randbytes(size) for size in (16, 8, 8))
        span.start_time_unix_nano = START_NS + chance.randrange(3600 * 10**9)
        span.end_time_unix_nano = span.start_time_unix_nano + chance.randrange(20 * 10**9)
        for name, text in {
            names.OPERATION_NAME: "chat",
            names.PROVIDER_NAME: provider,
            names.REQUEST_MODEL: model,
            names.RESPONSE_MODEL: f"{model}-2026-10-01",
            names.RESPONSE_ID: f"resp_{chance.randbytes(12).hex()}",
            names.REQUEST_ID: chance.randbytes(8).hex(),
            names.TASK: chance.choice(TASKS),
            names.STRATEGY: "chain_of_thought",
            names.REQUEST_REASONING_LEVEL: "high",
            names.USER_ID: f"u-{chance.randrange(500)}",
            names.SESSION_ID: f"s-{chance.randrange(5000)}",
            names.SERVICE_TIER: "standard",
            names.THINKING_SOURCE: "provider",
            names.SERVER_ADDRESS: f"api.{provider}.example",
            names.PROMPT_NAME: "answer-v7",
        }.items():
            span.attributes.append(_text(name, text))
        for name, number in {
            names.INPUT_TOKENS: int(chance.lognormvariate(7, 1.1)),
            names.OUTPUT_TOKENS: thinking + answer,
            names.REASONING_OUTPUT_TOKENS: thinking,
            names.CACHE_READ_INPUT_TOKENS: 0,
            names.TIER: chance.randint(1, 3),
            names.ATTEMPT: 1,
            names.REQUEST_MAX_TOKENS: 8192,
            names.SERVER_PORT: 443,
        }.items():
            span.attributes.append(KeyValue(key=name, value=AnyValue(int_value=number)))
        reasons = ArrayValue(values=[AnyValue(string_value="stop")])
        span.attributes.append(KeyValue(key=names.RESPONSE_FINISH_REASONS, value=AnyValue(array_value=reasons)))
    return export


def _text(name: str, text: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=text))
