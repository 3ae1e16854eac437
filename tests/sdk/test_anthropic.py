"""What is particular to the Anthropic client."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from pydantic import BaseModel

import thinkmeter
from tests.sdk.clients import AsyncRerouted, Rerouted, anthropic_client, async_anthropic_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_create, messages_events, messages_usage, messages_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture

TOLD = Told()
COUNTS = {
    names.INPUT_TOKENS: 1200,
    names.CACHE_READ_INPUT_TOKENS: 924,
    names.OUTPUT_TOKENS: 640,
    names.REASONING_OUTPUT_TOKENS: 512,
}
ASKED: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 4096, "messages": [{"role": "user", "content": "x"}]}


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    with anthropic_client(provider.port) as made:
        yield made


class Answered(BaseModel):
    value: int


@pytest.mark.newest
def test_beta_messages_are_counted(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply(messages_whole(TOLD))
    client.beta.messages.create(**ASKED)
    assert provider.paths == ["/v1/messages"]
    assert captured.call.items() >= COUNTS.items()


def test_counting_tokens_is_no_call(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply({"input_tokens": 5})
    client.messages.count_tokens(model="claude-sonnet-5", messages=ASKED["messages"])
    assert captured.calls == []


def test_the_stream_helper_is_counted_once_and_keeps_its_own_usage(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.stream(messages_events(TOLD), done=False)
    with client.messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == "42"
        message = stream.get_final_message()
    assert message.usage.output_tokens == 640
    assert captured.call.items() >= COUNTS.items()
    assert json.loads(captured.call[names.USAGE_RAW])["output_tokens"] == 640


def test_the_asynchronous_stream_helper_is_counted_once(provider: ProviderServer, captured: Captured) -> None:
    provider.stream(messages_events(TOLD), done=False)

    async def together() -> None:
        async with async_anthropic_client(provider.port) as client, client.messages.stream(**ASKED) as stream:
            assert (await stream.get_final_message()).content[-1].text == "42"

    asyncio.run(together())
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.newest
def test_parse_is_counted(provider: ProviderServer, client: Any, captured: Captured) -> None:
    whole = messages_whole(TOLD)
    whole["content"][-1]["text"] = '{"value": 42}'
    provider.reply(whole)
    assert client.messages.parse(**ASKED, output_format=Answered).parsed_output == Answered(value=42)
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.parametrize("kind", ["raw", "streaming"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_raw_responses_are_counted(
    provider: ProviderServer, client: Any, captured: Captured, kind: str, streamed: bool
) -> None:
    if streamed:
        provider.stream(messages_events(TOLD), done=False)
    else:
        provider.reply(messages_whole(TOLD))
    if kind == "raw":
        raw = client.messages.with_raw_response.create(**ASKED, stream=streamed)
        list(raw.parse())
    else:
        with client.messages.with_streaming_response.create(**ASKED, stream=streamed) as raw:
            list(raw.iter_lines())
    assert captured.call.items() >= COUNTS.items()


def test_an_error_in_a_stream_is_raised_and_named(provider: ProviderServer, client: Any, captured: Captured) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}
    provider.stream([*messages_events(TOLD)[:5], overloaded], done=False)
    with pytest.raises(anthropic.APIStatusError) as raised:
        list(messages_create(client, True))
    call = captured.call
    assert call[names.ERROR_TYPE] == raised.type.__qualname__
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)
    assert call[names.INPUT_TOKENS] == 1200
    assert names.OUTPUT_TOKENS not in call


def test_cache_writes_are_split_by_time_to_live_and_speed_is_a_tier(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    usage = {
        "input_tokens": 100,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 0},
        "service_tier": "standard",
        "speed": "fast",
    }
    provider.reply({**messages_whole(TOLD, shown=False), "usage": usage})
    client.messages.create(**ASKED, thinking={"type": "enabled", "budget_tokens": 2048})
    assert (
        captured.call.items()
        >= {
            names.INPUT_TOKENS: 150,
            names.CACHE_READ_INPUT_TOKENS: 20,
            names.CACHE_WRITE_INPUT_TOKENS: 30,
            names.CACHE_WRITE_1H_TOKENS: 20,
            names.REASONING_OUTPUT_TOKENS: 0,
            names.SERVICE_TIER: "fast",
            names.THINKING_BUDGET_TOKENS: 2048,
            names.REQUEST_MAX_TOKENS: 4096,
        }.items()
    )
    assert json.loads(captured.call[names.USAGE_RAW]) == usage


def test_another_model_within_a_message_is_a_call_of_its_own(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    def iteration(kind: str, input_tokens: int, output_tokens: int, **further: object) -> dict[str, object]:
        return {"type": kind, "input_tokens": input_tokens, "output_tokens": output_tokens, **further}

    usage = messages_usage(Told(input=2482, cached=0, output=166, thinking=71))
    usage["iterations"] = [
        iteration("message", 1128, 155),
        iteration("advisor_message", 2564, 99, model="claude-fable-5"),
        iteration("message", 1354, 11),
    ]
    provider.reply({**messages_whole(TOLD), "usage": usage})
    with thinkmeter.request("t") as req, req.attempt(tier=2):
        client.beta.messages.create(**ASKED)
    advisor, message = sorted(captured.calls, key=lambda call: call.get(names.RESPONSE_ID, ""))
    assert (message[names.INPUT_TOKENS], message[names.OUTPUT_TOKENS]) == (2482, 166)
    assert (
        advisor.items()
        >= {
            names.REQUEST_MODEL: "claude-fable-5",
            names.INPUT_TOKENS: 2564,
            names.OUTPUT_TOKENS: 99,
            names.THINKING_SOURCE: "missing",
            names.REQUEST_ID: req.id,
            names.TIER: 2,
        }.items()
    )


def test_iterations_that_the_totals_hold_are_not_counted_twice(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    usage = messages_usage(Told(input=30, cached=0, output=12, thinking=0))
    usage["iterations"] = [
        {"type": "compaction", "input_tokens": 20, "output_tokens": 5},
        {"type": "message", "input_tokens": 10, "output_tokens": 7},
    ]
    provider.reply({**messages_whole(TOLD), "usage": usage})
    client.beta.messages.create(**ASKED)
    assert captured.call[names.OUTPUT_TOKENS] == 12


# --- the library's own spans -----------------------------------------------------------------------


@pytest.mark.newest
@pytest.mark.parametrize("asked", [False, True], ids=["unset", "asked for"])
def test_the_librarys_own_spans_stay_off_unless_they_are_asked_for(
    provider: ProviderServer, captured: Captured, asked: bool
) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    own = InMemorySpanExporter()
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(own))
    provider.reply(messages_whole(TOLD))
    options = {"open_telemetry": {"tracer_provider": tracer_provider}} if asked else {}
    with anthropic_client(provider.port, **options) as client:
        assert client.open_telemetry["traces"]["enabled"] is asked
        assert client.with_options(timeout=5).open_telemetry["traces"]["enabled"] is asked
        messages_create(client, False)
    assert len(own.get_finished_spans()) == asked
    assert len(captured.calls) == 1


@pytest.mark.newest
def test_the_librarys_own_spans_are_as_they_were_after_uninstrument(provider: ProviderServer) -> None:
    with capture():
        pass
    with anthropic_client(provider.port) as client:
        assert client.open_telemetry["traces"]["enabled"] is True


# --- other platforms -------------------------------------------------------------------------------


@pytest.mark.newest
def test_the_bedrock_client_is_counted_as_bedrock(provider: ProviderServer, captured: Captured) -> None:
    provider.reply(messages_whole(TOLD))
    with anthropic.AnthropicBedrock(
        api_key="k",
        aws_region="us-east-1",
        max_retries=0,
        http_client=httpx2.Client(transport=Rerouted(provider.port)),
    ) as client:
        client.messages.create(**{**ASKED, "model": "anthropic.claude-sonnet-5-v1:0"})
    assert provider.paths == ["/model/anthropic.claude-sonnet-5-v1:0/invoke"]
    assert captured.call[names.PROVIDER_NAME] == "aws.bedrock"
    assert captured.call[names.REQUEST_MODEL] == "anthropic.claude-sonnet-5-v1:0"
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.newest
@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:1/v1"])
def test_the_vertex_client_is_counted_as_vertex(
    provider: ProviderServer, captured: Captured, base_url: str | None
) -> None:
    provider.stream(messages_events(TOLD), done=False)

    async def together() -> None:
        async with anthropic.AsyncAnthropicVertex(
            region="us-east5",
            project_id="p",
            access_token="t",
            base_url=base_url,
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=AsyncRerouted(provider.port)),
        ) as client:
            async for _ in await client.messages.create(**ASKED, stream=True):
                pass

    asyncio.run(together())
    assert captured.call[names.PROVIDER_NAME] == "gcp.vertex_ai"
    assert captured.call.items() >= COUNTS.items()
