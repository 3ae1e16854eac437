"""The same API at other addresses: each client class of a cloud, synchronous and not, whole and streamed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.sdk.clients import AsyncRerouted, Rerouted, google_client
from tests.sdk.provider_server import AMAZON, SSE, Framing, ProviderServer
from tests.sdk.replies.anthropic import messages_create, messages_events, messages_whole
from tests.sdk.replies.bedrock import invoke_events
from tests.sdk.replies.google import (
    gemini_create,
    gemini_events,
    gemini_whole,
    interactions_create,
    interactions_events,
    interactions_whole,
)
from tests.sdk.replies.openai import (
    chat_create,
    chat_events,
    chat_whole,
    responses_create,
    responses_events,
    responses_whole,
)
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

TOLD = Told()
COUNTS = {
    names.INPUT_TOKENS: 1200,
    names.CACHE_READ_INPUT_TOKENS: 924,
    names.OUTPUT_TOKENS: 640,
    names.REASONING_OUTPUT_TOKENS: 512,
    names.THINKING_SOURCE: "provider",
    names.RESPONSE_ID: "reply-1",
}


@dataclass(frozen=True)
class Api:
    """One API: what it answers, and how it is asked."""

    whole: Callable[..., Any]
    events: Callable[..., Any]
    create: Callable[[Any, bool], Any]
    done: bool
    framing: Framing = SSE


INVOKE = Api(messages_whole, invoke_events, messages_create, done=False, framing=AMAZON)
MESSAGES = Api(messages_whole, messages_events, messages_create, done=False)
CHAT = Api(chat_whole, chat_events, chat_create, done=True)
RESPONSES = Api(responses_whole, responses_events, responses_create, done=False)
GEMINI = Api(gemini_whole, gemini_events, gemini_create, done=False)
INTERACTIONS = Api(interactions_whole, interactions_events, interactions_create, done=True)

AZURE = {"api_key": "k", "api_version": "2026-01-01"}
GATEWAY = "http://gateway.corp.example"
STAINLESS: list[tuple[str, Any, str, dict[str, Any], Api, str]] = [
    ("bedrock", anthropic, "AnthropicBedrock", {"api_key": "k", "aws_region": "us-east-1"}, INVOKE, "aws.bedrock"),
    (
        "bedrock mantle",
        anthropic,
        "AnthropicBedrockMantle",
        {"api_key": "k", "aws_region": "us-east-1"},
        MESSAGES,
        "aws.bedrock",
    ),
    (
        "vertex",
        anthropic,
        "AnthropicVertex",
        {"region": "us-east5", "project_id": "p", "access_token": "t"},
        MESSAGES,
        "gcp.vertex_ai",
    ),
    ("foundry", anthropic, "AnthropicFoundry", {"api_key": "k", "resource": "me"}, MESSAGES, "azure.ai.inference"),
    (
        "foundry behind a gateway",
        anthropic,
        "AnthropicFoundry",
        {"api_key": "k", "base_url": f"{GATEWAY}/anthropic"},
        MESSAGES,
        "azure.ai.inference",
    ),
    (
        "google cloud",
        anthropic,
        "AnthropicGoogleCloud",
        {"project": "p", "location": "global", "workspace_id": "w", "token_provider": lambda: "t"},
        MESSAGES,
        "anthropic",
    ),
    (
        "anthropic on aws",
        anthropic,
        "AnthropicAWS",
        {"api_key": "k", "aws_region": "us-east-1", "workspace_id": "w"},
        MESSAGES,
        "anthropic",
    ),
    ("azure chat", openai, "AzureOpenAI", {**AZURE, "azure_endpoint": GATEWAY}, CHAT, "azure.ai.openai"),
    (
        "azure responses",
        openai,
        "AzureOpenAI",
        {**AZURE, "azure_endpoint": "https://me.openai.azure.com"},
        RESPONSES,
        "azure.ai.openai",
    ),
    ("bedrock openai", openai, "BedrockOpenAI", {"api_key": "k", "aws_region": "us-east-1"}, RESPONSES, "aws.bedrock"),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("platform", STAINLESS, ids=lambda platform: platform[0])
def test_the_clients_of_clouds_are_counted(
    provider: ProviderServer, captured: Captured, platform: Any, asynchronous: bool, streamed: bool
) -> None:
    _, library, name, options, api, expected = platform
    answer(provider, api, streamed)
    if asynchronous:
        http: Any = httpx2.AsyncClient(transport=AsyncRerouted(provider.port))
        client = getattr(library, f"Async{name}")(**options, max_retries=0, http_client=http)
        asyncio.run(read_async(client, api, streamed))
    else:
        http = httpx2.Client(transport=Rerouted(provider.port))
        with getattr(library, name)(**options, max_retries=0, http_client=http) as client:
            read(client, api, streamed)
    assert captured.call.items() >= {**COUNTS, names.PROVIDER_NAME: expected}.items()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("api", [GEMINI, INTERACTIONS], ids=["generate_content", "interactions"])
def test_gemini_on_vertex_is_counted(
    provider: ProviderServer, captured: Captured, api: Api, asynchronous: bool, streamed: bool
) -> None:
    answer(provider, api, streamed)
    client = google_client(provider.port, vertex=True)
    if asynchronous:
        asyncio.run(read_async(client.aio, api, streamed))
    else:
        read(client, api, streamed)
    client.close()
    assert "/projects/p/locations/global/" in provider.paths[0]
    assert captured.call.items() >= {**COUNTS, names.PROVIDER_NAME: "gcp.vertex_ai"}.items()


def answer(provider: ProviderServer, api: Api, streamed: bool) -> None:
    if streamed:
        provider.stream(api.events(TOLD), done=api.done, framing=api.framing)
    else:
        provider.reply(api.whole(TOLD))


def read(client: Any, api: Api, streamed: bool) -> None:
    reply = api.create(client, streamed)
    if streamed:
        list(reply)


async def read_async(client: Any, api: Api, streamed: bool) -> None:
    reply = await api.create(client, streamed)
    if streamed:
        async for _ in reply:
            pass
    await client.aclose() if hasattr(client, "aclose") else await client.close()
