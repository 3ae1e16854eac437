"""Replies of Groq, streamed, and how a client asks for them."""

from typing import Any

from tests.sdk.clients import async_groq_client, fitted, groq_client
from tests.sdk.replies.openai import chat_events, chat_usage
from tests.sdk.told import Told


def groq_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    *chunks, last = chat_events(told, usage=False, shown=shown)
    return [*chunks, {**last, "x_groq": {"id": "req", **({"usage": chat_usage(told)} if usage else {})}}]


def groq_create(client: Any, stream: bool) -> Any:
    messages = [{"role": "user", "content": "6 x 7?"}]
    create = client.chat.completions.create
    return create(**fitted(create, model="gpt-oss", messages=messages, stream=stream, reasoning_effort="high"))


def own_groq_client(port: int, asynchronous: bool) -> Any:
    return async_groq_client(port) if asynchronous else groq_client(port)
