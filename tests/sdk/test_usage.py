"""What usage objects mean, in every form that providers give them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkmeter.sdk.health import FAULTS
from thinkmeter.sdk.usage import Usage, chat_usage, gemini_usage, messages_usage, other_models, plain, responses_usage

TOKENS = st.integers(0, 10_000_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "completion_tokens_details",
    "prompt_tokens_details",
    "input_tokens",
    "output_tokens",
    "output_tokens_details",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "iterations",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
    "cost",
    "cost_in_usd_ticks",
    "service_tier",
    "speed",
    "trafficType",
)


def chat(prompt: int, completion: int, thinking: int | None, total: int | None = None) -> dict[str, Any]:
    raw: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if thinking is not None:
        raw["completion_tokens_details"] = {"reasoning_tokens": thinking}
    if total is not None:
        raw["total_tokens"] = total
    return raw


@given(prompt=TOKENS, answer=TOKENS, thinking=TOKENS, apart=st.booleans(), told=st.booleans())
def test_a_total_decides_whether_thinking_is_inside_or_apart(
    prompt: int, answer: int, thinking: int, apart: bool, told: bool
) -> None:
    completion = answer if apart else answer + thinking
    total = prompt + answer + thinking if told else None
    usage = chat_usage(chat(prompt, completion, thinking, total), thinking_apart=apart)
    assert (usage.input, usage.output, usage.thinking) == (prompt, answer + thinking, thinking)


def test_a_total_overrules_what_is_known_of_the_endpoint() -> None:
    assert chat_usage(chat(10, 30, 20, 40), thinking_apart=True).output == 30
    assert chat_usage(chat(10, 30, 20, 60), thinking_apart=False).output == 50


@given(prompt=TOKENS, answer=TOKENS, thinking=TOKENS)
def test_thinking_that_stands_in_the_total_alone_is_derived_from_it(prompt: int, answer: int, thinking: int) -> None:
    raw = chat(prompt, answer, None, prompt + answer + thinking)
    usage = chat_usage(raw, thinking_untold=True)
    assert (usage.output, usage.thinking, usage.source) == (answer + thinking, thinking, "derived")
    assert chat_usage(raw).thinking is None


@given(fresh=TOKENS, read=TOKENS, written=TOKENS, output=TOKENS)
def test_anthropics_disjoint_input_is_summed(fresh: int, read: int, written: int, output: int) -> None:
    raw = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": output,
    }
    usage = messages_usage(raw)
    assert (usage.input, usage.cache_read, usage.cache_write) == (fresh + read + written, read, written)
    assert usage.cache_read is not None
    assert usage.cache_read + written <= fresh + read + written


@given(prompt=TOKENS, candidates=TOKENS, thoughts=TOKENS, tools=TOKENS)
def test_geminis_buckets_add_up_to_its_total(prompt: int, candidates: int, thoughts: int, tools: int) -> None:
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "toolUsePromptTokenCount": tools,
    }
    total = prompt + candidates + thoughts + tools
    raw = {name: count for name, count in counts.items() if count} | {
        "totalTokenCount": total,
        "promptTokenCount": prompt,
    }
    usage = gemini_usage(raw)
    assert (usage.input, usage.output, usage.thinking) == (prompt + tools, candidates + thoughts, thoughts)


def test_gemini_thinking_that_the_total_does_not_rule_out_is_unknown() -> None:
    usage = gemini_usage({"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 20})
    assert (usage.thinking, usage.source) == (None, "missing")


def test_thinking_above_output_is_unknown_and_counted() -> None:
    FAULTS.clear()
    raw = chat(43, 10, 11, 53)
    usage = chat_usage(raw).settle(thought_nothing=False)
    assert (usage.output, usage.thinking, usage.source) == (10, None, "missing")
    assert usage.raw == raw
    assert FAULTS.oddities == {"thinking above output": 1}
    FAULTS.clear()


@pytest.mark.parametrize(
    ("raw", "cost_usd"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, 0.21),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, 0.01),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.3}}, 0.3),
        ({"cost_in_usd_ticks": 4_680_000}, 0.000468),
        ({"cost_in_usd_ticks": "4680000"}, 0.000468),
        ({"cost": True}, None),
        ({}, None),
    ],
)
def test_a_reported_cost_is_in_usd(raw: dict[str, Any], cost_usd: float | None) -> None:
    assert chat_usage(raw, costs=True).cost_usd == (None if cost_usd is None else pytest.approx(cost_usd))
    assert chat_usage(raw).cost_usd is None


@pytest.mark.parametrize("nonsense", [-1, True, "12", 1.5, None, [], {}])
def test_a_count_that_is_none_is_unknown(nonsense: object) -> None:
    raw = {"input_tokens": nonsense, "output_tokens": 12.0, "output_tokens_details": nonsense}
    usage = responses_usage(raw)
    assert (usage.input, usage.output, usage.thinking) == (None, 12, None)


@given(raw=st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON))
def test_whatever_a_server_sends_the_invariants_hold(raw: dict[str, Any]) -> None:
    readings = [
        chat_usage(raw, costs=True),
        chat_usage(raw, thinking_apart=True),
        chat_usage(raw, thinking_untold=True),
        responses_usage(raw),
        messages_usage(raw),
        gemini_usage(raw),
        *(usage for _, usage in other_models(raw)),
    ]
    for usage in readings:
        check(usage.settle(thought_nothing=False))
        check(usage.partial())


def check(usage: Usage) -> None:
    counts = (usage.input, usage.output, usage.thinking, usage.cache_read, usage.cache_write, usage.cache_write_1h)
    assert all(count is None or (type(count) is int and count >= 0) for count in counts)
    assert (usage.thinking is None) == (usage.source == "missing")
    if usage.thinking is not None and usage.output is not None:
        assert usage.thinking <= usage.output
    for value in usage.attributes().values():
        assert isinstance(value, str | int | float)
    json.loads(str(usage.attributes().get("thinkmeter.usage.raw", "{}")))


def test_an_empty_usage_object_is_none() -> None:
    assert plain({}) is None
    assert plain(None) is None
    assert plain({"a": 1}) == {"a": 1}
