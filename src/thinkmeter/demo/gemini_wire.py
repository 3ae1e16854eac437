"""Gemini's wire format: generateContent, whole and streamed."""

from collections.abc import Iterator
from typing import Any

import orjson

from thinkmeter.demo.answer import TEXT, Answer, paced

Json = dict[str, Any]


def refusal(status: int) -> Json:
    """The body of a refused request."""
    if status == 429:
        return {"error": {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}}
    return {"error": {"code": status, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def content_body(answer: Answer, model: str, asked: Json) -> Json:
    """A reply as one object; thoughts are counted beside the candidates, never within them."""
    parts: list[Json] = [{"text": "".join(TEXT)}]
    if answer.shown and _shows_thoughts(asked):
        parts.insert(0, {"text": "".join(answer.shown), "thought": True})
    return _reply(answer, model, parts, answer.output_tokens - (answer.thinking_tokens or 0), "STOP")


def content_events(answer: Answer, model: str, asked: Json) -> Iterator[tuple[float, bytes]]:
    """A reply as server-sent events, each with a running total; thoughts are first counted when they are over."""
    if answer.shown and _shows_thoughts(asked):
        for due, piece in paced(answer.shown, 0.05, answer.thinking_share):
            yield due, _data(_reply(answer, model, [{"text": piece, "thought": True}], None, None))
    candidates = answer.output_tokens - (answer.thinking_tokens or 0)
    for number, (due, piece) in enumerate(paced(TEXT, answer.thinking_share, 1.0), 1):
        last = number == len(TEXT)
        counted = candidates if last else candidates * number // len(TEXT)
        yield due, _data(_reply(answer, model, [{"text": piece}], counted, "STOP" if last else None))


def _data(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\r\n\r\n"


def _shows_thoughts(asked: Json) -> bool:
    thinking = (asked.get("generationConfig") or {}).get("thinkingConfig") or {}
    return bool(thinking.get("includeThoughts", thinking.get("include_thoughts")))


def _reply(answer: Answer, model: str, parts: list[Json], candidates: int | None, finish: str | None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(answer, candidates),
        "modelVersion": model,
        "responseId": answer.response_id,
    }


def _usage(answer: Answer, candidates: int | None) -> Json:
    usage: Json = {
        "promptTokenCount": answer.input_tokens,
        "totalTokenCount": answer.input_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        "serviceTier": answer.service_tier,
    }
    if answer.cache_read_tokens:
        usage["cachedContentTokenCount"] = answer.cache_read_tokens
    if candidates is not None:
        usage["candidatesTokenCount"] = candidates
        usage["totalTokenCount"] += candidates
        if answer.thinking_tokens:
            usage["thoughtsTokenCount"] = answer.thinking_tokens
            usage["totalTokenCount"] += answer.thinking_tokens
    return usage
