"""The stand-in against the real clients, none of them wrapped: what a client reads is what was planned."""

import asyncio
import dataclasses
import datetime as dt
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google.genai.errors import ServerError

from thinkmeter.demo.clients import AsyncClients, Clients
from thinkmeter.demo.plan import Model, PlannedCall
from thinkmeter.demo.stand_in import StandIn
from thinkmeter.demo.tasks import ARGON, ASTRA, FLASH, HAIKU, LUNA, OPUS, OSS, SONNET, TERRA
from thinkmeter.demo.thoughts import GOING_ON, REFLECTING
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.gemini import Gemini
from thinkmeter.sdk.reflection import Reflection
from thinkmeter.sdk.replies import Messages, Responses
from thinkmeter.sdk.thinking import Thinking

START = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


def call(model: Model, **changed: Any) -> PlannedCall:
    planned = PlannedCall(
        response_id="id-1",
        model=model,
        role="answer",
        start=START,
        duration_s=0.5,
        input_tokens=1200,
        cache_read_tokens=900,
        cache_write_tokens=0,
        cache_write_1h_tokens=0,
        output_tokens=640,
        thinking_tokens=512,
        effort="high",
        thought=(False, True, False, True, True),
    )
    return dataclasses.replace(planned, **changed)


THINKING = [
    call(TERRA),
    call(TERRA, service_tier="flex"),
    call(OSS),
    call(ASTRA),
    call(ASTRA, thought=()),
    call(OPUS, cache_read_tokens=400, cache_write_tokens=500, cache_write_1h_tokens=200),
    call(SONNET, effort=None, budget_tokens=8000),
    call(ARGON),
]
OFF = [
    call(LUNA, effort="none", thinking_tokens=0, thought=()),
    call(HAIKU, effort=None, thinking_tokens=0, thought=()),
    call(FLASH, effort=None, thinking_tokens=0, thought=()),
]
CALLS = [dataclasses.replace(c, stream=stream) for c in THINKING + OFF for stream in (False, True)]


def name(planned: PlannedCall) -> str:
    kind = ("stream" if planned.stream else "whole") + (
        "" if planned.thought or not planned.thinking_tokens else "-hidden"
    )
    return f"{planned.model.name}-{planned.service_tier}-{kind}"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(time_scale=0.01) as running:
        yield running


@pytest.fixture(scope="module")
def clients(stand_in: StandIn) -> Iterator[Clients]:
    with Clients(stand_in.url) as made:
        yield made


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a client tells of an answer, in the words of the plan."""

    response_id: str
    model: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    thinking_tokens: int | None


def planned_as_seen(planned: PlannedCall) -> Seen:
    return Seen(
        planned.response_id,
        planned.model.name,
        planned.input_tokens,
        planned.cache_read_tokens,
        planned.cache_write_tokens,
        planned.cache_write_1h_tokens,
        planned.output_tokens,
        planned.told_thinking_tokens,
    )


def seen(planned: PlannedCall, replies: list[Any]) -> Seen:
    last = replies[-1]
    match planned.model.api:
        case "openai.chat":
            usage, inputs, outputs = last.usage, last.usage.prompt_tokens_details, last.usage.completion_tokens_details
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
            thought = outputs and outputs.reasoning_tokens
            counts = (usage.prompt_tokens, inputs.cached_tokens, inputs.cache_write_tokens, 0, usage.completion_tokens)
            return Seen(last.id, last.model, *counts, thought)
        case "openai.responses":
            response = last.response if planned.stream else last
            usage, inputs = response.usage, response.usage.input_tokens_details
            counts = (usage.input_tokens, inputs.cached_tokens, inputs.cache_write_tokens, 0, usage.output_tokens)
            return Seen(response.id, response.model, *counts, usage.output_tokens_details.reasoning_tokens)
        case "anthropic.messages":
            message = replies[0].message if planned.stream else last
            final = next(e.usage for e in replies if e.type == "message_delta") if planned.stream else last.usage
            read, write = final.cache_read_input_tokens, final.cache_creation_input_tokens
            long = message.usage.cache_creation.ephemeral_1h_input_tokens
            counts = (final.input_tokens + read + write, read, write, long, final.output_tokens)
            return Seen(message.id, message.model, *counts, final.output_tokens_details.thinking_tokens)
        case "gemini.generate_content":
            usage = last.usage_metadata
            thought = usage.thoughts_token_count or 0
            output = usage.candidates_token_count + thought
            assert usage.total_token_count == usage.prompt_token_count + output
            read = usage.cached_content_token_count or 0
            return Seen(last.response_id, last.model_version, usage.prompt_token_count, read, 0, 0, output, thought)


def with_usage(planned: PlannedCall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for usage at the end of a chat stream, as nobody does for an unwrapped client."""
    if planned.model.api == "openai.chat" and planned.stream:
        from thinkmeter.demo import clients as module

        plain = module.arguments
        monkeypatch.setattr(module, "arguments", lambda c: plain(c) | {"stream_options": {"include_usage": True}})


@pytest.mark.parametrize("planned", CALLS, ids=name)
def test_a_client_reads_the_planned_counts(
    planned: PlannedCall, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_usage(planned, monkeypatch)
    assert seen(planned, clients.send(planned)) == planned_as_seen(planned)


@pytest.mark.parametrize("planned", CALLS, ids=name)
def test_an_async_client_reads_the_planned_counts(
    planned: PlannedCall, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_usage(planned, monkeypatch)

    async def send() -> list[Any]:
        async with AsyncClients(stand_in.url) as clients:
            return await clients.send(planned)

    assert seen(planned, asyncio.run(send())) == planned_as_seen(planned)


def test_a_chat_stream_has_no_usage_unless_it_is_asked_for(clients: Clients) -> None:
    chunks = clients.send(call(TERRA, stream=True))
    assert [c.usage for c in chunks] == [None] * len(chunks)
    assert all(c.choices for c in chunks)


def test_thinking_comes_before_the_answer_and_shows_as_the_provider_shows_it(clients: Clients) -> None:
    events = clients.send(call(OPUS, stream=True))
    deltas = [e.delta.type for e in events if e.type == "content_block_delta"]
    assert deltas == sorted(deltas, key=["thinking_delta", "signature_delta", "text_delta"].index)
    assert {"thinking_delta", "text_delta"} <= set(deltas)
    thoughts = [chunk.candidates[0].content.parts[0].thought for chunk in clients.send(call(ARGON, stream=True))]
    assert thoughts == sorted(thoughts, key=bool, reverse=True)
    assert thoughts[0] is True
    kinds = [e.type for e in clients.send(call(ASTRA, stream=True))]
    assert kinds.index("response.reasoning_summary_text.delta") < kinds.index("response.output_text.delta")
    assert kinds[-1] == "response.completed"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", [ASTRA, OPUS, ARGON], ids=lambda model: model.name)
def test_as_much_of_the_thinking_that_shows_reflects_as_planned(model: Model, stream: bool, clients: Clients) -> None:
    planned = call(model, stream=stream)
    read = Thinking({ASTRA: Responses, OPUS: Messages, ARGON: Gemini}[model])
    for reply in clients.send(planned):
        if stream:
            read.chunk(reply)
        else:
            read.whole(reply)
    told: dict[str, Any] = {}
    read.describe(told)
    assert told == {names.REFLECTION_RATIO: planned.reflection_ratio} == {names.REFLECTION_RATIO: 0.6}


def test_every_sentence_reflects_or_goes_on_to_the_sdk_as_well() -> None:
    for does, told in ((True, REFLECTING), (False, GOING_ON)):
        for sentence in told:
            read = Reflection()
            read.add(sentence)
            assert (sentence, read.ratio()) == (sentence, float(does))


def test_a_stream_begins_with_a_placeholder_for_the_output_as_anthropic_sends_it(clients: Clients) -> None:
    start = clients.send(call(OPUS, stream=True))[0]
    assert start.message.usage.output_tokens == 1


@pytest.mark.parametrize("planned", [call(m, refusals=2) for m in (TERRA, ASTRA, OPUS, ARGON)], ids=name)
def test_a_refused_call_succeeds_when_it_is_tried_again(planned: PlannedCall, clients: Clients) -> None:
    assert seen(planned, clients.send(planned)) == planned_as_seen(planned)


def test_a_planned_failure_is_told_at_once_in_the_provider_s_own_error(clients: Clients) -> None:
    with pytest.raises(openai.InternalServerError, match="overloaded"):
        clients.send(call(TERRA, error="overloaded"))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded") as failed:
        clients.send(call(OPUS, error="overloaded"))
    assert failed.value.status_code == 529
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        clients.send(call(ARGON, error="overloaded"))


def test_a_request_without_a_plan_is_answered_too(stand_in: StandIn) -> None:
    body = json.dumps({"model": "gpt-6-luna", "messages": []}).encode()
    asked = urllib.request.Request(f"{stand_in.url}/v1/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked) as reply:
        assert json.load(reply)["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0
