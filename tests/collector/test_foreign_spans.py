"""Spans as other libraries send them, attribute by attribute, and what is read out of them.

Names and values are those that the sources named in `collector/dialects/` write; counts are chosen so that reading one
convention for another shows.
"""

import json
from typing import Any, cast

import pytest

from tests.collector.otlp import RECEIVED, span_of, traces
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.segment import Signal

COLUMNS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "thinking_tokens")


def read(scope: str, attributes: dict[str, Any], *, failed: bool = False) -> Row:
    span = span_of(attributes)
    span.status.code = cast(Any, 2 if failed else 0)
    [row] = decode(Signal.TRACES, traces([span], scope), "default", RECEIVED)["spans"]
    return row


def counts(row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in COLUMNS)


# --- Sentry ---------------------------------------------------------------------------------------

SENTRY = {"sentry.op": "gen_ai.chat", "sentry.origin": "auto.ai.x", "gen_ai.operation.name": "chat"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # Python, anthropic: 5 + 80 + 15 summed before it is sent, the total the sum of both
        (
            {
                "gen_ai.system": "anthropic",
                "gen_ai.request.model": "claude-opus-4-5",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.input_tokens.cached": 80,
                "gen_ai.usage.input_tokens.cache_write": 15,
                "gen_ai.usage.output_tokens": 40,
                "gen_ai.usage.total_tokens": 140,
            },
            (100, 80, 15, 40, None),
        ),
        # Python, google-genai: candidates and thoughts summed
        (
            {
                "gen_ai.system": "gcp.gemini",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 60,
                "gen_ai.usage.output_tokens.reasoning": 45,
                "gen_ai.usage.total_tokens": 70,
            },
            (10, None, None, 60, 45),
        ),
        # Python, OpenAI
        (
            {
                "gen_ai.system": "openai",
                "gen_ai.usage.input_tokens": 20,
                "gen_ai.usage.input_tokens.cached": 8,
                "gen_ai.usage.output_tokens": 30,
                "gen_ai.usage.output_tokens.reasoning": 25,
                "gen_ai.usage.total_tokens": 50,
            },
            (20, 8, None, 30, 25),
        ),
        # JavaScript, anthropic: 5 sent as input, 95 of cache in the total alone
        (
            {
                "gen_ai.system": "anthropic",
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.output_tokens": 40,
                "gen_ai.usage.total_tokens": 140,
            },
            (100, None, None, 40, None),
        ),
        # JavaScript, google-genai: 45 thoughts in the total alone
        (
            {
                "gen_ai.system": "google_genai",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 15,
                "gen_ai.usage.total_tokens": 70,
            },
            (10, None, None, 60, 45),
        ),
    ],
)
def test_sentry(attributes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = read("sentry.opentelemetry", SENTRY | attributes)
    assert (row["dialect"], row["span_class"], row["operation"]) == ("sentry", "inference", "chat")
    assert counts(row) == expected


def test_sentry_spans_of_agents_tools_and_requests_are_no_calls() -> None:
    summed = {"gen_ai.usage.input_tokens": 500, "gen_ai.request.model": "m"}
    assert read("x", {"sentry.op": "gen_ai.invoke_agent", **summed})["span_class"] == "agent"
    assert read("x", {"sentry.op": "gen_ai.execute_tool"})["span_class"] == "tool"
    assert read("x", {"sentry.op": "http.client"})["span_class"] == "other"
    assert read("x", {**SENTRY, "gen_ai.response.time_to_first_token": 0.25})["time_to_first_chunk_ms"] == 250


# --- Vercel's AI SDK ------------------------------------------------------------------------------


def vercel(operation: str, provider: str, **more: Any) -> dict[str, Any]:
    named = {name.replace("__", "."): value for name, value in more.items()}
    return {
        "operation.name": f"{operation} support",
        "ai.operationId": operation,
        "ai.telemetry.functionId": "support",
        "ai.telemetry.metadata.userId": "u-1",
        "ai.model.provider": provider,
        "ai.model.id": "m",
        "gen_ai.system": provider,
        "gen_ai.request.model": "m",
        **named,
    }


def test_vercel_since_release_6_counts_alike_for_all_providers() -> None:
    usage = {
        "ai.usage.inputTokens": 100,
        "ai.usage.inputTokenDetails.noCacheTokens": 5,
        "ai.usage.inputTokenDetails.cacheReadTokens": 80,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 15,
        "ai.usage.outputTokens": 60,
        "ai.usage.outputTokenDetails.textTokens": 15,
        "ai.usage.outputTokenDetails.reasoningTokens": 45,
        "ai.usage.totalTokens": 160,
        "ai.usage.reasoningTokens": 45,
        "ai.usage.cachedInputTokens": 80,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 60,
        "ai.response.msToFirstChunk": 312.5,
        "ai.response.id": "msg_1",
    }
    for provider, name in (("anthropic.messages", "anthropic"), ("google.generative-ai", "gcp.gemini")):
        row = read("ai", vercel("ai.streamText.doStream", provider) | usage)
        assert (row["dialect"], row["span_class"], row["provider"]) == ("vercel_ai", "inference", name)
        assert counts(row) == (100, 80, 15, 60, 45)
        assert (row["user_id"], row["response_id"]) == ("u-1", "msg_1")
        assert row["time_to_first_chunk_ms"] == 312.5


@pytest.mark.parametrize(
    ("provider", "usage", "metadata", "expected"),
    [
        # generateText says two counts; what lies outside them stands in the metadata
        (
            "anthropic.messages",
            {"ai.usage.promptTokens": 5, "ai.usage.completionTokens": 60, "gen_ai.usage.input_tokens": 5},
            {
                "anthropic": {
                    "usage": {
                        "input_tokens": 5,
                        "cache_read_input_tokens": 80,
                        "cache_creation_input_tokens": 15,
                        "output_tokens": 60,
                    },
                    "cacheCreationInputTokens": 15,
                }
            },
            (100, 80, 15, 60, None),
        ),
        (
            "google.generative-ai",
            {"ai.usage.promptTokens": 10, "ai.usage.completionTokens": 15},
            {
                "google": {
                    "usageMetadata": {
                        "promptTokenCount": 10,
                        "candidatesTokenCount": 15,
                        "thoughtsTokenCount": 45,
                        "totalTokenCount": 70,
                    }
                }
            },
            (10, None, None, 60, 45),
        ),
        # streamText says more, in the provider's own terms
        (
            "google.generative-ai",
            {
                "ai.usage.inputTokens": 10,
                "ai.usage.outputTokens": 15,
                "ai.usage.totalTokens": 70,
                "ai.usage.reasoningTokens": 45,
            },
            None,
            (10, None, None, 60, 45),
        ),
        (
            "anthropic.messages",
            {
                "ai.usage.inputTokens": 20,
                "ai.usage.outputTokens": 60,
                "ai.usage.totalTokens": 80,
                "ai.usage.cachedInputTokens": 80,
            },
            None,
            (100, 80, None, 60, None),
        ),
        (
            "amazon-bedrock",
            {
                "ai.usage.inputTokens": 5,
                "ai.usage.outputTokens": 60,
                "ai.usage.totalTokens": 65,
                "ai.usage.cachedInputTokens": 80,
            },
            {"bedrock": {"usage": {"cacheWriteInputTokens": 15}}},
            (100, 80, 15, 60, None),
        ),
        (
            "xai.chat",
            {
                "ai.usage.inputTokens": 10,
                "ai.usage.outputTokens": 60,
                "ai.usage.totalTokens": 70,
                "ai.usage.reasoningTokens": 45,
            },
            None,
            (10, None, None, 60, 45),
        ),
        (
            "openai.responses",
            {
                "ai.usage.inputTokens": 10,
                "ai.usage.outputTokens": 60,
                "ai.usage.totalTokens": 70,
                "ai.usage.reasoningTokens": 45,
                "ai.usage.cachedInputTokens": 8,
            },
            {"openai": {"responseId": "resp_1"}},
            (10, 8, None, 60, 45),
        ),
    ],
)
def test_vercel_up_to_release_5_counts_as_the_provider_does(
    provider: str, usage: dict[str, Any], metadata: Any, expected: tuple[Any, ...]
) -> None:
    told = {"ai.response.providerMetadata": json.dumps(metadata)} if metadata else {}
    row = read("ai", vercel("ai.generateText.doGenerate", provider) | usage | told)
    assert (row["dialect"], row["span_class"]) == ("vercel_ai_5", "inference")
    assert counts(row) == expected


@pytest.mark.parametrize(
    ("operation", "span_class"),
    [
        ("ai.generateText", "agent"),
        ("ai.streamText", "agent"),
        ("ai.generateObject.doGenerate", "inference"),
        ("ai.streamObject.doStream", "inference"),
        ("ai.embed", "other"),
        ("ai.embed.doEmbed", "inference"),
        ("ai.embedMany.doEmbed", "inference"),
        ("ai.toolCall", "tool"),
        ("ai.rerank", "other"),
    ],
)
def test_vercel_spans_around_the_calls_are_no_calls(operation: str, span_class: str) -> None:
    row = read("ai", vercel(operation, "openai.chat", ai__usage__promptTokens=7))
    assert row["span_class"] == span_class
    assert row["input_tokens"] == (7 if span_class == "inference" else None)


def test_vercel_in_the_terms_of_the_conventions() -> None:
    said = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "m", "gen_ai.agent.name": "support"}
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 6}
    classes = [
        read("gen_ai", {"gen_ai.operation.name": name, **said, **told})["span_class"]
        for name, told in (
            ("invoke_agent", usage),
            ("agent_step", {}),
            ("chat", usage),
            ("embeddings", {}),
            ("embeddings", {"gen_ai.usage.input_tokens": 3}),
        )
    ]
    assert classes == ["agent", "agent", "inference", "other", "inference"]


# --- Langfuse -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # langfuse.openai, chat completions and responses: details are parts
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 60,
                "total_tokens": 160,
                "prompt_tokens_details": {"cached_tokens": 80},
                "completion_tokens_details": {"reasoning_tokens": 45},
            },
            (100, 80, None, 60, 45),
        ),
        (
            {
                "input_tokens": 100,
                "output_tokens": 60,
                "total_tokens": 160,
                "input_tokens_details": {"cached_tokens": 80},
                "output_tokens_details": {"reasoning_tokens": 45},
            },
            (100, 80, None, 60, 45),
        ),
        # its LangChain handler: buckets that do not overlap
        (
            {"input": 20, "output": 15, "total": 160, "input_cache_read": 80, "output_reasoning": 45},
            (100, 80, None, 60, 45),
        ),
        # Anthropic's counts as the documentation says to hand them in, and as they are
        (
            {"input": 5, "output": 60, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 15},
            (100, 80, 15, 60, None),
        ),
        (
            {
                "input_tokens": 5,
                "output_tokens": 60,
                "cache_read_input_tokens": 80,
                "cache_creation_input_tokens": 15,
                "output_tokens_details": {"thinking_tokens": 45},
            },
            (100, 80, 15, 60, 45),
        ),
        # xAI through the OpenAI client: the total shows that thinking is outside
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 15,
                "total_tokens": 70,
                "completion_tokens_details": {"reasoning_tokens": 45},
            },
            (10, None, None, 60, 45),
        ),
        ({"input": 12}, (12, None, None, None, None)),
    ],
)
def test_langfuse(usage: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = read(
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "m",
            "langfuse.observation.model.parameters": json.dumps({"reasoning_effort": "high", "service_tier": "flex"}),
            "langfuse.observation.usage_details": json.dumps(usage),
            "langfuse.observation.cost_details": json.dumps({"total": 0.25}),
            "user.id": "u-1",
            "session.id": "s-1",
        },
    )
    assert (row["dialect"], row["span_class"], row["response_model"]) == ("langfuse", "inference", "m")
    assert counts(row) == expected
    assert (row["effort"], row["service_tier"], row["reported_cost_usd"]) == ("high", "flex", 0.25)
    assert (row["user_id"], row["session_id"]) == ("u-1", "s-1")


@pytest.mark.parametrize(
    ("kind", "span_class"),
    [("span", "other"), ("agent", "agent"), ("tool", "tool"), ("embedding", "inference"), ("evaluator", "other")],
)
def test_langfuse_types(kind: str, span_class: str) -> None:
    assert read("langfuse-sdk", {"langfuse.observation.type": kind})["span_class"] == span_class


# --- Logfire and pydantic-ai ----------------------------------------------------------------------

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "anthropic",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "m",
}


@pytest.mark.parametrize("word", ["reasoning_tokens", "thinking_tokens", "thoughts_tokens"])
def test_pydantic_ai(word: str) -> None:
    usage = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 60,
        "gen_ai.usage.cache_creation.input_tokens": 15,
        "gen_ai.usage.cache_read.input_tokens": 80,
        "gen_ai.usage.details.cache_write_tokens": 15,
        "gen_ai.usage.details.cache_read_tokens": 80,
        f"gen_ai.usage.details.{word}": 45,
        "operation.cost": 0.5,
        "gen_ai.client.operation.time_to_first_chunk": 0.5,
        "logfire.json_schema": "{}",
    }
    row = read("pydantic-ai", CHAT | usage)
    assert (row["dialect"], row["span_class"], row["reported_cost_usd"]) == ("pydantic_ai", "inference", None)
    assert counts(row) == (100, 80, 15, 60, 45)
    assert row["time_to_first_chunk_ms"] == 500
    agent = read("pydantic-ai", {**usage, "gen_ai.operation.name": "invoke_agent", "model_name": "m"})
    assert (agent["span_class"], agent["input_tokens"]) == ("agent", None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {
                "input_tokens": 5,
                "output_tokens": 60,
                "cache_read_input_tokens": 80,
                "cache_creation_input_tokens": 15,
                "output_tokens_details": {"thinking_tokens": 45},
            },
            (100, 80, 15, 60, 45),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 60,
                "total_tokens": 160,
                "prompt_tokens_details": {"cached_tokens": 80},
                "completion_tokens_details": {"reasoning_tokens": 45},
            },
            (100, 80, None, 60, 45),
        ),
        (None, (100, None, None, 60, None)),
    ],
)
def test_logfire(raw: Any, expected: tuple[Any, ...]) -> None:
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 60, "operation.cost": 0.5}
    told = {"gen_ai.usage.raw": json.dumps(raw)} if raw else {}
    row = read("logfire.anthropic", CHAT | usage | told)
    assert (row["dialect"], row["span_class"]) == ("logfire", "inference")
    assert counts(row) == expected


def test_a_streamed_call_of_logfire_is_one_call() -> None:
    request = {**CHAT, "logfire.span_type": "span", "request_data": '{"model": "m", "stream": true}'}
    ended = {**CHAT, "logfire.span_type": "log", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 6}
    assert read("logfire.openai", request)["span_class"] == "other"
    assert read("logfire.openai", ended)["span_class"] == "inference"
    assert read("logfire.openai", request, failed=True)["span_class"] == "inference"
