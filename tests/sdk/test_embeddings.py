"""Embeddings through every client that has them: input is counted, output and thinking are none, vectors stay whole."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk.clients import (
    MistralClient,
    async_openai_client,
    bedrock_client,
    google_client,
    groq_client,
    openai_client,
)
from tests.sdk.provider_server import ProviderServer
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture

VECTOR = [0.25, -0.5]
LIST = {
    "id": "reply-1",
    "object": "list",
    "model": "embedder-2",
    "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}],
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}
GEMINI = {"embeddings": [{"values": VECTOR}], "usageMetadata": {"promptTokenCount": 7}}
VERTEX = {
    "predictions": [
        {"embeddings": {"values": VECTOR, "statistics": {"token_count": count, "truncated": False}}} for count in (4, 3)
    ]
}


def embedded_by_openai(port: int) -> Any:
    with openai_client(port) as client:
        return client.embeddings.create(model="embedder", input="x", encoding_format="float").data[0].embedding


def embedded_by_openai_raw(port: int) -> Any:
    with openai_client(port) as client:
        raw = client.embeddings.with_raw_response.create(model="embedder", input="x", encoding_format="float")
        return raw.parse().data[0].embedding


def embedded_by_openai_async(port: int) -> Any:
    async def embed() -> Any:
        async with async_openai_client(port) as client:
            return await client.embeddings.create(model="embedder", input="x", encoding_format="float")

    return asyncio.run(embed()).data[0].embedding


def embedded_by_groq(port: int) -> Any:
    with groq_client(port) as client:
        return client.embeddings.create(model="embedder", input="x").data[0].embedding


def embedded_by_mistral(port: int) -> Any:
    made = MistralClient(port, asynchronous=False)
    try:
        return made.client.embeddings.create(model="embedder", inputs=["x"]).data[0].embedding
    finally:
        made.close()


def embedded_by_gemini(port: int, *, vertex: bool = False) -> Any:
    client = google_client(port, vertex=vertex)
    try:
        return client.models.embed_content(model="embedder", contents=["x", "y"]).embeddings[0].values
    finally:
        client.close()


def embedded_by_gemini_async(port: int) -> Any:
    client = google_client(port)

    async def embed() -> Any:
        found = await client.aio.models.embed_content(model="embedder", contents="x")
        await client.aio.aclose()
        return found.embeddings[0].values

    try:
        return asyncio.run(embed())
    finally:
        client.close()


def embedded_by_vertex(port: int) -> Any:
    return embedded_by_gemini(port, vertex=True)


def embedded_by_bedrock(port: int) -> Any:
    client = bedrock_client(port)
    body = client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": "x"}))["body"]
    return json.loads(body.read())["embedding"]


CLIENTS: dict[str, tuple[Callable[[int], Any], dict[str, Any], dict[str, str]]] = {
    "openai": (embedded_by_openai, LIST, {}),
    "openai, raw": (embedded_by_openai_raw, LIST, {}),
    "openai, async": (embedded_by_openai_async, LIST, {}),
    "groq": (embedded_by_groq, LIST, {}),
    "mistral_ai": (embedded_by_mistral, LIST, {}),
    "gcp.gemini": (embedded_by_gemini, GEMINI, {}),
    "gcp.gemini, async": (embedded_by_gemini_async, GEMINI, {}),
    "gcp.vertex_ai": (embedded_by_vertex, VERTEX, {}),
    "aws.bedrock": (embedded_by_bedrock, {"embedding": VECTOR, "inputTextTokenCount": 7}, {}),
    "aws.bedrock, header": (
        embedded_by_bedrock,
        {"embedding": VECTOR},
        {"x-amzn-bedrock-input-token-count": "7"},
    ),
}


@pytest.mark.newest
@pytest.mark.parametrize("name", CLIENTS)
def test_embeddings_are_calls_without_output_and_without_thinking(
    provider: ProviderServer, captured: Captured, name: str
) -> None:
    embed, reply, headers = CLIENTS[name]
    provider.reply(reply, headers=headers)
    assert embed(provider.port) == VECTOR
    expected = {
        names.OPERATION_NAME: "embeddings",
        names.PROVIDER_NAME: name.partition(",")[0],
        names.INPUT_TOKENS: 7,
        names.OUTPUT_TOKENS: 0,
        names.REASONING_OUTPUT_TOKENS: 0,
        names.THINKING_SOURCE: "derived",
    }
    assert captured.call.items() >= expected.items()
    assert "embed" in str(captured.call[names.REQUEST_MODEL])
    assert captured.faults == 0


def test_a_reply_without_usage_has_unknown_input(provider: ProviderServer, captured: Captured) -> None:
    provider.reply({name: value for name, value in LIST.items() if name != "usage"})
    assert embedded_by_openai(provider.port) == VECTOR
    assert names.INPUT_TOKENS not in captured.call
    assert captured.call[names.REASONING_OUTPUT_TOKENS] == 0


def test_a_refused_call_names_its_error_and_knows_no_counts(provider: ProviderServer, captured: Captured) -> None:
    import openai

    provider.reply({"error": {"message": "no"}}, status=400)
    with pytest.raises(openai.BadRequestError):
        embedded_by_openai(provider.port)
    assert captured.call[names.ERROR_TYPE] == "BadRequestError"
    assert captured.call[names.THINKING_SOURCE] == "missing"
    assert names.OUTPUT_TOKENS not in captured.call


def test_what_is_embedded_is_never_recorded(provider: ProviderServer) -> None:
    with capture(capture_content=True, capture_thinking=True) as captured:
        provider.reply(LIST)
        embedded_by_openai(provider.port)
    assert names.INPUT_MESSAGES not in captured.call
    assert captured.faults == 0
