"""Spans as Vercel's AI SDK sends them, attribute by attribute, and what is read out of them."""

import json
from typing import Any

import pytest

from tests.collector.foreign.reading import counts, read


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
