"""Prompts and answers: recorded on request only, as the conventions write them."""

import json
from typing import Any

import pytest

from tests.sdk.cases import CASES, Case, Told, chat_chunk, chat_whole, gemini_chunk, messages_events, messages_whole
from tests.sdk.clients import anthropic_client, google_client, openai_client
from tests.sdk.provider_server import ProviderServer
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture

TOLD = Told()
ALL = pytest.mark.parametrize("case", [case for case in CASES if case.said], ids=lambda case: case.name)
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
    with capture(capture_content=True) as captured:
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


def test_a_long_text_is_cut(provider: ProviderServer) -> None:
    provider.reply(chat_whole(TOLD))
    with capture(capture_content=True) as captured, openai_client(provider.port) as client:
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "x" * 1_000_000}])
    assert len(captured.call[names.INPUT_MESSAGES]) < 101_000
