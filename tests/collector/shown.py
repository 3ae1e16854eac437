"""Calls that say that nothing was thought, and content that shows thinking, or looks as if it did."""

import json
from collections.abc import Mapping
from typing import Any

from thinkmeter.schema import attributes as a

SECRET = "perhaps the train leaves at nine"
CALL = {
    a.OPERATION_NAME: "chat",
    a.PROVIDER_NAME: "openai",
    a.REQUEST_MODEL: "m",
    a.INPUT_TOKENS: 10,
    a.OUTPUT_TOKENS: 50,
    a.REASONING_OUTPUT_TOKENS: 0,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "m",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 50,
    "llm.token_count.completion_details.reasoning": 0,
}
LANGFUSE = {
    "langfuse.observation.type": "generation",
    "langfuse.observation.usage_details": json.dumps(
        {"prompt_tokens": 10, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 0}}
    ),
}
VERCEL = {
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.usage.completionTokens": 50,
    "ai.usage.reasoningTokens": 0,
}
CONTENTS = "llm.output_messages.0.message.contents"


def messages(*parts: Mapping[str, Any], role: str = "assistant") -> str:
    return json.dumps([{"role": role, "parts": parts, "finish_reason": "stop"}])


def part(path: str, kind: str, **told: str) -> dict[str, str]:
    return {f"{CONTENTS}.{path}.message_content.type": kind} | {
        f"{CONTENTS}.{path}.message_content.{name}": text for name, text in told.items()
    }


SHOWING: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "the conventions, type first": (
        CALL,
        {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})},
    ),
    "the conventions, type last": (
        CALL,
        {"gen_ai.output.messages": messages({"content": 'with "quotes" \\ and\nlines', "type": "reasoning"})},
    ),
    "the conventions, compact": (
        CALL,
        {
            "gen_ai.output.messages": messages(
                {"type": "text", "content": "yes"}, {"type": "reasoning", "id": None, "content": SECRET}
            ).replace(" ", "")
        },
    ),
    "pydantic-ai": (
        CALL,
        {
            "gen_ai.output.messages": messages(
                {"content": SECRET, "id": None, "signature": "c2ln", "part_kind": "thinking"}
            )
        },
    ),
    "anthropic's blocks": (
        CALL,
        {"gen_ai.completion": json.dumps([{"signature": "c2ln", "thinking": SECRET, "type": "thinking"}])},
    ),
    "mistral's chunks": (
        CALL,
        {"gen_ai.completion": json.dumps([{"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}])},
    ),
    "gemini's parts": (CALL, {"gen_ai.completion": json.dumps({"parts": [{"text": SECRET, "thought": True}]})}),
    "bedrock's blocks": (
        CALL,
        {"gen_ai.choice": json.dumps({"content": [{"reasoningContent": {"reasoningText": {"text": SECRET}}}]})},
    ),
    "logfire": (CALL, {"response_data": json.dumps({"message": {"content": "yes", "reasoning_content": SECRET}})}),
    "sentry": (CALL, {"vercel.ai.response.reasoning": SECRET}),
    "vercel": (VERCEL, {"ai.response.reasoning": SECRET}),
    "langfuse, chat": (
        LANGFUSE,
        {
            "langfuse.observation.output": json.dumps(
                {"role": "assistant", "content": "yes", "reasoning_content": SECRET}
            )
        },
    ),
    "langfuse, responses": (
        LANGFUSE,
        {
            "langfuse.observation.output": json.dumps(
                [{"id": "rs_1", "summary": [{"text": SECRET, "type": "summary_text"}], "type": "reasoning"}]
            )
        },
    ),
    "openinference, parts": (OPENINFERENCE, part("0", "reasoning", text=SECRET) | part("1", "text", text="yes")),
    "openinference, document": (
        OPENINFERENCE,
        {"output.value": json.dumps({"content": [{"type": "thinking", "thinking": SECRET, "signature": ""}]})},
    ),
    "openllmetry, roles": (
        CALL,
        {
            "gen_ai.completion.1.role": "thinking",
            "gen_ai.completion.1.content": SECRET,
            "gen_ai.completion.0.role": "x",
        },
    ),
    "openllmetry, summary": (CALL, {"gen_ai.completion.0.reasoning": SECRET}),
    "a list": (CALL, {"gen_ai.output.messages": [{"type": "reasoning", "content": SECRET}]}),
}
NOT_SHOWING: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "an answer": (CALL, {"gen_ai.output.messages": messages({"type": "text", "content": SECRET})}),
    "thinking of earlier calls": (
        CALL,
        {"gen_ai.input.messages": messages({"type": "reasoning", "content": SECRET})}
        | {"llm.input_messages.0.message.contents.0.message_content.type": "reasoning"},
    ),
    "a reasoning item without a summary": (
        LANGFUSE,
        {
            "langfuse.observation.output": json.dumps(
                [{"id": "rs_1", "summary": [], "type": "reasoning"}, {"type": "message", "content": [{"text": "yes"}]}]
            )
        },
    ),
    "the same in parts": (
        OPENINFERENCE,
        part("0", "reasoning", encrypted_content="c2ln") | part("1", "text", text="yes"),
    ),
    "empty lines": (CALL, {"gen_ai.output.messages": messages({"type": "reasoning", "content": "\n\n"})}),
    "a thinking block without text": (
        CALL,
        {"gen_ai.completion": json.dumps([{"type": "thinking", "thinking": "", "signature": "c2ln"}])},
    ),
    "no text in an attribute": (VERCEL, {"ai.response.reasoning": " \n"}),
    "an argument of a tool": (
        CALL,
        {
            "gen_ai.output.messages": messages(
                {"type": "tool_call", "arguments": {"reasoning": "it is so", "thought": "hm", "thinking": "so"}}
            )
        },
    ),
    "a structured answer": (OPENINFERENCE, {"output.value": json.dumps({"reasoning": "it is so", "answer": 3})}),
    "an answer that speaks of it": (
        CALL,
        {
            "gen_ai.output.messages": messages(
                {"type": "text", "content": json.dumps({"type": "reasoning", "content": "x"})}
            )
        },
    ),
}

SHOWN = tuple(SHOWING.values())
NOT_SHOWN = tuple(NOT_SHOWING.values())
