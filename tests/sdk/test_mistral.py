"""What is particular to Mistral's own client: several resources, several platforms, chunks in an envelope."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pydantic
import pytest
from mistralai.client.utils.eventstreaming import EventStream

from tests.sdk.clients import MistralClient, Rerouted
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.mistral import mistral_create, mistral_events, mistral_whole
from tests.sdk.replies.openai import chat_usage
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture

TOLD = Told()
COUNTS = {names.INPUT_TOKENS: 1200, names.OUTPUT_TOKENS: 640, names.REASONING_OUTPUT_TOKENS: 512}
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    made = MistralClient(provider.port, asynchronous=False)
    yield made.client
    made.close()


class Sum(pydantic.BaseModel):
    value: int


def test_agents_and_fill_in_the_middle_are_counted(provider: ProviderServer, client: Any, captured: Captured) -> None:
    for _ in range(2):
        provider.reply(mistral_whole(TOLD))
    client.agents.complete(agent_id="ag:1", **ASKED)
    client.fim.complete(model="codestral-latest", prompt="x")
    agent, middle = captured.calls
    assert agent.items() >= COUNTS.items()
    assert names.REQUEST_MODEL not in agent  # the agent's own
    assert agent[names.RESPONSE_MODEL] == "magistral-medium-2509"
    assert middle.items() >= {**COUNTS, names.REQUEST_MODEL: "codestral-latest"}.items()


def test_parse_is_counted_once(provider: ProviderServer, client: Any, captured: Captured) -> None:
    body = mistral_whole(TOLD, shown=False)
    body["choices"][0]["message"]["content"] = '{"value": 42}'
    provider.reply(body)
    parsed = client.chat.parse(Sum, model="mistral-large-latest", **ASKED)
    assert parsed.choices[0].message.parsed == Sum(value=42)
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.parametrize("platform", ["azure", "gcp"])
def test_other_platforms_are_told_apart(provider: ProviderServer, captured: Captured, platform: str) -> None:
    provider.reply(mistral_whole(TOLD))
    http: Any = {"client": httpx2.Client(transport=Rerouted(provider.port))}
    if platform == "azure":
        from mistralai.azure.client import MistralAzure

        client: Any = MistralAzure(api_key="k", server_url="http://me.example.org", **http)
    else:
        from mistralai.gcp.client import MistralGCP

        client = MistralGCP(project_id="p", region="us-central1", access_token="t", **http)
    client.chat.complete(model="mistral-large-2411", **ASKED)
    http["client"].close()
    expected = {"azure": "azure.ai.inference", "gcp": "gcp.vertex_ai"}[platform]
    assert captured.call.items() >= {**COUNTS, names.PROVIDER_NAME: expected}.items()


def test_a_stream_stays_what_it_was_and_closing_it_ends_its_call_at_once(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.stream(mistral_events(TOLD))
    with client.chat.stream(model="magistral-medium-latest", **ASKED) as stream:
        assert isinstance(stream, EventStream)
        assert next(stream).data.id == "reply-1"
        assert captured.calls == []
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_closing_an_asynchronous_stream_ends_its_call_at_once(provider: ProviderServer, captured: Captured) -> None:
    provider.stream(mistral_events(TOLD))

    async def together() -> None:
        client = MistralClient(provider.port, asynchronous=True)
        async with await mistral_create(client, True) as stream:
            await anext(stream)
        await client.aclose()

    asyncio.run(together())
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_a_count_that_the_client_makes_up_is_not_taken(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    body = mistral_whole(TOLD)
    body["usage"] = {"completion_tokens": 640}
    provider.reply(body)
    reply = client.chat.complete(model="magistral-medium-latest", **ASKED)
    assert reply.usage.prompt_tokens == 0  # the client's own default
    assert names.INPUT_TOKENS not in captured.call
    assert captured.call[names.OUTPUT_TOKENS] == 640


def test_the_service_tier_is_the_billed_one(provider: ProviderServer, client: Any, captured: Captured) -> None:
    body = mistral_whole(TOLD)
    body["usage"] = {**chat_usage(TOLD), "service_tier": "priority"}
    provider.reply(body)
    client.chat.complete(model="magistral-medium-latest", **ASKED)
    assert captured.call[names.SERVICE_TIER] == "priority"
    assert json.loads(captured.call[names.USAGE_RAW])["service_tier"] == "priority"


def test_a_server_of_ones_own_is_mistral_by_its_client(provider: ProviderServer, captured: Captured) -> None:
    provider.reply(mistral_whole(TOLD))
    client = MistralClient(provider.port, asynchronous=False, server_url="http://gateway.corp.example:8080")
    mistral_create(client, False)
    client.close()
    expected = {
        names.PROVIDER_NAME: "mistral_ai",
        names.SERVER_ADDRESS: "gateway.corp.example",
        names.SERVER_PORT: 8080,
    }
    assert captured.call.items() >= expected.items()


def test_what_a_stream_says_is_recorded_where_that_is_asked_for(provider: ProviderServer) -> None:
    provider.stream(mistral_events(TOLD))
    client = MistralClient(provider.port, asynchronous=False)
    with capture(capture_content=True, capture_thinking=True) as captured:
        list(mistral_create(client, True))
    client.close()
    (said,) = json.loads(captured.call[names.OUTPUT_MESSAGES])
    assert said["parts"] == [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "42"}]
