"""Wrapping and unwrapping client libraries, whichever comes first."""

import json
import logging
from typing import Any

import anthropic._base_client
import botocore.client
import google.genai._gaos.interactions
import groq._base_client
import mistralai.azure.client.chat
import mistralai.client.agents
import mistralai.client.chat
import mistralai.client.fim
import mistralai.gcp.client.chat
import mistralai.gcp.client.fim
import openai._base_client
import pytest
import wrapt
from google.genai import models
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider

import thinkmeter
from tests.sdk.clients import anthropic_client, openai_client
from tests.sdk.programs import run
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_whole
from tests.sdk.replies.openai import chat_create, chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk import usage
from thinkmeter.sdk.testing import Captured, capture

PLACES: list[tuple[Any, str]] = [
    (openai._base_client.SyncAPIClient, "request"),
    (openai._base_client.AsyncAPIClient, "request"),
    (anthropic._base_client.SyncAPIClient, "request"),
    (anthropic._base_client.AsyncAPIClient, "request"),
    (anthropic._base_client.BaseClient, "_set_open_telemetry"),
    (models.Models, "_generate_content"),
    (models.Models, "_generate_content_stream"),
    (models.AsyncModels, "_generate_content"),
    (models.AsyncModels, "_generate_content_stream"),
    (google.genai._gaos.interactions.Interactions, "create"),
    (google.genai._gaos.interactions.AsyncInteractions, "create"),
    (groq._base_client.SyncAPIClient, "request"),
    (groq._base_client.AsyncAPIClient, "request"),
    (botocore.client.BaseClient, "_make_api_call"),
    *[
        (owner, name)
        for owner in (
            mistralai.client.chat.Chat,
            mistralai.client.agents.Agents,
            mistralai.client.fim.Fim,
            mistralai.azure.client.chat.Chat,
            mistralai.gcp.client.chat.Chat,
            mistralai.gcp.client.fim.Fim,
        )
        for name in ("complete", "complete_async", "stream", "stream_async")
    ],
]


def test_every_place_that_is_patched_exists_in_the_installed_libraries_and_is_restored() -> None:
    thinkmeter.uninstrument()
    before = [owner.__dict__[name] for owner, name in PLACES]
    assert not any(isinstance(function, wrapt.FunctionWrapper) for function in before)
    for _ in range(2):
        with capture() as captured:
            during = [owner.__dict__[name] for owner, name in PLACES]
            assert all(isinstance(function, wrapt.FunctionWrapper) for function in during)
            assert captured.faults == 0
        assert [owner.__dict__[name] for owner, name in PLACES] == before


@pytest.mark.parametrize("library", ["openai", "anthropic"])
@pytest.mark.parametrize("order", ["client first", "import first", "thinkmeter first"])
def test_clients_made_before_and_after_are_measured(provider: ProviderServer, library: str, order: str) -> None:
    provider.reply(chat_whole(Told()) if library == "openai" else messages_whole(Told()))
    made = {
        "openai": f"openai.OpenAI(api_key='k', base_url='{provider.url}', max_retries=0)",
        "anthropic": f"anthropic.Anthropic(api_key='k', base_url='{provider.url}', max_retries=0)",
    }[library]
    create = {
        "openai": "client.chat.completions.create(model='gpt-5', messages=[])",
        "anthropic": "client.messages.create(model='claude-sonnet-5', max_tokens=9, messages=[])",
    }[library]
    instrument = """
captured = thinkmeter.sdk.testing.capture()
kept = captured.__enter__()
"""
    steps = {
        "client first": f"import {library}\nclient = {made}\n{instrument}",
        "import first": f"import {library}\n{instrument}\nclient = {made}",
        "thinkmeter first": f"{instrument}\nimport {library}\nclient = {made}",
    }[order]
    script = f"""import json, thinkmeter, thinkmeter.sdk.testing
{steps}
{create}
client.close()
print(json.dumps([dict(call) for call in kept.calls], default=str))
assert kept.faults == 0
"""
    done = run(script)
    assert done.returncode == 0, done.stderr
    (call,) = json.loads(done.stdout)
    assert call[names.OUTPUT_TOKENS] == 640


def test_only_the_wanted_libraries_are_wrapped(provider: ProviderServer) -> None:
    provider.reply(chat_whole(Told()))
    provider.reply(messages_whole(Told()))
    with capture(providers=["anthropic"]) as captured:
        with openai_client(provider.port) as client:
            chat_create(client, False)
        with anthropic_client(provider.port) as client:
            client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=[])
    assert captured.call[names.PROVIDER_NAME] == "anthropic"


def test_calls_are_not_measured_where_the_application_suppresses_instrumentation(
    provider: ProviderServer, captured: Captured
) -> None:
    provider.reply(chat_whole(Told()))
    token = context.attach(context.set_value("suppress_instrumentation", True))
    with openai_client(provider.port) as client:
        chat_create(client, False)
    context.detach(token)
    assert captured.calls == []


def test_a_fault_of_our_own_never_reaches_the_caller(
    provider: ProviderServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of ours")

    with capture() as captured, openai_client(provider.port) as client, caplog.at_level(logging.WARNING):
        monkeypatch.setattr(usage.Usage, "attributes", broken)
        provider.reply(chat_whole(Told()))
        reply = chat_create(client, False)
        monkeypatch.undo()
        monkeypatch.setattr("thinkmeter.sdk.providers.stainless.endpoint_of", broken)
        provider.reply(chat_whole(Told()))
        chat_create(client, False)
        monkeypatch.undo()
    assert reply.id == "reply-1"
    assert "a bug of ours" in caplog.text
    assert len(captured.calls) == 1  # the second call could not even begin


def test_faults_are_counted(captured: Captured) -> None:
    thinkmeter.record_call(provider="p", model="m", input_tokens=1, output_tokens=1, start="yesterday")  # type: ignore[arg-type]
    health = thinkmeter.health()
    assert health.faults == 1
    assert health.last_fault is not None
    assert health.last_fault.startswith("reading a time: ")
    captured.clear()


def test_an_applications_provider_gains_one_processor_however_often_it_is_instrumented() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    for _ in range(3):
        thinkmeter.instrument(tracer_provider=provider)
        thinkmeter.uninstrument()
    assert len(provider._active_span_processor._span_processors) == 1
