"""Replies of Bedrock Converse and InvokeModel, whole and streamed, and how a client asks for them."""

import json
from typing import Any

from tests.sdk.clients import bedrock_client
from tests.sdk.replies.anthropic import messages_events
from tests.sdk.told import Told

CLAUDE = "us.anthropic.claude-sonnet-5-v1:0"


def converse_usage(told: Told) -> dict[str, Any]:
    cached = told.cached or 0
    usage = {"inputTokens": told.input - cached, "outputTokens": told.output, "totalTokens": told.input + told.output}
    return usage | ({} if told.cached is None else {"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0})


def converse_details(told: Told) -> dict[str, Any]:
    if told.thinking is None:
        return {}
    details = {"usage": {"output_tokens_details": {"thinking_tokens": told.thinking}}}
    return {"additionalModelResponseFields": details}


def converse_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    return {
        "output": {"message": {"role": "assistant", "content": [*([thought] if shown else []), {"text": "42"}]}},
        "stopReason": "end_turn",
        "metrics": {"latencyMs": 1},
        **({"usage": converse_usage(told), **converse_details(told)} if usage else {}),
    }


def converse_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    def delta(index: int, **delta: Any) -> dict[str, Any]:
        return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}

    return [
        {"messageStart": {"role": "assistant"}},
        delta(0, reasoningContent={"text": "hm"}) if shown else delta(0, text=""),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        delta(1, text="4"),
        delta(1, text="2"),
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "end_turn", **(converse_details(told) if usage else {})}},
        {"metadata": {"metrics": {"latencyMs": 1}, **({"usage": converse_usage(told)} if usage else {})}},
    ]


def converse_create(client: Any, stream: bool) -> Any:
    asked: dict[str, Any] = {
        "modelId": CLAUDE,
        "messages": [{"role": "user", "content": [{"text": "6 x 7?"}]}],
        "additionalModelRequestFields": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    }
    return client.converse_stream(**asked)["stream"] if stream else client.converse(**asked)


def invoke_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    return [{"chunk": event} for event in messages_events(told, usage=usage, shown=shown)]


def invoke_create(client: Any, stream: bool) -> Any:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "6 x 7?"}],
        "output_config": {"effort": "high"},
    }
    if stream:
        return client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body))["body"]
    response = client.invoke_model(modelId=CLAUDE, body=json.dumps(body))
    return {**response, "body": response["body"].read()}


def boto3_client(port: int, asynchronous: bool) -> Any:
    assert not asynchronous
    return bedrock_client(port)
