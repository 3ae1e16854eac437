"""Anthropic's wire format: messages, whole and streamed."""

from collections.abc import Iterator
from typing import Any

import orjson

from thinkmeter.demo.answer import TEXT, Answer, paced

Json = dict[str, Any]


def refusal(status: int) -> Json:
    """The body of a refused request."""
    if status == 429:
        error = {"type": "rate_limit_error", "message": "This request would exceed your rate limit."}
    else:
        error = {"type": "overloaded_error", "message": "Overloaded"}
    return {"type": "error", "error": error, "request_id": "req_demo"}


def message_body(answer: Answer, asked: Json) -> Json:
    """A message as one object."""
    thought = {"type": "thinking", "thinking": "".join(answer.shown), "signature": "ZGVtbw=="}
    text = {"type": "text", "text": "".join(TEXT)}
    return {
        **_frame(answer, asked),
        "content": [thought, text] if answer.shown else [text],
        "stop_reason": "end_turn",
        "usage": {**_start_usage(answer), **_final_usage(answer)},
    }


def message_events(answer: Answer, asked: Json) -> Iterator[tuple[float, bytes]]:
    """A message as server-sent events: input counts come first, output counts cumulated with `message_delta`."""
    start = {**_frame(answer, asked), "content": [], "stop_reason": None, "usage": _start_usage(answer)}
    yield 0.0, _event("message_start", message=start)
    index = 0
    if answer.shown:
        opened = {"type": "thinking", "thinking": "", "signature": ""}
        yield 0.0, _event("content_block_start", index=index, content_block=opened)
        yield 0.0, _event("ping")
        for due, piece in paced(answer.shown, 0.05, answer.thinking_share):
            yield due, _delta(index, {"type": "thinking_delta", "thinking": piece})
        signed = {"type": "signature_delta", "signature": "ZGVtbw=="}
        yield answer.thinking_share, _delta(index, signed)
        yield answer.thinking_share, _event("content_block_stop", index=index)
        index += 1
    opened = {"type": "text", "text": ""}
    yield answer.thinking_share, _event("content_block_start", index=index, content_block=opened)
    for due, piece in paced(TEXT, answer.thinking_share, 1.0):
        yield due, _delta(index, {"type": "text_delta", "text": piece})
    yield 1.0, _event("content_block_stop", index=index)
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    yield 1.0, _event("message_delta", delta=stopped, usage=_final_usage(answer))
    yield 1.0, _event("message_stop")


def _event(kind: str, **content: Any) -> bytes:
    return f"event: {kind}\n".encode() + b"data: " + orjson.dumps({"type": kind, **content}) + b"\n\n"


def _delta(index: int, delta: Json) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _frame(answer: Answer, asked: Json) -> Json:
    return {
        "id": answer.response_id,
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "stop_sequence": None,
    }


def _start_usage(answer: Answer) -> Json:
    return {
        "input_tokens": answer.fresh_tokens,
        "cache_creation_input_tokens": answer.cache_write_tokens,
        "cache_read_input_tokens": answer.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": answer.cache_write_tokens - answer.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": answer.cache_write_1h_tokens,
        },
        # a placeholder, as the provider sends it: the message has only just begun
        "output_tokens": 1,
        "service_tier": answer.service_tier,
    }


def _final_usage(answer: Answer) -> Json:
    usage: Json = {
        "input_tokens": answer.fresh_tokens,
        "cache_creation_input_tokens": answer.cache_write_tokens,
        "cache_read_input_tokens": answer.cache_read_tokens,
        "output_tokens": answer.output_tokens,
    }
    if answer.thinking_tokens is not None:
        usage["output_tokens_details"] = {"thinking_tokens": answer.thinking_tokens}
    return usage
