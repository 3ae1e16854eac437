"""litellm: one span a call, whether it sends by itself or through a client library, with what the provider told."""

import json
from pathlib import Path
from typing import Any

from tests.sdk.beside.running import program
from tests.sdk.cases import CASES, Case
from tests.sdk.collector_server import CollectorServer
from tests.sdk.provider_server import SSE, Framing, ProviderServer
from tests.sdk.test_embeddings import LIST, VECTOR
from tests.sdk.test_provider_pages import PAGES_BESIDE, run_page
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names

TOLD = Told()
SPOKEN = {  # how the replies to each kind of call look
    "anthropic": "anthropic messages",
    "deepseek": "openai chat",
    "gemini": "gemini generate_content",
    "bedrock": "bedrock converse",
    "invoke": "bedrock invoke",
    "openai": "openai chat",
}
EMBEDDED = {
    "openai": LIST,
    "voyage": {**LIST, "usage": {"total_tokens": 7}},
    "gemini": {"embeddings": [{"values": VECTOR}], "usageMetadata": {"promptTokenCount": 7}},
    "bedrock": {"embedding": VECTOR, "inputTextTokenCount": 7},
}
PROVIDERS = {"deepseek": "deepseek", "openai": "openai", "anthropic": "anthropic", "gemini": "gcp.gemini"}
BILLED = {"input_tokens": 1200, "output_tokens": 640}
COHERE = {
    "id": "reply-1",
    "finish_reason": "COMPLETE",
    "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Wait. So 42."}, {"type": "text", "text": "42"}],
    },
    "usage": {"billed_units": BILLED, "tokens": {"input_tokens": 1271, "output_tokens": 645}, "cached_tokens": 924},
}
"""A reply of Cohere's v2 API: what is billed, and what else the model saw."""
COHERE_EVENTS: list[dict[str, Any]] = [
    {"type": "message-start", "id": "reply-1", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}},
    *(
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": piece}}}}
        for piece in ("Wait. ", "So 42.")
    ),
    {"type": "content-end", "index": 0},
    {"type": "content-start", "index": 1, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    *({"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": piece}}}} for piece in "42"),
    {"type": "content-end", "index": 1},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COHERE["usage"]}},
]
LINES = Framing("application/stream+json", lambda event: json.dumps(event).encode() + b"\n")
"""How Cohere streams to those who ask for JSON, as litellm does."""
SHAPES = ("whole", "streamed", "async whole", "async streamed")


def answer(provider: ProviderServer, case: Case, *, stream: bool) -> None:
    if stream:
        framing = case.framing or SSE
        provider.stream(case.events(TOLD), done=case.done, framing=framing, headers=case.headers)
    else:
        provider.reply(case.whole(TOLD), headers=case.headers)


def test_every_call_is_one_span_with_what_the_provider_told(environments: Path, provider: ProviderServer) -> None:
    cases = {case.name: case for case in CASES}
    for spoken in SPOKEN.values():
        for shape in SHAPES:
            answer(provider, cases[spoken], stream="streamed" in shape)
    answer(provider, cases["openai responses"], stream=False)
    answer(provider, cases["openai responses"], stream=True)
    for reply in EMBEDDED.values():
        provider.reply(reply)
    provider.reply({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, 400)
    answer(provider, cases["anthropic messages"], stream=True)
    for streamed in (False, True, False, True, False):
        provider.stream(COHERE_EVENTS, done=False, framing=LINES) if streamed else provider.reply(COHERE)
    provider.reply({"message": "no such model"}, 404)
    provider.reply(COHERE)
    provider.stream(COHERE_EVENTS, done=False, framing=LINES)
    python = str(environments / "frameworks" / "bin" / "python")
    said = program("tests.sdk.beside.litellm_calls", str(provider.port), python=python)
    told: dict[str, dict[str, Any]] = {line["name"]: line for line in map(json.loads, said.splitlines())}
    whole = [f"{name} {shape}" for name in SPOKEN for shape in SHAPES] + ["responses whole", "responses streamed"]
    embedded = [f"{name} embeddings" for name in EMBEDDED]
    cohere = [f"cohere {shape}" for shape in (*SHAPES, "without thinking", "refused", "content", "content streamed")]
    assert list(told) == [*whole, *embedded, "refused", "left early", *cohere]
    for name, line in told.items():
        assert (len(line["spans"]), line["faults"]) == (1, 0), (name, line)
    for name in embedded:
        [span] = told[name]["spans"]
        expected = {
            names.OPERATION_NAME: "embeddings",
            names.INPUT_TOKENS: 7,
            names.OUTPUT_TOKENS: 0,
            names.REASONING_OUTPUT_TOKENS: 0,
        }
        assert span.items() >= expected.items(), name
    for name in whole:
        [span] = told[name]["spans"]
        counts = (
            span.get(names.INPUT_TOKENS),
            span.get(names.OUTPUT_TOKENS),
            span.get(names.REASONING_OUTPUT_TOKENS),
            span.get(names.CACHE_READ_INPUT_TOKENS),
            span.get(names.RESPONSE_ID) is not None,
            span.get(names.ERROR_TYPE),
        )
        assert counts == (TOLD.input, TOLD.output, TOLD.thinking, TOLD.cached, True, None), (name, told[name])
    [refused] = told["refused"]["spans"]
    assert (refused[names.ERROR_TYPE], refused.get(names.OUTPUT_TOKENS)) == ("MaskedHTTPStatusError", None)
    assert told["refused"]["got"] == "BadRequestError"
    [left] = told["left early"]["spans"]
    assert left.get(names.OUTPUT_TOKENS) is None
    assert left[names.REQUEST_STREAM] is True
    for name in cohere:
        [span] = told[name]["spans"]
        if name == "cohere refused":
            assert span[names.ERROR_TYPE], told[name]
            continue
        expected = {
            names.PROVIDER_NAME: "self_hosted",
            names.REQUEST_MODEL: "command-a-reasoning-08-2025",
            names.REQUEST_MAX_TOKENS: 900,
            names.INPUT_TOKENS: 1200,
            names.OUTPUT_TOKENS: 640,
            names.CACHE_READ_INPUT_TOKENS: 924,
            names.REASONING_OUTPUT_TOKENS: None,
            names.THINKING_SOURCE: "missing",
            names.REFLECTION_RATIO: 0.5,
            names.RESPONSE_ID: "reply-1",
            names.RESPONSE_FINISH_REASONS: ["COMPLETE"],
            names.ERROR_TYPE: None,
        }
        assert {attribute: span.get(attribute) for attribute in expected} == expected, name
        assert (names.TIME_TO_FIRST_ANSWER in span) == ("streamed" in name), name
        parts = [{"type": "reasoning", "content": "Wait. So 42."}, {"type": "text", "content": "42"}]
        output = [{"role": "assistant", "parts": parts}] if "content" in name else None
        assert json.loads(span.get(names.OUTPUT_MESSAGES, "null")) == output, name


def test_the_example_of_its_page_runs(environments: Path, provider: ProviderServer, collector: CollectorServer) -> None:
    python = str(environments / "frameworks" / "bin" / "python")
    run_page(provider, collector, "litellm", PAGES_BESIDE["litellm"], python)
