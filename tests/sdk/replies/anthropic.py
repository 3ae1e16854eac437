"""Replies of Anthropic Messages, whole and streamed, and how a client asks for them."""

from typing import Any

from tests.sdk.clients import anthropic_client, async_anthropic_client, fitted
from tests.sdk.told import Told


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
