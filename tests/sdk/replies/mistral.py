"""Replies of Mistral, whole and streamed, and how a client asks for them."""

from typing import Any

from tests.sdk.replies.openai import chat_chunk, chat_usage
from tests.sdk.told import Told


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
