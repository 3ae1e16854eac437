"""OpenAI's wire format: chat completions and responses, whole and streamed."""

import time
from collections.abc import Iterator
from typing import Any

import orjson

from thinkmeter.demo.answer import TEXT, Answer, paced

Json = dict[str, Any]


def refusal(status: int) -> Json:
    """The body of a refused request."""
    if status == 429:
        message, kind = "Rate limit reached for requests", "rate_limit_exceeded"
    else:
        message, kind = "The server is overloaded or not ready yet.", "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def chat_body(answer: Answer, asked: Json) -> Json:
    """A chat completion as one object."""
    message: Json = {"role": "assistant", "content": "".join(TEXT), "refusal": None, "annotations": []}
    return {
        **_chat_frame(answer, asked, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(answer),
    }


def chat_events(answer: Answer, asked: Json) -> Iterator[tuple[float, bytes]]:
    """A chat completion as server-sent events; usage comes last, and only where it was asked for."""
    frame = _chat_frame(answer, asked, "chat.completion.chunk")
    with_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    empty = {"usage": None} if with_usage else {}

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**frame, "choices": [choice], **empty})

    yield 0.0, chunk({"role": "assistant", "content": "", "refusal": None})
    for due, piece in paced(TEXT, answer.thinking_share, 1.0):
        yield due, chunk({"content": piece})
    yield 1.0, chunk({}, "stop")
    if with_usage:
        yield 1.0, _data({**frame, "choices": [], "usage": _chat_usage(answer)})
    yield 1.0, b"data: [DONE]\n\n"


def responses_body(answer: Answer, asked: Json) -> Json:
    """A response as one object."""
    return _response(answer, asked, "completed", _items(answer))


def responses_events(answer: Answer, asked: Json) -> Iterator[tuple[float, bytes]]:
    """A response as server-sent events, numbered; usage comes with `response.completed`."""
    number = -1

    def event(kind: str, **content: Any) -> bytes:
        nonlocal number
        number += 1
        return f"event: {kind}\n".encode() + _data({"type": kind, "sequence_number": number, **content})

    yield 0.0, event("response.created", response=_response(answer, asked, "in_progress", []))
    yield 0.0, event("response.in_progress", response=_response(answer, asked, "in_progress", []))
    for index, item in enumerate(_items(answer)):
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "reasoning":
            yield 0.0, event("response.output_item.added", output_index=index, item={**item, "summary": []})
            done = answer.thinking_share
            if item["summary"]:
                part, text = {**place, "summary_index": 0}, "".join(answer.shown)
                yield 0.0, event("response.reasoning_summary_part.added", **part, part=_summary(""))
                for due, piece in paced(answer.shown, 0.05, done):
                    yield due, event("response.reasoning_summary_text.delta", **part, delta=piece)
                yield done, event("response.reasoning_summary_text.done", **part, text=text)
                yield done, event("response.reasoning_summary_part.done", **part, part=_summary(text))
        else:
            done = 1.0
            opened = {**item, "status": "in_progress", "content": []}
            yield answer.thinking_share, event("response.output_item.added", output_index=index, item=opened)
            part = {**place, "content_index": 0}
            yield answer.thinking_share, event("response.content_part.added", **part, part=_text(""))
            for due, piece in paced(TEXT, answer.thinking_share, 1.0):
                yield due, event("response.output_text.delta", **part, delta=piece, logprobs=[])
            yield done, event("response.output_text.done", **part, text="".join(TEXT), logprobs=[])
            yield done, event("response.content_part.done", **part, part=_text("".join(TEXT)))
        yield done, event("response.output_item.done", output_index=index, item=item)
    yield 1.0, event("response.completed", response=_response(answer, asked, "completed", _items(answer)))


def _data(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


def _service_tier(answer: Answer) -> str:
    return "default" if answer.service_tier == "standard" else answer.service_tier


def _chat_frame(answer: Answer, asked: Json, kind: str) -> Json:
    return {
        "id": answer.response_id,
        "object": kind,
        "created": int(time.time()),
        "model": asked["model"],
        "service_tier": _service_tier(answer),
        "system_fingerprint": "fp_demo",
    }


def _chat_usage(answer: Answer) -> Json:
    usage: Json = {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": answer.cache_read_tokens,
            "cache_write_tokens": answer.cache_write_tokens,
            "audio_tokens": 0,
        },
    }
    if answer.thinking_tokens is not None:
        usage["completion_tokens_details"] = {
            "reasoning_tokens": answer.thinking_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        }
    return usage


def _summary(text: str) -> Json:
    return {"type": "summary_text", "text": text}


def _text(text: str) -> Json:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _items(answer: Answer) -> list[Json]:
    # a summary is not made of every thought
    summary = [_summary("".join(answer.shown))] if answer.shown else []
    thought = {"id": f"rs_{answer.response_id}", "type": "reasoning", "summary": summary}
    message = {
        "id": f"msg_{answer.response_id}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_text("".join(TEXT))],
    }
    return [thought, message] if answer.thinking_tokens else [message]


def _response(answer: Answer, asked: Json, status: str, items: list[Json]) -> Json:
    usage = {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {
            "cached_tokens": answer.cache_read_tokens,
            "cache_write_tokens": answer.cache_write_tokens,
        },
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.thinking_tokens or 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }
    return {
        "id": answer.response_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": asked.get("max_output_tokens"),
        "metadata": {},
        "model": asked["model"],
        "output": items,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": asked.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": _service_tier(answer) if status == "completed" else "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if status == "completed" else None,
    }
