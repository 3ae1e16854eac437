"""One case per API: how its replies look, whole and streamed, and how a client asks for them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from tests.sdk.clients import (
    MistralClient,
    anthropic_client,
    async_anthropic_client,
    async_groq_client,
    async_openai_client,
    bedrock_client,
    fitted,
    google_client,
    groq_client,
    openai_client,
)
from tests.sdk.provider_server import AMAZON, SSE, Framing


@dataclass(frozen=True)
class Told:
    """What a provider tells of one call, in our meaning: input with cache, output with thinking; None: not told."""

    input: int = 1200
    cached: int | None = 924
    output: int = 640
    thinking: int | None = 512


@dataclass(frozen=True)
class Case:
    """One API and its client library.

    Attributes:
        name: for the test's id.
        provider: provider name on the span.
        operation: operation name on the span.
        client: makes a client, given the server's port and whether it is to be asynchronous.
        create: asks for a reply, whole or streamed.
        whole: the body of a whole reply; `usage` False leaves the usage out, `shown` shows thinking.
        events: the same as elements of a stream; the answer begins at `answer_at`.
        answer_at: position of the server's event with which visible answer begins.
        before_answer: elements that the caller gets before it; some events are the library's own.
        finish: finish reason on the span.
        done: whether the stream ends with `[DONE]`.
        absent: thinking where the provider does not tell and shows thinking: what we say.
        unshown: thinking where the provider neither tells nor shows any.
        known_early: what an interrupted stream has told after `answer_at`.
        asynchronous: whether the library has asynchronous clients.
        framing: how the stream is put on the wire.
        headers: of every reply.
        hidden: elements at the end of a stream that are there because we asked for usage.
        wraps_errors: whether the library puts an error of its own around one that breaks a stream off.
        asks: whether we add a question for thinking to the request.
    """

    name: str
    provider: str
    operation: str
    client: Callable[[int, bool], Any]
    create: Callable[[Any, bool], Any]
    whole: Callable[..., dict[str, Any]]
    events: Callable[..., list[dict[str, Any]]]
    answer_at: int
    before_answer: int
    finish: str
    done: bool
    unshown: int | None
    known_early: frozenset[str]
    asynchronous: bool = True
    framing: Framing = SSE
    headers: dict[str, str] = field(default_factory=dict)
    hidden: int = 0
    asks: bool = False
    wraps_errors: bool = False


# --- OpenAI chat completions ----------------------------------------------------------------------


def chat_usage(told: Told) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": told.input,
        "completion_tokens": told.output,
        "total_tokens": told.input + told.output,
    }
    if told.cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": told.cached}
    if told.thinking is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": told.thinking}
    return usage


def chat_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    message = {"role": "assistant", "content": "42", **({"reasoning_content": "hm"} if shown else {})}
    return {
        "id": "reply-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5-2025-08-07",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        **({"usage": chat_usage(told)} if usage else {}),
    }


def chat_chunk(delta: dict[str, Any], finish: str | None = None, **further: Any) -> dict[str, Any]:
    return {
        "id": "reply-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-5-2025-08-07",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **further,
    }


def chat_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    thought = {"reasoning_content": "hm"} if shown else {}
    chunks = [
        chat_chunk({"role": "assistant", "content": ""}),
        chat_chunk({"content": None, **thought}),
        chat_chunk({"content": "4"}),
        chat_chunk({"content": "2"}),
        chat_chunk({}, "stop"),
    ]
    return [*chunks, chat_chunk({}, choices=[], usage=chat_usage(told))] if usage else chunks


def chat_create(client: Any, stream: bool) -> Any:
    return client.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "6 x 7?"}], stream=stream, reasoning_effort="high"
    )


def chat_client(port: int, asynchronous: bool) -> Any:
    return async_openai_client(port) if asynchronous else openai_client(port)


# --- OpenAI Responses -----------------------------------------------------------------------------


def responses_whole(told: Told, *, usage: bool = True, shown: bool = True, status: str = "completed") -> dict[str, Any]:
    thought: dict[str, Any] = {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    text = {"type": "output_text", "text": "42", "annotations": []}
    details: dict[str, Any] = {}
    if told.cached is not None:
        details["input_tokens_details"] = {"cached_tokens": told.cached}
    if told.thinking is not None:
        details["output_tokens_details"] = {"reasoning_tokens": told.thinking}
    counts = {"input_tokens": told.input, "output_tokens": told.output, "total_tokens": told.input + told.output}
    return {
        "id": "reply-1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5-2025-08-07",
        "status": status,
        "output": [
            *([thought] if shown else []),
            {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [text]},
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **({"usage": {**counts, **details}} if usage else {}),
    }


def responses_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    whole = responses_whole(told, usage=usage, shown=shown)
    place = {"item_id": "msg", "output_index": 1, "content_index": 0}
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    return [
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.in_progress", "sequence_number": 1, "response": begun},
        {"type": "response.output_text.delta", "sequence_number": 2, **place, "delta": "4", "logprobs": []},
        {"type": "response.output_text.delta", "sequence_number": 3, **place, "delta": "2", "logprobs": []},
        {"type": "response.completed", "sequence_number": 4, "response": whole},
    ]


def responses_create(client: Any, stream: bool) -> Any:
    return client.responses.create(model="gpt-5", input="6 x 7?", stream=stream, reasoning={"effort": "high"})


# --- Anthropic Messages ---------------------------------------------------------------------------


def messages_usage(told: Told) -> dict[str, Any]:
    cached = told.cached or 0
    usage: dict[str, Any] = {"input_tokens": told.input - cached, "output_tokens": told.output}
    if told.cached is not None:
        usage |= {"cache_read_input_tokens": cached, "cache_creation_input_tokens": 0}
    if told.thinking is not None:
        usage["output_tokens_details"] = {"thinking_tokens": told.thinking}
    return usage


def messages_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    return {
        "id": "reply-1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [*([thought] if shown else []), {"type": "text", "text": "42"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        **({"usage": messages_usage(told)} if usage else {}),
    }


def messages_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    full = messages_usage(told)
    first = {name: value for name, value in full.items() if name != "output_tokens_details"}
    last = {name: full[name] for name in ("output_tokens", "output_tokens_details") if name in full}
    head = {**messages_whole(told, usage=False), "content": [], "stop_reason": None}
    head["usage"] = {**first, "output_tokens": 1} if usage else None
    thinking = [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_stop", "index": 0},
    ]
    nothing = [{"type": "ping"}] * 3
    return [
        {"type": "message_start", "message": head},
        *(thinking if shown else nothing),
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "42"}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": last if usage else None,
        },
        {"type": "message_stop"},
    ]


def messages_create(client: Any, stream: bool) -> Any:
    asked = fitted(
        client.messages.create,
        model="claude-sonnet-5",
        max_tokens=4096,
        messages=[{"role": "user", "content": "6 x 7?"}],
        stream=stream,
        output_config={"effort": "high"},
    )
    return client.messages.create(**asked)


def messages_client(port: int, asynchronous: bool) -> Any:
    return async_anthropic_client(port) if asynchronous else anthropic_client(port)


# --- Gemini generate_content ----------------------------------------------------------------------


def gemini_usage(told: Told) -> dict[str, Any]:
    thinking = told.thinking or 0
    usage = {"promptTokenCount": told.input, "candidatesTokenCount": told.output - thinking}
    usage["totalTokenCount"] = told.input + told.output
    if told.cached is not None:
        usage["cachedContentTokenCount"] = told.cached
    if thinking:  # the API omits zeros
        usage["thoughtsTokenCount"] = thinking
    return usage


def gemini_chunk(parts: list[dict[str, Any]], finish: str | None = None, **further: Any) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"responseId": "reply-1", "modelVersion": "gemini-3.5-flash", "candidates": [candidate], **further}


def gemini_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [*([{"text": "hm", "thought": True}] if shown else []), {"text": "42"}]
    return gemini_chunk(parts, "STOP", **({"usageMetadata": gemini_usage(told)} if usage else {}))


def gemini_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    running = {"promptTokenCount": told.input, "totalTokenCount": told.input}
    if told.cached is not None:
        running["cachedContentTokenCount"] = told.cached
    first: dict[str, Any] = {"usageMetadata": running} if usage else {}
    last: dict[str, Any] = {"usageMetadata": gemini_usage(told)} if usage else {}
    return [
        gemini_chunk([{"text": "hm", "thought": True}] if shown else [{"text": ""}], **first),
        gemini_chunk([{"text": "4"}], **first),
        gemini_chunk([{"text": "2"}], "STOP", **last),
    ]


def gemini_create(client: Any, stream: bool) -> Any:
    models = getattr(client, "models", None) or client
    asked: dict[str, Any] = {
        "model": "gemini-3.5-flash",
        "contents": "6 x 7?",
        "config": {"thinking_config": {"thinking_level": "HIGH"}},
    }
    return models.generate_content_stream(**asked) if stream else models.generate_content(**asked)


def gemini_client(port: int, asynchronous: bool) -> Any:
    client = google_client(port)
    return client.aio if asynchronous else client


# --- Gemini interactions --------------------------------------------------------------------------


def interactions_usage(told: Told) -> dict[str, Any]:
    thinking = told.thinking or 0
    usage = {"total_input_tokens": told.input, "total_output_tokens": told.output - thinking}
    usage["total_tokens"] = told.input + told.output
    if told.cached is not None:
        usage["total_cached_tokens"] = told.cached
    if thinking:
        usage["total_thought_tokens"] = thinking
    return usage


def interactions_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    thought = {"type": "thought", "summary": [{"type": "text", "text": "hm"}], "signature": "s"}
    answer = {"type": "model_output", "content": [{"type": "text", "text": "42"}]}
    return {
        "id": "reply-1",
        "object": "interaction",
        "model": "gemini-3.5-flash",
        "status": "completed",
        "steps": [*([thought] if shown else []), answer],
        **({"usage": interactions_usage(told)} if usage else {}),
    }


def interactions_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    def step(kind: str, index: int, **more: Any) -> dict[str, Any]:
        return {"event_type": kind, "index": index, **more}

    whole = interactions_whole(told, usage=usage)
    summary = {"type": "thought_summary", "content": {"type": "text", "text": "hm"}}
    signature = {"type": "thought_signature", "signature": "s"}
    begun = {"id": "reply-1", "object": "interaction", "model": "gemini-3.5-flash", "status": "in_progress"}
    return [
        {"event_type": "interaction.created", "interaction": begun},
        step("step.start", 0, step={"type": "thought"}),
        step("step.delta", 0, delta=summary if shown else signature),
        step("step.delta", 1, delta={"type": "text", "text": "4"}),
        step("step.delta", 1, delta={"type": "text", "text": "2"}),
        {"event_type": "interaction.completed", "interaction": {**whole, "steps": None}},
    ]


def interactions_create(client: Any, stream: bool) -> Any:
    asked = {"model": "gemini-3.5-flash", "input": "6 x 7?", "generation_config": {"thinking_level": "high"}}
    return client.interactions.create(**asked, stream=stream)


# --- Groq's own client ----------------------------------------------------------------------------


def groq_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    *chunks, last = chat_events(told, usage=False, shown=shown)
    return [*chunks, {**last, "x_groq": {"id": "req", **({"usage": chat_usage(told)} if usage else {})}}]


def groq_create(client: Any, stream: bool) -> Any:
    messages = [{"role": "user", "content": "6 x 7?"}]
    create = client.chat.completions.create
    return create(**fitted(create, model="gpt-oss", messages=messages, stream=stream, reasoning_effort="high"))


def own_groq_client(port: int, asynchronous: bool) -> Any:
    return async_groq_client(port) if asynchronous else groq_client(port)


# --- Mistral's own client -------------------------------------------------------------------------


def mistral_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    content = [*([thought] if shown else []), {"type": "text", "text": "42"}]
    message = {"role": "assistant", "content": content}
    return {
        "id": "reply-1",
        "object": "chat.completion",
        "created": 1,
        "model": "magistral-medium-2509",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": chat_usage(told) if usage else {},  # the client refuses a reply without
    }


def mistral_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    return [
        chat_chunk({"role": "assistant", "content": ""}),
        chat_chunk({"content": thought if shown else ""}),
        chat_chunk({"content": "4"}),
        chat_chunk({"content": "2"}),
        chat_chunk({"content": ""}, "stop", **({"usage": chat_usage(told)} if usage else {})),
    ]


def mistral_create(client: Any, stream: bool) -> Any:
    method = client.stream if stream else client.complete
    messages = [{"role": "user", "content": "6 x 7?"}]
    return method(model="magistral-medium-latest", messages=messages, reasoning_effort="high")


# --- Amazon Bedrock through boto3 -----------------------------------------------------------------

CLAUDE = "us.anthropic.claude-sonnet-5-v1:0"


def converse_usage(told: Told) -> dict[str, Any]:
    cached = told.cached or 0
    usage = {"inputTokens": told.input - cached, "outputTokens": told.output, "totalTokens": told.input + told.output}
    return usage | ({} if told.cached is None else {"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0})


def converse_details(told: Told) -> dict[str, Any]:
    if told.thinking is None:
        return {}
    details = {"usage": {"output_tokens_details": {"thinking_tokens": told.thinking}}}
    return {"additionalModelResponseFields": details}


def converse_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    return {
        "output": {"message": {"role": "assistant", "content": [*([thought] if shown else []), {"text": "42"}]}},
        "stopReason": "end_turn",
        "metrics": {"latencyMs": 1},
        **({"usage": converse_usage(told), **converse_details(told)} if usage else {}),
    }


def converse_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    def delta(index: int, **delta: Any) -> dict[str, Any]:
        return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}

    return [
        {"messageStart": {"role": "assistant"}},
        delta(0, reasoningContent={"text": "hm"}) if shown else delta(0, text=""),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        delta(1, text="4"),
        delta(1, text="2"),
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "end_turn", **(converse_details(told) if usage else {})}},
        {"metadata": {"metrics": {"latencyMs": 1}, **({"usage": converse_usage(told)} if usage else {})}},
    ]


def converse_create(client: Any, stream: bool) -> Any:
    asked: dict[str, Any] = {
        "modelId": CLAUDE,
        "messages": [{"role": "user", "content": [{"text": "6 x 7?"}]}],
        "additionalModelRequestFields": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    }
    return client.converse_stream(**asked)["stream"] if stream else client.converse(**asked)


def invoke_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    return [{"chunk": event} for event in messages_events(told, usage=usage, shown=shown)]


def invoke_create(client: Any, stream: bool) -> Any:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "6 x 7?"}],
        "output_config": {"effort": "high"},
    }
    if stream:
        return client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body))["body"]
    response = client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    return {**response, "body": response["body"].read()}


def boto3_client(port: int, asynchronous: bool) -> Any:
    assert not asynchronous
    return bedrock_client(port)


def is_there(module: str) -> bool:
    """Whether a module is installed, and the packages that it lies in."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


INTERACTIONS = Case(
    "gemini interactions",
    "gcp.gemini",
    "generate_content",
    gemini_client,
    interactions_create,
    interactions_whole,
    interactions_events,
    3,
    3,
    "completed",
    done=True,
    unshown=0,
    known_early=frozenset(),
    wraps_errors=True,
)
CASES = [
    Case(
        "openai chat",
        "openai",
        "chat",
        chat_client,
        chat_create,
        chat_whole,
        chat_events,
        2,
        2,
        "stop",
        done=True,
        unshown=None,
        known_early=frozenset(),
        hidden=1,
    ),
    Case(
        "openai responses",
        "openai",
        "chat",
        chat_client,
        responses_create,
        responses_whole,
        responses_events,
        2,
        2,
        "completed",
        done=False,
        unshown=None,
        known_early=frozenset(),
    ),
    Case(
        "anthropic messages",
        "anthropic",
        "chat",
        messages_client,
        messages_create,
        messages_whole,
        messages_events,
        5,
        5,
        "end_turn",
        done=False,
        unshown=0,
        known_early=frozenset({"input", "cached"}),
    ),
    Case(
        "gemini generate_content",
        "gcp.gemini",
        "generate_content",
        gemini_client,
        gemini_create,
        gemini_whole,
        gemini_events,
        1,
        1,
        "STOP",
        done=False,
        unshown=0,
        known_early=frozenset({"input", "cached"}),
    ),
    *([INTERACTIONS] if is_there("google.genai._gaos") else []),  # newer releases
    Case(
        "groq",
        "groq",
        "chat",
        own_groq_client,
        groq_create,
        chat_whole,
        groq_events,
        2,
        2,
        "stop",
        done=True,
        unshown=None,
        known_early=frozenset(),
    ),
    Case(
        "mistral",
        "mistral_ai",
        "chat",
        MistralClient,
        mistral_create,
        mistral_whole,
        mistral_events,
        2,
        2,
        "stop",
        done=True,
        unshown=None,
        known_early=frozenset(),
    ),
    Case(
        "bedrock converse",
        "aws.bedrock",
        "chat",
        boto3_client,
        converse_create,
        converse_whole,
        converse_events,
        3,
        3,
        "end_turn",
        done=False,
        unshown=0,
        known_early=frozenset(),
        asynchronous=False,
        framing=AMAZON,
        headers={"x-amzn-requestid": "reply-1"},
        asks=True,
    ),
    Case(
        "bedrock invoke",
        "aws.bedrock",
        "chat",
        boto3_client,
        invoke_create,
        messages_whole,
        invoke_events,
        5,
        5,
        "end_turn",
        done=False,
        unshown=0,
        known_early=frozenset({"input", "cached"}),
        asynchronous=False,
        framing=AMAZON,
    ),
]
