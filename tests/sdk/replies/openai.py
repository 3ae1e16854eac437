"""Replies of OpenAI: chat completions and Responses, whole and streamed, and how a client asks for them."""

from typing import Any

from tests.sdk.clients import async_openai_client, openai_client
from tests.sdk.told import Told


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
