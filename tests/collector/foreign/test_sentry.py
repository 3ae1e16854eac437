"""Spans as Sentry sends them, attribute by attribute, and what is read out of them."""

from typing import Any

import pytest

from tests.collector.foreign.reading import counts, read

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
