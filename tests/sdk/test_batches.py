"""Batch endpoints bill nothing when they are called: no call is recorded of them, and their results are left alone."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.sdk.clients import google_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_whole
from tests.sdk.replies.google import gemini_whole
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

pytestmark = pytest.mark.newest  # whose clients speak by httpx2
MESSAGES: list[Any] = [{"role": "user", "content": "6 x 7?"}]
BATCH = {"id": "batch-1", "object": "batch", "endpoint": "/v1/chat/completions", "status": "completed"}
MESSAGE_BATCH = {
    "id": "msgbatch-1",
    "type": "message_batch",
    "processing_status": "ended",
    "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch-1/results",
}
MESSAGE_RESULTS = [
    {"custom_id": str(number), "result": {"type": "succeeded", "message": messages_whole(Told())}}
    for number in range(3)
]
CHAT_RESULTS = [{"custom_id": "a", "response": {"status_code": 200, "body": chat_whole(Told())}}]


def answered(request: Any) -> Any:
    """What the two providers answer, by path."""
    path, method = request.url.path, request.method
    if path.endswith("/results"):
        lines = "".join(json.dumps(result) + "\n" for result in MESSAGE_RESULTS)
        return httpx2.Response(200, headers={"Content-Type": "application/x-jsonl"}, content=lines.encode())
    if path.endswith("/content"):
        return httpx2.Response(200, content="".join(json.dumps(line) + "\n" for line in CHAT_RESULTS).encode())
    if path.endswith("/files"):
        return httpx2.Response(200, json={"id": "file-1", "object": "file", "purpose": "batch"})
    if path.endswith("/chat/completions"):
        return httpx2.Response(200, json=chat_whole(Told()))
    if path.endswith("/v1/messages"):
        return httpx2.Response(200, json=messages_whole(Told()))
    assert method in ("GET", "POST")
    return httpx2.Response(200, json=MESSAGE_BATCH if "/messages/" in path else BATCH)


def of_openai() -> tuple[openai.OpenAI, openai.AsyncOpenAI]:
    """Both kinds of client, answered in process."""
    transport: Any = httpx2.MockTransport(answered)
    return (
        openai.OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport)),
        openai.AsyncOpenAI(api_key="k", max_retries=0, http_client=httpx2.AsyncClient(transport=transport)),
    )


def of_anthropic() -> tuple[anthropic.Anthropic, anthropic.AsyncAnthropic]:
    """The same of Anthropic."""
    transport: Any = httpx2.MockTransport(answered)
    return (
        anthropic.Anthropic(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport)),
        anthropic.AsyncAnthropic(api_key="k", max_retries=0, http_client=httpx2.AsyncClient(transport=transport)),
    )


def test_a_batch_at_openai_is_no_call_and_neither_is_reading_what_came_of_it(captured: Captured) -> None:
    client, asynchronous = of_openai()
    asked: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": MESSAGES}}
    file = client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, **asked)
    assert client.batches.retrieve(batch.id).status == "completed"
    assert [json.loads(told) for told in client.files.content("file-2").text.splitlines()] == CHAT_RESULTS
    client.batches.cancel(batch.id)

    async def once_more() -> str:
        async with asynchronous:
            return (await asynchronous.batches.create(input_file_id=file.id, **asked)).id

    assert asyncio.run(once_more()) == batch.id
    assert captured.spans == []
    client.chat.completions.create(model="gpt-5", messages=MESSAGES)
    assert captured.call[names.OUTPUT_TOKENS] == Told().output
    client.close()


@pytest.mark.parametrize("of", [lambda client: client.messages, lambda client: client.beta.messages])
def test_a_batch_at_anthropic_is_no_call_and_its_results_are_left_alone(
    captured: Captured, of: Callable[[Any], Any]
) -> None:
    client, asynchronous = of_anthropic()
    requests = [{"custom_id": "0", "params": {"model": "claude-sonnet-5", "max_tokens": 9, "messages": MESSAGES}}]
    batch = of(client).batches.create(requests=requests)
    assert of(client).batches.retrieve(batch.id).processing_status == "ended"
    results = of(client).batches.results(batch.id)
    assert type(results).__qualname__ == "JSONLDecoder"
    told = list(results)
    assert [result.custom_id for result in told] == ["0", "1", "2"]
    assert told[0].result.message.usage.output_tokens == Told().output

    async def once_more() -> list[str]:
        async with asynchronous:
            batch = await of(asynchronous).batches.create(requests=requests)
            results = await of(asynchronous).batches.results(batch.id)
            assert type(results).__qualname__ == "AsyncJSONLDecoder"
            return [result.custom_id async for result in results]

    assert asyncio.run(once_more()) == ["0", "1", "2"]
    assert captured.spans == []
    of(client).create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES)
    assert captured.call[names.OUTPUT_TOKENS] == Told().output
    client.close()


def test_a_batch_at_google_is_no_call(provider: ProviderServer, captured: Captured) -> None:
    provider.reply({"name": "batches/1", "metadata": {"state": "BATCH_STATE_PENDING", "model": "models/gemini-3.5"}})
    provider.reply(gemini_whole(Told()))
    client = google_client(provider.port)
    contents: list[Any] = [{"parts": [{"text": "6 x 7?"}], "role": "user"}]
    batch = client.batches.create(model="gemini-3.5-flash", src=[{"contents": contents}])
    assert batch.name == "batches/1"
    assert captured.spans == []
    client.models.generate_content(model="gemini-3.5-flash", contents=contents)
    assert captured.call[names.OUTPUT_TOKENS] == Told().output
    client.close()
