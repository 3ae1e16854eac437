"""What is particular to the OpenAI client and the endpoints that speak its language."""

import asyncio
import gc
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.sdk.clients import Rerouted, async_openai_client, openai_client
from tests.sdk.provider_server import Answer, ProviderServer
from tests.sdk.replies.openai import (
    chat_chunk,
    chat_create,
    chat_events,
    chat_usage,
    chat_whole,
    responses_create,
    responses_events,
    responses_whole,
)
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture

TOLD = Told()
COUNTS = {names.INPUT_TOKENS: 1200, names.OUTPUT_TOKENS: 640, names.REASONING_OUTPUT_TOKENS: 512}


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    with openai_client(provider.port) as made:
        yield made


class Answered(BaseModel):
    value: int


# --- usage of streams ------------------------------------------------------------------------------


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


# --- every way to call -----------------------------------------------------------------------------


@pytest.mark.newest
def test_parse_is_counted(provider: ProviderServer, client: Any, captured: Captured) -> None:
    whole = chat_whole(TOLD)
    whole["choices"][0]["message"]["content"] = '{"value": 42}'
    provider.reply(whole)
    reply = client.chat.completions.parse(model="gpt-5", messages=[], response_format=Answered)
    assert reply.choices[0].message.parsed == Answered(value=42)
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.newest
def test_a_reply_that_cannot_be_parsed_was_billed_all_the_same(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    whole = chat_whole(TOLD)
    whole["choices"][0]["finish_reason"] = "length"
    provider.reply(whole)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-5", messages=[], response_format=Answered)
    assert captured.call.items() >= {**COUNTS, names.ERROR_TYPE: "LengthFinishReasonError"}.items()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("length",)


@pytest.mark.newest
def test_the_stream_helper_is_counted_once(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.stream(chat_events(TOLD))
    with client.chat.completions.stream(model="gpt-5", messages=[]) as stream:
        content = [event.delta for event in stream if event.type == "content.delta"]
        assert stream.get_final_completion().choices[0].message.content == "42"
    assert "".join(content) == "42"
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.newest
def test_responses_parse_and_its_stream_helper_are_counted(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    whole = responses_whole(TOLD)
    whole["output"][-1]["content"][0]["text"] = '{"value": 42}'
    provider.reply(whole)
    assert client.responses.parse(model="gpt-5", input="x", text_format=Answered).output_parsed == Answered(value=42)
    begun, end = responses_events(TOLD)[0], responses_events(TOLD)[-1]
    provider.stream([begun, end], done=False)
    with client.responses.stream(model="gpt-5", input="x") as stream:
        assert stream.get_final_response().output_text == "42"
    assert [call.items() >= COUNTS.items() for call in captured.calls] == [True, True]


@pytest.mark.newest
def test_beta_responses_are_counted(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply(responses_whole(TOLD))
    client.beta.responses.create(model="gpt-5", input="x")
    assert provider.paths == ["/v1/responses?beta=true"]
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("kind", ["raw parsed", "raw lines", "streaming parsed", "streaming lines", "streaming bytes"])
def test_raw_responses_are_counted_however_they_are_read(
    provider: ProviderServer, captured: Captured, encoded: bool, streamed: bool, api: str, kind: str
) -> None:
    whole, events = (chat_whole, chat_events) if api == "chat" else (responses_whole, responses_events)
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events(TOLD))
    body = body if streamed else json.dumps(whole(TOLD)).encode()
    body = gzip.compress(body) if encoded else body
    chunks = [body[start : start + 100] for start in range(0, len(body), 100)]
    content_type = "text/event-stream" if streamed else "application/json"
    provider.answers.append(Answer(chunks, 200, content_type, {"content-encoding": "gzip"} if encoded else {}))
    with openai_client(provider.port) as client:
        resource = client.chat.completions if api == "chat" else client.responses
        asked: dict[str, Any] = {"messages": []} if api == "chat" else {"input": "x"}
        asked |= {"model": "gpt-5", "stream": streamed}
        if kind.startswith("raw"):
            raw = resource.with_raw_response.create(**asked)
            assert raw.http_response.status_code == 200
            consume(raw.parse() if kind.endswith("parsed") else raw.http_response.iter_lines(), streamed)
        else:
            with resource.with_streaming_response.create(**asked) as raw:
                if kind.endswith("parsed"):
                    consume(raw.parse(), streamed)
                else:
                    list(raw.iter_lines() if kind.endswith("lines") else raw.iter_bytes(7))
    assert "stream_options" not in provider.bodies[-1]
    assert captured.call.items() >= COUNTS.items()
    assert len(captured.spans) == 1


def consume(reply: Any, streamed: bool) -> None:
    """Read what was parsed."""
    if streamed or not isinstance(reply, BaseModel):
        list(reply)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_asynchronous_raw_responses_are_counted(provider: ProviderServer, captured: Captured, streamed: bool) -> None:
    def answer() -> None:
        if streamed:
            provider.stream(chat_events(TOLD))
        else:
            provider.reply(chat_whole(TOLD))

    async def together() -> None:
        async with async_openai_client(provider.port) as client:
            asked: dict[str, Any] = {"model": "gpt-5", "messages": [], "stream": streamed}
            answer()
            raw = await client.chat.completions.with_raw_response.create(**asked)
            if streamed:
                async for _ in raw.parse():
                    pass
            answer()
            async with client.chat.completions.with_streaming_response.create(**asked) as raw:
                async for _ in raw.iter_lines():
                    pass

    asyncio.run(together())
    assert [call.items() >= COUNTS.items() for call in captured.calls] == [True, True]


def test_a_raw_response_that_is_closed_or_dropped_unread_ends(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(chat_whole(TOLD))
    with client.chat.completions.with_streaming_response.create(model="gpt-5", messages=[]):
        assert captured.calls == []
    assert captured.call[names.THINKING_SOURCE] == "missing"
    captured.clear()
    provider.stream(chat_events(TOLD))
    raw = client.chat.completions.with_raw_response.create(model="gpt-5", messages=[], stream=True)
    raw.http_response.close()
    del raw
    gc.collect()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


@pytest.mark.parametrize("raw", [False, True], ids=["parsed", "raw"])
@pytest.mark.parametrize(
    "page", [b"<html>gateway</html>", b"", b"[1, 2]", b'{"choices": null, "usage": {"prompt_tokens": "many"}}', b'"x"']
)
def test_an_answer_that_is_no_reply_is_passed_on_and_counts_nothing(
    provider: ProviderServer, client: Any, captured: Captured, page: bytes, raw: bool
) -> None:
    content_type = "application/json" if page.startswith(b"{") else "text/html"
    provider.answers.append(Answer([page] if page else [], 200, content_type))
    resource = client.chat.completions.with_raw_response if raw else client.chat.completions
    reply = resource.create(model="gpt-5", messages=[])
    if raw:
        assert reply.http_response.content == page
    assert captured.call[names.THINKING_SOURCE] == "missing"
    assert not COUNTS.keys() & captured.call.keys()


def test_junk_between_the_events_of_a_stream_is_passed_over(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    events = [b"data: %s\n\n" % json.dumps(event).encode() for event in chat_events(TOLD)]
    junk = [b": keep alive\n\n", b"data: {broken\n\n", b"data: [1]\n\n", b"event: ping\n\n", b"\x00\xff\n"]
    provider.answers.append(Answer([*junk, *events], 200, "text/event-stream"))
    with client.chat.completions.with_streaming_response.create(model="gpt-5", messages=[], stream=True) as raw:
        list(raw.iter_bytes())
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.newest
def test_a_caller_that_asks_for_the_http_response_gets_it(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(chat_whole(TOLD))
    response = client.post("/chat/completions", cast_to=httpx2.Response, body={"model": "gpt-5", "messages": []})
    assert isinstance(response, httpx2.Response)
    assert response.json()["id"] == "reply-1"
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


def test_retries_stay_inside_one_call(provider: ProviderServer, captured: Captured) -> None:
    provider.reply({"error": {"message": "busy"}}, status=503, headers={"retry-after-ms": "1"})
    provider.reply(chat_whole(TOLD))
    with openai_client(provider.port) as client:
        chat_create(client.with_options(max_retries=1), False)
    assert len(provider.bodies) == 2
    assert captured.call.items() >= COUNTS.items()


@pytest.mark.newest
def test_other_endpoints_are_no_calls(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply({"input_tokens": 5, "object": "response.input_tokens"})
    client.responses.input_tokens.count(model="gpt-5", input="x")
    assert captured.calls == []


def test_older_text_completions_are_counted(provider: ProviderServer, client: Any, captured: Captured) -> None:
    choice = {"index": 0, "text": "42", "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    provider.reply(
        {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    )
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x")
    assert captured.call[names.OPERATION_NAME] == "text_completion"
    assert (captured.call[names.INPUT_TOKENS], captured.call[names.OUTPUT_TOKENS]) == (3, 2)


# --- what replies say ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "further", "reason", "error"),
    [
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "max_output_tokens", None),
        ("failed", {"error": {"code": "server_error", "message": "secret"}}, "failed", "server_error"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_response_says_how_it_ended(
    provider: ProviderServer,
    client: Any,
    captured: Captured,
    status: str,
    further: dict[str, Any],
    reason: str,
    error: str | None,
    streamed: bool,
) -> None:
    whole = {**responses_whole(TOLD, status=status), **further}
    if streamed:
        ended = {"type": f"response.{status}", "sequence_number": 2, "response": whole}
        provider.stream([responses_events(TOLD)[0], ended], done=False)
        list(responses_create(client, True))
    else:
        provider.reply(whole)
        responses_create(client, False)
    assert captured.call.items() >= COUNTS.items()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == (reason,)
    assert captured.call.get(names.ERROR_TYPE) == error
    assert "secret" not in repr([(s.attributes, s.status.description, s.events) for s in captured.spans])


@pytest.mark.newest
def test_the_providers_own_conversation_is_told(provider: ProviderServer, client: Any, captured: Captured) -> None:
    provider.reply({**responses_whole(TOLD), "conversation": {"id": "conv_1"}})
    client.responses.create(model="gpt-5", input="x", conversation="conv_1")
    assert captured.call[names.CONVERSATION_ID] == "conv_1"


@pytest.mark.newest
def test_a_response_in_the_background_has_no_usage_yet(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(responses_whole(TOLD, usage=False, status="queued"))
    client.responses.create(model="gpt-5", input="x", background=True)
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("queued",)
    assert captured.call[names.THINKING_SOURCE] == "missing"


@pytest.mark.newest
def test_an_error_event_in_a_stream_is_named(provider: ProviderServer, client: Any, captured: Captured) -> None:
    error = {"type": "error", "sequence_number": 1, "code": "rate_limit_exceeded", "message": "m", "param": None}
    provider.stream([responses_events(TOLD)[0], error], done=False)
    list(responses_create(client, True))
    assert captured.call[names.ERROR_TYPE] == "rate_limit_exceeded"
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_several_candidates_have_a_reason_each(provider: ProviderServer, client: Any, captured: Captured) -> None:
    chunks = [chat_chunk({"content": "a"}), chat_chunk({"content": "b"})]
    ends = [chat_chunk({}, "stop"), chat_chunk({}, "length")]
    chunks[1]["choices"][0]["index"] = ends[1]["choices"][0]["index"] = 1
    provider.stream([*chunks, *ends, chat_chunk({}, choices=[], usage=chat_usage(TOLD))])
    list(client.chat.completions.create(model="gpt-5", messages=[], stream=True, n=2))
    assert captured.call[names.RESPONSE_FINISH_REASONS] == ("stop", "length")


def test_the_service_tier_is_the_billed_one(provider: ProviderServer, client: Any, captured: Captured) -> None:
    for billed in ("flex", "default"):
        provider.reply({**chat_whole(TOLD), "service_tier": billed})
        client.chat.completions.create(model="gpt-5", messages=[], service_tier="auto")
    assert [call[names.SERVICE_TIER] for call in captured.calls] == ["flex", "standard"]


# --- who answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "model", "expected"),
    [
        ("https://api.openai.com/v1", "gpt-5", "openai"),
        ("https://eu.api.openai.com/v1", "gpt-5", "openai"),
        ("https://api.deepseek.com", "deepseek-reasoner", "deepseek"),
        ("https://api.x.ai/v1", "grok-4", "x_ai"),
        ("https://api.groq.com/openai/v1", "qwen/qwen3-32b", "groq"),
        ("https://api.mistral.ai/v1", "magistral-medium", "mistral_ai"),
        ("https://openrouter.ai/api/v1", "openai/gpt-5", "openrouter"),
        ("https://me.openai.azure.com/openai/v1", "my-deployment", "azure.ai.openai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-3-flash", "gcp.gemini"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "openai.gpt-oss-120b", "aws.bedrock"),
        ("http://localhost:8000/v1", "deepseek-ai/DeepSeek-R1", "self_hosted"),
        ("http://10.0.0.7:8000/v1", "gpt-oss-120b", "self_hosted"),
        ("http://vllm.models.svc:8000/v1", "qwen3", "self_hosted"),
        ("http://127.0.0.1:4000/v1", "gpt-5-mini", "openai"),
        ("http://litellm.corp.example/v1", "anthropic/claude-sonnet-5", "anthropic"),
        ("https://llm.corp.example/v1", "corp-large", "llm.corp.example"),
    ],
)
def test_the_provider_is_told_from_the_address_and_else_from_the_model(
    provider: ProviderServer, captured: Captured, base_url: str, model: str, expected: str
) -> None:
    provider.reply(chat_whole(TOLD))
    with openai_client(provider.port, base_url) as client:
        client.chat.completions.create(model=model, messages=[])
    assert captured.call[names.PROVIDER_NAME] == expected
    assert captured.call[names.SERVER_ADDRESS] == httpx2.URL(base_url).host


@pytest.mark.newest
def test_an_azure_client_is_azure_at_any_address(provider: ProviderServer, captured: Captured) -> None:
    provider.reply(chat_whole(TOLD))
    with openai.AzureOpenAI(
        api_key="k",
        azure_endpoint="http://gateway.corp.example",
        api_version="2026-01-01",
        max_retries=0,
        http_client=httpx2.Client(transport=Rerouted(provider.port)),
    ) as client:
        client.chat.completions.create(model="gpt-5-deployment", messages=[])
    assert "/deployments/gpt-5-deployment/chat/completions" in provider.paths[0]
    assert captured.call[names.PROVIDER_NAME] == "azure.ai.openai"
    assert captured.call.items() >= COUNTS.items()


def test_xai_counts_thinking_apart_and_tells_its_cost(provider: ProviderServer, captured: Captured) -> None:
    usage = {
        "prompt_tokens": 213,
        "completion_tokens": 3,
        "total_tokens": 252,
        "completion_tokens_details": {"reasoning_tokens": 36},
        "prompt_tokens_details": {"cached_tokens": 128},
        "cost_in_usd_ticks": 4_680_000,
    }
    provider.reply({**chat_whole(TOLD), "usage": usage})
    with openai_client(provider.port, "https://api.x.ai/v1") as client:
        client.chat.completions.create(model="grok-4.5", messages=[])
    call = captured.call
    assert (call[names.OUTPUT_TOKENS], call[names.REASONING_OUTPUT_TOKENS]) == (39, 36)
    assert call[names.USAGE_COST_USD] == pytest.approx(0.000468)


def test_the_budget_and_the_off_switch_of_other_endpoints_are_read(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    for extra in ({"reasoning": {"max_tokens": 2000}}, {"thinking": {"type": "disabled"}}):
        provider.reply(chat_whole(Told(thinking=None), shown=False))
        client.chat.completions.create(model="gpt-5", messages=[], extra_body=extra)
    budget, off = captured.calls
    assert budget[names.THINKING_BUDGET_TOKENS] == 2000
    assert budget[names.THINKING_SOURCE] == "missing"
    assert (off[names.REASONING_OUTPUT_TOKENS], off[names.THINKING_SOURCE]) == (0, "derived")
