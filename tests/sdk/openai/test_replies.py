"""What replies say that the OpenAI client and its like get, and who answers."""

from typing import Any

import httpx2
import openai
import pytest

from tests.sdk.clients import Rerouted, openai_client
from tests.sdk.openai.told import COUNTS, TOLD
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.openai import (
    chat_chunk,
    chat_usage,
    chat_whole,
    responses_create,
    responses_events,
    responses_whole,
)
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured


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
