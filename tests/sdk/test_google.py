"""What is particular to google-genai: one call per request, however many the library makes."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sdk.clients import google_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.google import (
    gemini_chunk,
    gemini_events,
    gemini_usage,
    gemini_whole,
    interactions_events,
    interactions_whole,
)
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

TOLD = Told()
FIRST = Told(input=100, cached=None, output=88, thinking=50)
SECOND = Told(input=160, cached=None, output=40, thinking=20)


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    made = google_client(provider.port)
    yield made
    made.close()


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def tool_call(told: Told) -> dict[str, Any]:
    call = {"functionCall": {"name": "multiply", "args": {"a": 6, "b": 7}}}
    return gemini_chunk([call], "STOP", usageMetadata=gemini_usage(told))


def outputs(captured: Captured) -> list[tuple[int, int]]:
    return [(call[names.OUTPUT_TOKENS], call[names.REASONING_OUTPUT_TOKENS]) for call in captured.calls]


@pytest.mark.filterwarnings("ignore:Direct use of automatic function calling")
def test_every_hop_of_automatic_function_calling_is_a_call(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(tool_call(FIRST))
    provider.reply(gemini_whole(SECOND))
    reply = client.models.generate_content(model="gemini-3.5-flash", contents="6 x 7?", config={"tools": [multiply]})
    assert reply.usage_metadata.candidates_token_count == 20  # the library tells the last hop alone
    assert outputs(captured) == [(88, 50), (40, 20)]


@pytest.mark.filterwarnings("ignore:Direct use of automatic function calling")
def test_every_hop_of_a_streamed_asynchronous_chat_is_a_call(provider: ProviderServer, captured: Captured) -> None:
    client = google_client(provider.port)
    provider.stream([tool_call(FIRST)], done=False)
    provider.stream([gemini_whole(SECOND)], done=False)

    async def together() -> None:
        chat = client.aio.chats.create(model="gemini-3.5-flash", config={"tools": [multiply]})
        async for _ in await chat.send_message_stream("6 x 7?"):
            pass
        await client.aio.aclose()

    asyncio.run(together())
    client.close()
    assert outputs(captured) == [(88, 50), (40, 20)]


@pytest.mark.newest
@pytest.mark.parametrize("vertex", [False, True], ids=["gemini", "vertex"])
def test_both_platforms_are_told_apart(provider: ProviderServer, captured: Captured, vertex: bool) -> None:
    usage = {**gemini_usage(TOLD), "toolUsePromptTokenCount": 30}
    usage["totalTokenCount"] += 30
    usage |= {"trafficType": "ON_DEMAND_FLEX"} if vertex else {}
    headers = {} if vertex else {"x-gemini-service-tier": "priority"}
    provider.reply(gemini_chunk([{"text": "42"}], "STOP", usageMetadata=usage), headers=headers)
    client = google_client(provider.port, vertex=vertex)
    client.models.generate_content(
        model="models/gemini-3.5-flash" if not vertex else "gemini-3.5-flash",
        contents="x",
        config={"thinking_config": {"thinking_budget": 512}, "max_output_tokens": 900},
    )
    client.close()
    assert (
        captured.call.items()
        >= {
            names.PROVIDER_NAME: "gcp.vertex_ai" if vertex else "gcp.gemini",
            names.REQUEST_MODEL: "gemini-3.5-flash",
            names.RESPONSE_MODEL: "gemini-3.5-flash",
            names.INPUT_TOKENS: 1230,
            names.OUTPUT_TOKENS: 640,
            names.REASONING_OUTPUT_TOKENS: 512,
            names.THINKING_BUDGET_TOKENS: 512,
            names.REQUEST_MAX_TOKENS: 900,
            names.SERVICE_TIER: "flex" if vertex else "priority",
        }.items()
    )


def test_a_budget_that_the_model_decides_is_no_budget_and_zero_is_off(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    for budget in (-1, 0):
        provider.reply(gemini_chunk([{"text": "42"}], "STOP", usageMetadata={"promptTokenCount": 5}))
        config = {"thinking_config": {"thinking_budget": budget}}
        client.models.generate_content(model="gemini-3.5-flash", contents="x", config=config)
    free, off = captured.calls
    assert not {names.THINKING_BUDGET_TOKENS, names.REASONING_OUTPUT_TOKENS} & free.keys()
    assert (off[names.REASONING_OUTPUT_TOKENS], off[names.THINKING_SOURCE]) == (0, "derived")


def test_closing_a_stream_ends_its_call_at_once(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.stream(gemini_events(TOLD), done=False)
    stream = client.models.generate_content_stream(model="gemini-3.5-flash", contents="x")
    next(stream)
    stream.close()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_the_model_that_is_asked_for_by_an_object_is_read_like_a_dictionary(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    from google.genai import types

    provider.reply(gemini_whole(TOLD))
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW), max_output_tokens=7
    )
    client.models.generate_content(model="gemini-3.5-flash", contents="x", config=config)
    assert captured.call[names.REQUEST_REASONING_LEVEL] == "LOW"
    assert captured.call[names.REQUEST_MAX_TOKENS] == 7


# --- interactions ----------------------------------------------------------------------------------


def hop(told: Told, status: str, **more: Any) -> dict[str, Any]:
    return {**interactions_whole(told), "status": status, **more}


@pytest.mark.newest
def test_every_hop_of_an_interaction_that_continues_is_a_call(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(hop(FIRST, "requires_continuation", continuation_token="t"))
    provider.reply(hop(SECOND, "completed"))
    reply = client.interactions.create(model="gemini-3.5-flash", input="x")
    assert reply.usage.total_output_tokens == 38 + 20  # the library adds them up
    assert outputs(captured) == [(88, 50), (40, 20)]


@pytest.mark.newest
def test_an_interaction_is_asked_for_by_an_object_too(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(interactions_whole(TOLD))
    body = {"model": "gemini-3.5-flash", "input": "x", "generation_config": {"thinking_level": "low"}}
    client.interactions.create(request={"body": body})
    assert captured.call[names.REQUEST_REASONING_LEVEL] == "low"
    assert captured.call[names.REQUEST_MODEL] == "gemini-3.5-flash"
    assert captured.call[names.OUTPUT_TOKENS] == 640


@pytest.mark.newest
def test_a_raw_interaction_is_counted_as_it_is_read(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply(interactions_whole(TOLD))
    raw = client.interactions.with_raw_response.create(model="gemini-3.5-flash", input="x")
    assert raw.parse().id == "reply-1"
    assert outputs(captured) == [(640, 512)]


@pytest.mark.newest
def test_a_failed_interaction_is_an_error_and_the_use_of_tools_is_input(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    body = hop(TOLD, "failed")
    body["usage"] |= {"total_tool_use_tokens": 30, "total_tokens": 1870}
    provider.reply(body)
    client.interactions.create(model="gemini-3.5-flash", input="x")
    assert captured.call[names.ERROR_TYPE] == "failed"
    assert captured.call[names.INPUT_TOKENS] == 1230


@pytest.mark.newest
def test_closing_the_stream_of_an_interaction_ends_its_call_at_once(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.stream(interactions_events(TOLD))
    stream = client.interactions.create(model="gemini-3.5-flash", input="x", stream=True)
    next(stream)
    stream.close()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)
