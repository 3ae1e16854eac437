"""Prompts and answers: recorded on request only, as the conventions write them."""

import dataclasses
import json
from typing import Any

import pytest

from tests.sdk.cases import CASES, Case
from tests.sdk.clients import anthropic_client, google_client, openai_client
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.anthropic import messages_events, messages_whole
from tests.sdk.replies.google import gemini_chunk, interactions_events, interactions_whole
from tests.sdk.replies.openai import chat_chunk, chat_whole
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.redaction import REDACTED, redacted
from thinkmeter.sdk.testing import Captured, capture

TOLD = Told()
ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def ask(case: Case, provider: ProviderServer, streamed: bool) -> None:
    if streamed:
        provider.stream(case.events(TOLD), done=case.done, framing=case.framing)
    else:
        provider.reply(case.whole(TOLD))
    client = case.client(provider.port, False)
    reply = case.create(client, streamed)
    if streamed:
        list(reply)
    client.close()


def said(call: Any, name: str) -> Any:
    return json.loads(call[name])


@ALL
@BOTH
def test_nothing_of_what_is_said_is_recorded_by_default(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool
) -> None:
    ask(case, provider, streamed)
    recorded = repr([(span.name, span.attributes, span.events) for span in captured.spans])
    assert "6 x 7" not in recorded
    assert "'hm'" not in recorded
    assert not {names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.SYSTEM_INSTRUCTIONS} & captured.call.keys()


@ALL
@BOTH
def test_prompt_thinking_and_answer_are_recorded_on_request(
    case: Case, provider: ProviderServer, streamed: bool
) -> None:
    with capture(capture_content=True, capture_thinking=True) as captured:
        ask(case, provider, streamed)
    call = captured.call
    assert said(call, names.INPUT_MESSAGES) == [{"role": "user", "parts": [{"type": "text", "content": "6 x 7?"}]}]
    thinking, answer = {"type": "reasoning", "content": "hm"}, {"type": "text", "content": "42"}
    assert said(call, names.OUTPUT_MESSAGES) == [{"role": "assistant", "parts": [thinking, answer]}]
    assert captured.faults == 0


def test_tools_are_recorded_in_chat(provider: ProviderServer) -> None:
    function = {"name": "multiply", "arguments": '{"a": 6}'}
    asked = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }
    provider.stream(
        [
            chat_chunk({"tool_calls": [{"index": 0, "id": "d", "function": {"name": "add", "arguments": ""}}]}),
            chat_chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"b": 7}'}}]}, "tool_calls"),
        ]
    )
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
        asked,
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]
    with capture(capture_content=True) as captured, openai_client(provider.port) as client:
        list(client.chat.completions.create(model="gpt-5", messages=messages, stream=True))
    inputs = said(captured.call, names.INPUT_MESSAGES)
    assert [message["parts"] for message in inputs] == [
        [{"type": "text", "content": "be short"}],
        [{"type": "image_url"}],
        [{"type": "tool_call", "id": "c", "name": "multiply", "arguments": '{"a": 6}'}],
        [{"type": "tool_call_response", "id": "c", "response": "42"}],
    ]
    (output,) = said(captured.call, names.OUTPUT_MESSAGES)
    assert output["parts"] == [{"type": "tool_call", "name": "add", "arguments": '{"b": 7}'}]
    assert captured.faults == 0


def test_tools_and_system_are_recorded_in_messages(provider: ProviderServer) -> None:
    use = {"type": "tool_use", "id": "c", "name": "multiply", "input": {"a": 6}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "42"}
    provider.reply({**messages_whole(TOLD), "content": [use]})
    start = {"type": "content_block_start", "index": 1, "content_block": {**use, "input": {}}}
    piece = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}}
    events = messages_events(TOLD, shown=False)
    provider.stream([events[0], start, piece, *events[-2:]], done=False)
    asked: dict[str, Any] = {
        "model": "claude-sonnet-5",
        "max_tokens": 10,
        "system": [{"type": "text", "text": "be short"}],
        "messages": [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}],
    }
    with capture(capture_content=True) as captured, anthropic_client(provider.port) as client:
        client.messages.create(**asked)
        list(client.messages.create(**asked, stream=True))
    whole, streamed = captured.calls
    assert said(whole, names.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "be short"}]
    assert [message["parts"] for message in said(whole, names.INPUT_MESSAGES)] == [
        [{"type": "tool_call", "id": "c", "name": "multiply", "arguments": {"a": 6}}],
        [{"type": "tool_call_response", "id": "c", "response": "42"}],
    ]
    assert said(whole, names.OUTPUT_MESSAGES)[0]["parts"][0]["arguments"] == {"a": 6}
    assert said(streamed, names.OUTPUT_MESSAGES)[0]["parts"] == [
        {"type": "tool_call", "name": "multiply", "arguments": '{"a"'}
    ]
    assert captured.faults == 0


def test_tools_and_system_are_recorded_in_gemini(provider: ProviderServer) -> None:
    call = {"functionCall": {"name": "multiply", "args": {"a": 6}}}
    provider.stream([gemini_chunk([call], "STOP")], done=False)
    contents: list[dict[str, Any]] = [
        {"role": "model", "parts": [{"function_call": {"name": "add", "args": {"b": 7}}}]},
        {"role": "user", "parts": [{"function_response": {"name": "add", "response": {"result": 42}}}]},
    ]
    client = google_client(provider.port)
    with capture(capture_content=True) as captured:
        list(
            client.models.generate_content_stream(
                model="gemini-3.5-flash", contents=contents, config={"system_instruction": "be short"}
            )
        )
    client.close()
    assert said(captured.call, names.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "be short"}]
    assert [part["type"] for message in said(captured.call, names.INPUT_MESSAGES) for part in message["parts"]] == [
        "tool_call",
        "tool_call_response",
    ]
    (output,) = said(captured.call, names.OUTPUT_MESSAGES)
    assert (output["parts"][0]["name"], output["parts"][0]["arguments"]) == ("multiply", {"a": 6})
    assert captured.faults == 0


@pytest.mark.newest
def test_tools_and_system_are_recorded_in_interactions(provider: ProviderServer) -> None:
    call = {"type": "function_call", "id": "c", "name": "multiply", "arguments": {"a": 6}}
    provider.reply({**interactions_whole(TOLD), "steps": [call], "status": "requires_action"})
    created, *_, completed = interactions_events(TOLD)
    start = {"event_type": "step.start", "index": 0, "step": {**call, "arguments": {}}}
    pieces = [
        {"event_type": "step.delta", "index": 0, "delta": {"type": "arguments_delta", "arguments": piece}}
        for piece in ('{"a"', ": 6}")
    ]
    provider.stream([created, start, *pieces, completed])
    steps: list[dict[str, Any]] = [
        {"type": "user_input", "content": [{"type": "text", "text": "6 x 7?"}]},
        call,
        {"type": "function_result", "call_id": "c", "name": "multiply", "result": "42"},
    ]
    asked: dict[str, Any] = {"model": "gemini-3.5-flash", "input": steps, "system_instruction": "be short"}
    client = google_client(provider.port)
    with capture(capture_content=True) as captured:
        client.interactions.create(**asked)
        list(client.interactions.create(**asked, stream=True))
    client.close()
    whole, streamed = captured.calls
    assert said(whole, names.SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "be short"}]
    assert said(whole, names.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "6 x 7?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c", "name": "multiply", "arguments": {"a": 6}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "42"}]},
    ]
    assert said(whole, names.OUTPUT_MESSAGES)[0]["parts"][0]["arguments"] == {"a": 6}
    assert said(streamed, names.OUTPUT_MESSAGES)[0]["parts"] == [
        {"type": "tool_call", "name": "multiply", "arguments": '{"a": 6}'}
    ]
    assert captured.faults == 0


def test_a_long_text_is_cut(provider: ProviderServer) -> None:
    provider.reply(chat_whole(TOLD))
    with capture(capture_content=True) as captured, openai_client(provider.port) as client:
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "x" * 1_000_000}])
    assert len(captured.call[names.INPUT_MESSAGES]) < 101_000


@ALL
@BOTH
def test_the_text_of_thinking_has_a_switch_of_its_own(case: Case, provider: ProviderServer, streamed: bool) -> None:
    with capture(capture_content=True) as captured:
        ask(case, provider, streamed)
    answer = {"type": "text", "content": "42"}
    assert said(captured.call, names.OUTPUT_MESSAGES) == [
        {"role": "assistant", "parts": [{"type": "reasoning"}, answer]}
    ]
    assert "hm" not in captured.call[names.OUTPUT_MESSAGES]
    with capture(capture_thinking=True) as captured:
        ask(case, provider, streamed)
    assert names.OUTPUT_MESSAGES not in captured.call


def test_thinking_that_is_sent_back_is_left_out_too(provider: ProviderServer) -> None:
    provider.reply(messages_whole(TOLD))
    thought = {"type": "thinking", "thinking": "private", "signature": "s"}
    messages: list[Any] = [{"role": "assistant", "content": [thought]}, {"role": "user", "content": "so?"}]
    with capture(capture_content=True) as captured, anthropic_client(provider.port) as client:
        client.messages.create(model="claude-sonnet-5", max_tokens=10, messages=messages)
    assert "private" not in captured.call[names.INPUT_MESSAGES]


# --- secrets ------------------------------------------------------------------------------------------

SECRETS = [
    "sk-proj-abcDEF0123456789abcDEF",
    "sk-ant-api03-abcDEF0123456789_-abc",
    "gsk_abcDEF0123456789abcDEF",
    "AIza" + "SyA-0123456789abcdefghijklmnopqrstu",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "abcdefghij0123456789ABCD",
    "xoxb-" + "1234567890-abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
]
PLAIN = [
    "the basic idea",
    "a token bucket",
    "ask-for-directions",
    "risk-assessment-of-the-year",
    "bearer of news",
    "x = 42",
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:6])
def test_a_secret_is_taken_out_wherever_it_stands(secret: str) -> None:
    assert redacted(f"use {secret}, please") == f"use {REDACTED}, please"
    assert redacted([{"parts": [{"arguments": {"deep": (secret, 1)}}]}]) == [
        {"parts": [{"arguments": {"deep": [REDACTED, 1]}}]}
    ]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdefghijkl.mnop", "abcdefghijkl"),
        ("postgres://bob:hunter22@db/x", "hunter22"),
        ("password=hunter22 next", "hunter22"),
        ('{"api_key": "hunter22"}', "hunter22"),
        ('{\\"api_key\\": \\"hunter22\\"}', "hunter22"),
    ],
)
def test_a_value_that_is_said_to_be_secret_is_taken_out(text: str, hidden: str) -> None:
    assert hidden not in redacted(text)
    assert REDACTED in redacted(text)


def test_members_are_judged_by_their_names_too() -> None:
    arguments = {
        "api_key": "plain",
        "clientSecret": "plain",
        "token": "plain",
        "tokens": 7,
        "max_token": 9,
        "city": "plain",
    }
    found = redacted(arguments)
    assert [name for name, value in found.items() if value == REDACTED] == ["api_key", "clientSecret", "token"]
    assert (found["tokens"], found["max_token"], found["city"]) == (7, 9, "plain")


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_stays(text: str) -> None:
    assert redacted(text) == text


@ALL
@BOTH
def test_secrets_never_leave_the_process(case: Case, provider: ProviderServer, streamed: bool) -> None:
    def leaking(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: leaking(value) for name, value in node.items()}
        if isinstance(node, list):
            return [leaking(item) for item in node]
        return f"{SECRETS[0]} bob@example.com ACME-7 {node}" if node in ("hm", "42", "4", "2") else node

    leaks = dataclasses.replace(
        case, whole=lambda told: leaking(case.whole(told)), events=lambda told: leaking(case.events(told))
    )
    settings: Any = {"capture_content": True, "capture_thinking": True}
    with capture(**settings, redact=["emails", r"ACME-\d", "("]) as captured:
        ask(leaks, provider, streamed)
    recorded = repr([span.attributes for span in captured.spans])
    assert REDACTED in recorded
    assert [leak for leak in (SECRETS[0], "example.com", "ACME-7") if leak in recorded] == []
    assert captured.faults == 0


def test_patterns_come_from_the_environment_too(provider: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINKMETER_CAPTURE_CONTENT", "true")
    monkeypatch.setenv("THINKMETER_REDACT", "emails ACME-[0-9]")
    provider.reply(chat_whole(TOLD))
    with capture() as captured, openai_client(provider.port) as client:
        client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "ACME-7 to bob@example.com"}]
        )
    assert said(captured.call, names.INPUT_MESSAGES)[0]["parts"][0]["content"] == f"{REDACTED} to {REDACTED}"
