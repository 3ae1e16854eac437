"""The cap on thinking, held against budgets that are asked for and thinking that is shown."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import thinkmeter
from tests.sdk.clients import anthropic_client, async_openai_client, google_client, openai_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_events, messages_whole
from tests.sdk.replies.google import gemini_chunk, gemini_whole
from tests.sdk.replies.openai import chat_chunk, chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk import guard
from thinkmeter.sdk.testing import capture


def anthropic_call(provider: ProviderServer, budget_tokens: int) -> Any:
    thinking = {"type": "enabled", "budget_tokens": budget_tokens}
    provider.reply(messages_whole(Told()))
    with anthropic_client(provider.port) as client:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=20_000,
            messages=[{"role": "user", "content": "x"}],
            thinking=thinking,
        )
    assert thinking == {"type": "enabled", "budget_tokens": budget_tokens}
    return provider.bodies[-1]["thinking"]["budget_tokens"]


def openrouter_call(provider: ProviderServer, budget_tokens: int) -> Any:
    extra = {"reasoning": {"max_tokens": budget_tokens}}
    provider.reply(chat_whole(Told()))
    with openai_client(provider.port, "https://openrouter.ai/api/v1") as client:
        client.chat.completions.create(model="a/b", messages=[], extra_body=extra)
    assert extra == {"reasoning": {"max_tokens": budget_tokens}}
    return provider.bodies[-1]["reasoning"]["max_tokens"]


def gemini_call(provider: ProviderServer, budget_tokens: int) -> Any:
    from google.genai import types

    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_budget=budget_tokens))
    provider.reply(gemini_whole(Told()))
    client = google_client(provider.port)
    try:
        client.models.generate_content(model="gemini-2.5-flash", contents="x", config=config)
    finally:
        client.close()
    assert config.thinking_config is not None
    assert config.thinking_config.thinking_budget == budget_tokens
    return provider.bodies[-1]["generationConfig"]["thinkingConfig"]["thinking_budget"]


CALLS = pytest.mark.parametrize("call", [anthropic_call, openrouter_call, gemini_call])


@CALLS
def test_clamping_sends_the_cap_and_leaves_the_callers_objects_alone(provider: ProviderServer, call: Any) -> None:
    with capture(max_thinking_tokens=4000, on_exceed="clamp") as captured:
        assert call(provider, 16_000) == 4000
        assert call(provider, 3000) == 3000
    assert [c[names.THINKING_BUDGET_TOKENS] for c in captured.calls] == [4000, 3000]


@CALLS
def test_raising_raises_the_documented_exception_and_sends_nothing(provider: ProviderServer, call: Any) -> None:
    with capture(max_thinking_tokens=4000, on_exceed="raise") as captured:
        with pytest.raises(thinkmeter.ThinkingBudgetExceeded) as raised:
            call(provider, 16_000)
        assert (raised.value.budget_tokens, raised.value.max_thinking_tokens) == (16_000, 4000)
        assert isinstance(raised.value, ValueError)
        assert provider.bodies == []
        assert captured.calls == []
        assert captured.faults == 0


@CALLS
def test_warning_sends_what_was_asked(provider: ProviderServer, call: Any, caplog: pytest.LogCaptureFixture) -> None:
    with capture(max_thinking_tokens=4000):
        assert call(provider, 16_000) == 16_000
    assert "asks for 16000 thinking tokens, more than the cap of 4000" in caplog.text


def test_clamping_keeps_the_least_budget_that_the_provider_accepts(provider: ProviderServer) -> None:
    with capture(max_thinking_tokens=100, on_exceed="clamp") as captured:
        assert anthropic_call(provider, 16_000) == 1024
        assert anthropic_call(provider, 1024) == 1024
    assert [c[names.THINKING_BUDGET_TOKENS] for c in captured.calls] == [1024, 1024]


# --- by task class --------------------------------------------------------------------------------


def test_each_task_class_has_its_cap(provider: ProviderServer) -> None:
    with capture(max_thinking_tokens={"sql": 2000, "*": 4000}, on_exceed="clamp"):
        with thinkmeter.request("sql"):
            assert openrouter_call(provider, 16_000) == 2000
        with thinkmeter.request("chat"):
            assert openrouter_call(provider, 16_000) == 4000
        assert openrouter_call(provider, 16_000) == 4000
    with capture(max_thinking_tokens={"sql": 2000}, on_exceed="clamp"), thinkmeter.request("chat"):
        assert openrouter_call(provider, 16_000) == 16_000


def test_caps_come_from_the_environment_too(provider: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINKMETER_ON_EXCEED", "clamp")
    monkeypatch.setenv("THINKMETER_MAX_THINKING_TOKENS", "sql=2000,*=4000")
    with capture(), thinkmeter.request("sql"):
        assert openrouter_call(provider, 16_000) == 2000
    monkeypatch.setenv("THINKMETER_MAX_THINKING_TOKENS", "3000")
    with capture(), thinkmeter.request("sql"):
        assert openrouter_call(provider, 16_000) == 3000


# --- streams that show their thinking ---------------------------------------------------------------

THOUGHT = "x" * 400  # about a hundred tokens


def shown(chunks: list[Any]) -> str:
    """What a stream gave, without the headers that Gemini's client keeps, in which the time of day stands."""
    return repr([getattr(chunk, "candidates", chunk) for chunk in chunks])


def thinking_events(case: str) -> list[dict[str, Any]]:
    if case == "chat":
        thoughts = [chat_chunk({"content": None, "reasoning_content": THOUGHT})] * 10
        return [*thoughts, chat_chunk({"content": "42"}), chat_chunk({}, "stop")]
    if case == "gemini":
        return [gemini_chunk([{"text": THOUGHT, "thought": True}])] * 10 + [gemini_chunk([{"text": "42"}], "STOP")]
    head, start, delta, *rest = messages_events(Told())
    delta = {**delta, "delta": {"type": "thinking_delta", "thinking": THOUGHT}}
    return [head, start, *[delta] * 10, *rest]


def stream(case: str, port: int) -> Iterator[Any]:
    if case == "chat":
        with openai_client(port) as client:
            yield from client.chat.completions.create(model="deepseek-reasoner", messages=[], stream=True)
    elif case == "messages":
        messages = [{"role": "user", "content": "x"}]
        with anthropic_client(port) as claude:
            yield from claude.messages.create(model="claude-x", max_tokens=9, messages=messages, stream=True)
    else:
        google = google_client(port)
        yield from google.models.generate_content_stream(model="gemini-2.5-flash", contents="x")
        google.close()


STREAMS = pytest.mark.parametrize("case", ["chat", "messages", "gemini"])


@STREAMS
def test_a_stream_that_shows_its_thinking_is_ended_at_the_cap(provider: ProviderServer, case: str) -> None:
    provider.stream(thinking_events(case), done=case == "chat")
    with capture(max_thinking_tokens=350, on_exceed="clamp") as captured:
        chunks = list(stream(case, provider.port))
        assert "42" not in shown(chunks)
        assert 4 <= len(chunks) <= 8
        assert captured.call[names.RESPONSE_FINISH_REASONS] == (guard.STOPPED,)
        assert names.ERROR_TYPE not in captured.call
        assert captured.call.get(names.RESPONSE_ID) == "reply-1"
        assert captured.faults == 0


@STREAMS
def test_it_raises_where_it_was_told_to(provider: ProviderServer, case: str) -> None:
    provider.stream(thinking_events(case), done=case == "chat")
    with capture(max_thinking_tokens=350, on_exceed="raise") as captured:
        with pytest.raises(thinkmeter.ThinkingBudgetExceeded, match="showed about 400 thinking tokens") as raised:
            list(stream(case, provider.port))
        assert (raised.value.budget_tokens, raised.value.max_thinking_tokens) == (400, 350)
        assert captured.call[names.ERROR_TYPE] == "ThinkingBudgetExceeded"
        assert captured.faults == 0


@STREAMS
def test_it_warns_once_and_goes_on_otherwise(
    provider: ProviderServer, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.stream(thinking_events(case), done=case == "chat")
    with capture(max_thinking_tokens=350) as captured:
        assert "42" in shown(list(stream(case, provider.port)))
    assert caplog.text.count("shows more thinking than the cap of 350") == 1
    assert guard.STOPPED not in captured.call[names.RESPONSE_FINISH_REASONS]


def test_an_asynchronous_stream_is_ended_too_and_its_connection_given_back(provider: ProviderServer) -> None:
    gate = threading.Event()
    provider.stream(thinking_events("chat"), gate=gate, gate_at=8)

    async def read() -> int:
        async with async_openai_client(provider.port) as client:
            reply = await client.chat.completions.create(model="deepseek-reasoner", messages=[], stream=True)
            return len([chunk async for chunk in reply])

    with capture(max_thinking_tokens=350, on_exceed="clamp") as captured:
        assert asyncio.run(read()) == 4  # with the gate closed: the rest was not waited for
        gate.set()
    assert captured.call[names.RESPONSE_FINISH_REASONS] == (guard.STOPPED,)
