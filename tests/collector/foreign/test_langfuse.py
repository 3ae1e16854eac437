"""Spans as Langfuse sends them, attribute by attribute, and what is read out of them."""

import json
from typing import Any

import pytest

from tests.collector.foreign.reading import counts, read


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
