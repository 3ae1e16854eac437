"""Every way to call by the OpenAI client."""

import asyncio
import gc
import gzip
import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.sdk.clients import async_openai_client, openai_client
from tests.sdk.openai.told import COUNTS, TOLD
from tests.sdk.provider_server import Answer, ProviderServer
from tests.sdk.replies.openai import (
    chat_create,
    chat_events,
    chat_whole,
    responses_events,
    responses_whole,
)
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured


class Answered(BaseModel):
    value: int


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


@pytest.mark.newest
def test_a_caller_that_asks_for_the_http_response_gets_it(
    provider: ProviderServer, client: Any, captured: Captured
) -> None:
    provider.reply(chat_whole(TOLD))
    response = client.post("/chat/completions", cast_to=httpx2.Response, body={"model": "gpt-5", "messages": []})
    assert isinstance(response, httpx2.Response)
    assert response.json()["id"] == "reply-1"
    assert captured.call.items() >= COUNTS.items()


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
