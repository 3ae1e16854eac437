"""Every recording of real traffic, replayed through the real client: each count as expected, or explained below."""

import asyncio
import inspect
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import groq
import openai
import pytest
from google.genai import errors as google_errors

from tests.sdk.clients import (
    MistralClient,
    anthropic_client,
    async_anthropic_client,
    async_groq_client,
    async_openai_client,
    bedrock_client,
    google_client,
    groq_client,
    openai_client,
)
from tests.sdk.provider_server import ProviderServer
from tests.sdk.recordings import Recording, load_recordings
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

COUNTS = {
    "input_tokens": names.INPUT_TOKENS,
    "cached_input_tokens": names.CACHE_READ_INPUT_TOKENS,
    "cache_write_tokens": names.CACHE_WRITE_INPUT_TOKENS,
    "output_tokens": names.OUTPUT_TOKENS,
    "thinking_tokens": names.REASONING_OUTPUT_TOKENS,
}

CHAT = [(provider, "chat_completions") for provider in ("openai", "deepseek", "groq", "mistral", "openrouter")]
APIS = {
    *CHAT,
    ("openai", "responses"),
    ("bedrock", "responses"),
    ("bedrock", "converse"),
    ("anthropic", "messages"),
    ("google", "generate_content"),
    ("google_vertex", "generate_content"),
}
ELSEWHERE = {
    ("xai", "grpc_chat"): "another client library: xai-sdk, which speaks gRPC",
}

NO_THINKING_SHOWN = "an API that always shows its thinking showed none: known 0"
TOTAL_ADDS_UP = "the total is the sum of the other counts, and the API omits zeros: known 0"
EACH_CHUNK_ITS_OWN = "every chunk has an id of its own: the first one is reported"
ERROR_IN_STREAM = "an error came within the stream, after a status of 200"
CUT = "that error ended the stream before its usage came, whatever the provider sent after it"
EXPLAINED = {
    ("anthropic/pai__test_anthropic__test_anthropic_tool_with_thinking.yaml[1]", "thinking_tokens"): NO_THINKING_SHOWN,
    (
        "google/pai__test_google__test_google_streaming_tool_call_thought_signature.yaml[1]",
        "thinking_tokens",
    ): TOTAL_ADDS_UP,
    **{
        ("openrouter/pai__test_openrouter__test_openrouter_stream_error.yaml[0]", count): CUT
        for count in ("input_tokens", "output_tokens", "thinking_tokens")
    },
    ("openrouter/pai__test_openrouter__test_openrouter_stream_error.yaml[0]", "error"): ERROR_IN_STREAM,
    ("groq/pai__test_groq__test_groq_model_web_search_tool_stream.yaml[0]", "response id"): EACH_CHUNK_ITS_OWN,
}
"""Recording and field -> why we do not report what the index says."""

REPORTED: dict[str, object] = {NO_THINKING_SHOWN: 0, TOTAL_ADDS_UP: 0, CUT: None, ERROR_IN_STREAM: "APIError"}
"""Reason -> what we report instead."""

PROVIDERS = {
    "google": "gcp.gemini",
    "google_vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "bedrock": "aws.bedrock",
}


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> list[Recording]:
    """The recordings."""
    return load_recordings(real_data.parent / "cassettes", APIS)


def test_no_recording_is_left_out(real_data: Path, recordings: list[Recording]) -> None:
    index = json.loads((real_data.parent / "cassettes" / "index.json").read_text())
    every = [(call["provider"], call["api"]) for entry in index for call in entry["calls"]]
    left_out = {pair for pair in every if pair not in APIS}
    assert left_out == ELSEWHERE.keys()
    assert len(recordings) == sum(pair in APIS for pair in every)
    assert {name for name, _ in EXPLAINED} <= {recording.name for recording in recordings}


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_every_recording_is_counted_as_it_was_billed(
    recordings: list[Recording], provider: ProviderServer, captured: Captured, mode: str
) -> None:
    wrong: list[tuple[object, ...]] = []
    explained: list[tuple[str, str]] = []
    for recording in recordings:
        captured.clear()
        provider.answers.append(recording.answer)
        replay(recording, provider.port, asynchronous=mode == "async")
        # Inferences of other models within a message stand beside it; the message itself is read here.
        calls = [c for c in captured.calls if c.get(names.RESPONSE_ID) or len(captured.calls) == 1]
        assert len(calls) == 1, recording.name
        found = [(recording.name, *difference) for difference in differences(recording, calls[0])]
        explained += [(name, field) for name, field, _, reported in found if is_explained(name, field, reported)]
        wrong += [difference for difference in found if not is_explained(difference[0], difference[1], difference[3])]
        assert captured.faults == 0, recording.name
    assert wrong == []
    assert set(explained) == EXPLAINED.keys()
    assert not provider.answers


def is_explained(name: str, field: str, reported: object) -> bool:
    """Whether a difference is in the table, and is the one that the table speaks of."""
    reason = EXPLAINED.get((name, field))
    return reason is not None and (reason not in REPORTED or REPORTED[reason] == reported)


def differences(recording: Recording, call: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """What a call says otherwise than the recording: field, expected, reported."""
    index = recording.index
    expected = index["expected"] or dict.fromkeys(COUNTS)
    pairs: dict[str, tuple[object, object]] = {
        "provider": (PROVIDERS.get(recording.provider, recording.provider), call[names.PROVIDER_NAME]),
        "model": (index["request_model"], call[names.REQUEST_MODEL]),
        "response id": (index["response_id"], call.get(names.RESPONSE_ID)),
        "response model": (index["response_model"], call.get(names.RESPONSE_MODEL)),
    }
    for count, attribute in COUNTS.items():
        told = call.get(attribute)
        # A provider that has no word for a cache used none; the index says 0 then.
        silent = told is None and count.startswith("cache") and not expected[count]
        pairs[count] = (None if silent else expected[count], told)
    for field, (wanted, told) in pairs.items():
        if told != wanted:
            yield field, wanted, told
    if (index["status"] >= 400) != (names.ERROR_TYPE in call):
        yield "error", index["status"], call.get(names.ERROR_TYPE)
    assert (call[names.THINKING_SOURCE] == "missing") == (names.REASONING_OUTPUT_TOKENS not in call)


def replay(recording: Recording, port: int, *, asynchronous: bool) -> None:
    """Make the call that was recorded, and read its reply to the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # client libraries warn of models that are old by now
        if recording.api == "converse":
            replay_converse(recording, port)
        elif recording.api == "generate_content":
            replay_google(recording, port, asynchronous=asynchronous)
        elif asynchronous:
            asyncio.run(replay_async(recording, port))
        else:
            replay_sync(recording, port)


def replay_converse(recording: Recording, port: int) -> None:
    client = bedrock_client(port)  # boto3 has no asynchronous client
    client.converse(modelId=recording.index["request_model"], **recording.sent)
    client.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("library", ["groq", "mistral"])
def test_recordings_are_counted_through_the_providers_own_client_too(
    recordings: list[Recording], provider: ProviderServer, captured: Captured, library: str, mode: str
) -> None:
    own = [recording for recording in recordings if recording.provider == library]
    assert own
    wrong: list[tuple[object, ...]] = []
    for recording in own:
        captured.clear()
        provider.answers.append(recording.answer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asyncio.run(replay_own(recording, provider.port, asynchronous=mode == "async"))
        found = [(recording.name, *difference) for difference in differences(recording, captured.call)]
        wrong += [difference for difference in found if not is_explained(difference[0], difference[1], difference[3])]
    assert wrong == []


async def replay_own(recording: Recording, port: int, *, asynchronous: bool) -> None:
    streamed = recording.index["streamed"]
    if recording.provider == "mistral":
        client: Any = MistralClient(port, asynchronous)
        method = client.stream if streamed else client.complete
        asked = {name: value for name, value in recording.sent.items() if name != "stream"}
    else:
        client = (async_groq_client if asynchronous else groq_client)(port)
        method = client.chat.completions.create
        asked = arguments(recording, method)
    with failing(recording):
        reply = await method(**asked) if asynchronous else method(**asked)
        if streamed and asynchronous:
            async for _ in reply:
                pass
        elif streamed:
            list(reply)
    await client.aclose() if hasattr(client, "aclose") else await client.close() if asynchronous else client.close()


def method_of(recording: Recording, client: Any) -> Any:
    """The client's method for that API."""
    methods = {
        "chat_completions": lambda: client.chat.completions.create,
        "responses": lambda: client.responses.create,
        "messages": lambda: client.messages.create,
    }
    return methods[recording.api]()


def arguments(recording: Recording, method: Any) -> dict[str, Any]:
    """The recorded body as arguments: named ones, and the rest as the extra body."""
    named = inspect.signature(method).parameters.keys()
    given = {name: value for name, value in recording.sent.items() if name in named}
    return {**given, "extra_body": {name: value for name, value in recording.sent.items() if name not in named}}


def replay_sync(recording: Recording, port: int) -> None:
    make = anthropic_client if recording.api == "messages" else openai_client
    options = {} if recording.api == "messages" else {"base_url": recording.base_url}
    with make(port, **options) as client:
        method = method_of(recording, client)
        with failing(recording):
            reply = method(**arguments(recording, method))
            if recording.index["streamed"]:
                list(reply)


async def replay_async(recording: Recording, port: int) -> None:
    make = async_anthropic_client if recording.api == "messages" else async_openai_client
    options = {} if recording.api == "messages" else {"base_url": recording.base_url}
    async with make(port, **options) as client:
        method = method_of(recording, client)
        with failing(recording):
            reply = await method(**arguments(recording, method))
            if recording.index["streamed"]:
                async for _ in reply:
                    pass


def failing(recording: Recording) -> AbstractContextManager[object]:
    """Some recordings are of errors, as a status or within the stream: those raise."""
    fails = recording.index["status"] >= 400 or (recording.name, "error") in EXPLAINED
    kinds = (openai.OpenAIError, groq.GroqError, google_errors.APIError)
    return pytest.raises(kinds) if fails else nullcontext()


def replay_google(recording: Recording, port: int, *, asynchronous: bool) -> None:
    client = google_client(port, vertex=recording.provider == "google_vertex")
    config = recording.sent.get("generationConfig", {}).get("thinkingConfig")
    asked: dict[str, Any] = {
        "model": recording.index["request_model"],
        "contents": "the recorded prompt is of no consequence",
        "config": {"thinking_config": config} if config else None,
    }

    async def together() -> None:
        if recording.index["streamed"]:
            async for _ in await client.aio.models.generate_content_stream(**asked):
                pass
        else:
            await client.aio.models.generate_content(**asked)
        await client.aio.aclose()

    with failing(recording):
        if asynchronous:
            asyncio.run(together())
        elif recording.index["streamed"]:
            list(client.models.generate_content_stream(**asked))
        else:
            client.models.generate_content(**asked)
    client.close()
