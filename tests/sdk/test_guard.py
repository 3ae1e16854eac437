"""The cap on thinking budgets."""

from typing import Any

import pytest

import thinkmeter
from tests.sdk.cases import Told, chat_whole, gemini_whole, messages_whole
from tests.sdk.clients import anthropic_client, google_client, openai_client
from tests.sdk.provider_server import ProviderServer
from thinkmeter.schema import attributes as names
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
