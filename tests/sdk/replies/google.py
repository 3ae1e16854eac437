"""Replies of Gemini: generate_content and interactions, whole and streamed, and how a client asks for them."""

from typing import Any

from tests.sdk.clients import google_client
from tests.sdk.told import Told


def gemini_usage(told: Told) -> dict[str, Any]:
    thinking = told.thinking or 0
    usage = {"promptTokenCount": told.input, "candidatesTokenCount": told.output - thinking}
    usage["totalTokenCount"] = told.input + told.output
    if told.cached is not None:
        usage["cachedContentTokenCount"] = told.cached
    if thinking:  # the API omits zeros
        usage["thoughtsTokenCount"] = thinking
    return usage


def gemini_chunk(parts: list[dict[str, Any]], finish: str | None = None, **further: Any) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"responseId": "reply-1", "modelVersion": "gemini-3.5-flash", "candidates": [candidate], **further}


def gemini_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [*([{"text": "hm", "thought": True}] if shown else []), {"text": "42"}]
    return gemini_chunk(parts, "STOP", **({"usageMetadata": gemini_usage(told)} if usage else {}))


def gemini_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    running = {"promptTokenCount": told.input, "totalTokenCount": told.input}
    if told.cached is not None:
        running["cachedContentTokenCount"] = told.cached
    first: dict[str, Any] = {"usageMetadata": running} if usage else {}
    last: dict[str, Any] = {"usageMetadata": gemini_usage(told)} if usage else {}
    return [
        gemini_chunk([{"text": "hm", "thought": True}] if shown else [{"text": ""}], **first),
        gemini_chunk([{"text": "4"}], **first),
        gemini_chunk([{"text": "2"}], "STOP", **last),
    ]


def gemini_create(client: Any, stream: bool) -> Any:
    models = getattr(client, "models", None) or client
    asked: dict[str, Any] = {
        "model": "gemini-3.5-flash",
        "contents": "6 x 7?",
        "config": {"thinking_config": {"thinking_level": "HIGH"}},
    }
    return models.generate_content_stream(**asked) if stream else models.generate_content(**asked)


def gemini_client(port: int, asynchronous: bool) -> Any:
    client = google_client(port)
    return client.aio if asynchronous else client


def interactions_usage(told: Told) -> dict[str, Any]:
    thinking = told.thinking or 0
    usage = {"total_input_tokens": told.input, "total_output_tokens": told.output - thinking}
    usage["total_tokens"] = told.input + told.output
    if told.cached is not None:
        usage["total_cached_tokens"] = told.cached
    if thinking:
        usage["total_thought_tokens"] = thinking
    return usage


def interactions_whole(told: Told, *, usage: bool = True, shown: bool = True) -> dict[str, Any]:
    thought = {"type": "thought", "summary": [{"type": "text", "text": "hm"}], "signature": "s"}
    answer = {"type": "model_output", "content": [{"type": "text", "text": "42"}]}
    return {
        "id": "reply-1",
        "object": "interaction",
        "model": "gemini-3.5-flash",
        "status": "completed",
        "steps": [*([thought] if shown else []), answer],
        **({"usage": interactions_usage(told)} if usage else {}),
    }


def interactions_events(told: Told, *, usage: bool = True, shown: bool = True) -> list[dict[str, Any]]:
    def step(kind: str, index: int, **more: Any) -> dict[str, Any]:
        return {"event_type": kind, "index": index, **more}

    whole = interactions_whole(told, usage=usage)
    summary = {"type": "thought_summary", "content": {"type": "text", "text": "hm"}}
    signature = {"type": "thought_signature", "signature": "s"}
    begun = {"id": "reply-1", "object": "interaction", "model": "gemini-3.5-flash", "status": "in_progress"}
    return [
        {"event_type": "interaction.created", "interaction": begun},
        step("step.start", 0, step={"type": "thought"}),
        step("step.delta", 0, delta=summary if shown else signature),
        step("step.delta", 1, delta={"type": "text", "text": "4"}),
        step("step.delta", 1, delta={"type": "text", "text": "2"}),
        {"event_type": "interaction.completed", "interaction": {**whole, "steps": None}},
    ]


def interactions_create(client: Any, stream: bool) -> Any:
    asked = {"model": "gemini-3.5-flash", "input": "6 x 7?", "generation_config": {"thinking_level": "high"}}
    return client.interactions.create(**asked, stream=stream)
