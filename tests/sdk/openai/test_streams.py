"""Streams of the OpenAI client: whose their usage is, and how they end."""

import asyncio
import gc
import json
from typing import Any

import openai
import pytest

from tests.sdk.clients import async_openai_client, openai_client
from tests.sdk.openai.told import COUNTS, TOLD
from tests.sdk.provider_server import Answer, ProviderServer
from tests.sdk.replies.openai import (
    chat_chunk,
    chat_create,
    chat_events,
)
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture


def test_the_usage_chunk_that_we_asked_for_stays_ours(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    filtered = chat_chunk({}, choices=[], prompt_filter_results=[])  # Azure opens with a chunk without choices
    provider.stream([filtered, *chat_events(TOLD)])
    chunks = list(chat_create(client, True))
    assert provider.bodies[-1]["stream_options"] == {"include_usage": True}
    assert [len(chunk.choices) for chunk in chunks] == [0, 1, 1, 1, 1, 1]
    assert all(chunk.usage is None for chunk in chunks)
    assert captured.call.items() >= COUNTS.items()


def test_the_usage_chunk_that_the_caller_asked_for_is_the_callers(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.stream(chat_events(TOLD))
    chunks = list(
        client.chat.completions.create(model="gpt-5", messages=[], stream=True, stream_options={"include_usage": True})
    )
    assert chunks[-1].usage.total_tokens == 1840
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.parametrize("where", ["argument", "extra_body"])
def test_a_caller_who_declines_usage_is_heard(
    provider: ProviderServer, client: Any, captured: Captured, where: str
) -> None:
    declined = {"stream_options": {"include_usage": False}}
    given = declined if where == "argument" else {"extra_body": declined}
    provider.stream(chat_events(TOLD, usage=False))
    list(client.chat.completions.create(model="gpt-5", messages=[], stream=True, **given))
    assert provider.bodies[-1]["stream_options"] == {"include_usage": False}
    assert names.INPUT_TOKENS not in captured.call


def test_other_stream_options_are_kept(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.stream(chat_events(TOLD))
    options = {"include_obfuscation": False}
    list(client.chat.completions.create(model="gpt-5", messages=[], stream=True, stream_options=options))
    assert provider.bodies[-1]["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert options == {"include_obfuscation": False}
    assert captured.call.items() >= COUNTS.items()


def test_asking_for_usage_can_be_turned_off(provider: ProviderServer, client: Any) -> None:
    provider.stream(chat_events(TOLD, usage=False))
    with capture(stream_usage=False) as captured:
        list(chat_create(client, True))
    assert "stream_options" not in provider.bodies[-1]
    assert captured.call[names.THINKING_SOURCE] == "missing"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_refuses_stream_options_gets_the_request_as_it_was_written(
    provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    base_url = f"http://strict-{asynchronous}.example/v1"
    refusal = {"error": {"message": "Extra inputs are not permitted: stream_options", "type": "invalid"}}
    provider.reply(refusal, status=422)
    provider.stream(chat_events(TOLD, usage=False))
    provider.stream(chat_events(TOLD, usage=False))

    async def together() -> None:
        async with async_openai_client(provider.port, base_url) as client:
            for _ in range(2):
                async for _ in await chat_create(client, True):
                    pass

    if asynchronous:
        asyncio.run(together())
    else:
        with openai_client(provider.port, base_url) as client:
            for _ in range(2):
                list(chat_create(client, True))
    assert ["stream_options" in body for body in provider.bodies] == [True, False, False]
    assert len(captured.calls) == 2
    assert not any(names.ERROR_TYPE in call for call in captured.calls)


def test_any_other_refusal_is_the_callers(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply({"error": {"message": "no such model"}}, status=400)
    with pytest.raises(openai.BadRequestError):
        chat_create(client, True)
    assert len(provider.bodies) == 1
    assert captured.call[names.ERROR_TYPE] == "BadRequestError"


@pytest.mark.parametrize(
    "base_url", ["https://api.mistral.ai/v1", "https://api.groq.com/openai/v1", "https://api.perplexity.ai"]
)
def test_endpoints_that_send_usage_unasked_or_refuse_the_option_are_not_asked(
    provider: ProviderServer, captured: Captured, base_url: str
) -> None:
    provider.stream(chat_events(TOLD, usage=False))
    with openai_client(provider.port, base_url) as client:
        list(chat_create(client, True))
    assert "stream_options" not in provider.bodies[-1]
    assert captured.faults == 0


def test_junk_between_the_events_of_a_stream_is_passed_over(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    events = [b"data: %s\n\n" % json.dumps(event).encode() for event in chat_events(TOLD)]
    junk = [b": keep alive\n\n", b"data: {broken\n\n", b"data: [1]\n\n", b"event: ping\n\n", b"\x00\xff\n"]
    provider.answers.append(Answer([*junk, *events], 200, "text/event-stream"))
    with client.chat.completions.with_streaming_response.create(model="gpt-5", messages=[], stream=True) as raw:
        list(raw.iter_bytes())
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.parametrize("way", ["with", "close", "bound method"])
def test_closing_a_stream_ends_its_call_at_once(
    provider: ProviderServer, client: Any, captured: Captured, way: str
) -> None:
    provider.stream(chat_events(TOLD))
    stream = chat_create(client, True)
    assert isinstance(stream, openai.Stream)
    next(stream)
    if way == "with":
        with stream:
            pass
    elif way == "close":
        stream.close()
    else:
        close = stream.close
        del stream
        close()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_closing_an_asynchronous_stream_ends_its_call_at_once(provider: ProviderServer, captured: Captured) -> None:
    provider.stream(chat_events(TOLD))

    async def together() -> None:
        async with async_openai_client(provider.port) as client, await chat_create(client, True) as stream:
            assert isinstance(stream, openai.AsyncStream)
            await stream.__anext__()
            assert captured.calls == []
        assert len(captured.calls) == 1

    asyncio.run(together())


def test_a_stream_that_is_dropped_unread_ends_without_a_collection(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.stream(chat_events(TOLD))
    gc.disable()
    try:
        stream = chat_create(client, True)
        next(stream)
        del stream
        assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)
    finally:
        gc.enable()


def test_a_stream_left_after_its_last_answer_keeps_its_finish_reason(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.stream(chat_events(TOLD))
    with chat_create(client, True) as stream:
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("stop",)
    assert captured.call[names.THINKING_SOURCE] == "missing"
