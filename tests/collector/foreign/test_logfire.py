"""Spans as Logfire and pydantic-ai send them, attribute by attribute, and what is read out of them."""

import json
from typing import Any

import pytest

from tests.collector.foreign.reading import counts, read

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
