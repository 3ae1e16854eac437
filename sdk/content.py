"""Prompts and answers, recorded on request only: messages of parts, as the GenAI conventions write them.

What is neither text nor thinking nor a tool's business (images, audio, files) is named by its kind and left out. So is
the text of thinking, which has a switch of its own. Secrets are taken out by pattern.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.asked import at, entry, text
from thinkmeter.sdk.bedrock import Converse, typed
from thinkmeter.sdk.embeddings import Embeddings
from thinkmeter.sdk.gemini import Gemini
from thinkmeter.sdk.gemini_content import (
    gemini_chunk,
    gemini_input,
    gemini_whole,
    interactions_chunk,
    interactions_input,
    interactions_whole,
)
from thinkmeter.sdk.interactions import Interactions
from thinkmeter.sdk.parts import (
    LONGEST,
    Message,
    Part,
    block_of,
    parts_of,
    text_part,
    thought_part,
    tool_call,
    tool_result,
)
from thinkmeter.sdk.redaction import redacted
from thinkmeter.sdk.replies import Completion, Messages, Reply, Responses


class Transcript:
    """What was said in one call."""

    def __init__(self, kind: type[Reply], body: Any) -> None:
        """Read the request of that API."""
        read_input, self._read_whole, self._read_chunk = next(_API[base] for base in kind.__mro__ if base in _API)
        self.system, self.inputs = read_input(body)
        self._outputs: dict[int, list[Part]] = {}

    def whole(self, body: Any) -> None:
        """Read an unstreamed reply."""
        self._outputs = dict(enumerate(self._read_whole(body)))

    def chunk(self, chunk: Any) -> None:
        """Read one element of a stream."""
        self._read_chunk(self, chunk)

    def add(self, index: int, kind: str, more: object, name: str | None = None) -> None:
        """Continue a candidate's last part, or begin a new one of another kind."""
        parts = self._outputs.setdefault(index, [])
        if kind == "tool_call" and name:
            parts.append({"type": kind, "name": name, "arguments": ""})
        elif not parts or parts[-1]["type"] != kind:
            parts.append({"type": kind, "arguments" if kind == "tool_call" else "content": ""})
        where = "arguments" if kind == "tool_call" else "content"
        parts[-1][where] = (parts[-1][where] + str(more or ""))[:LONGEST]

    def append(self, index: int, part: Part) -> None:
        """Take a part that came as a whole."""
        self._outputs.setdefault(index, []).append(part)

    def replace(self, outputs: list[list[Part]]) -> None:
        """Take a reply that came as a whole at the end of its stream."""
        self._outputs = dict(enumerate(outputs))

    def attributes(self, *, thinking: bool, patterns: tuple[str, ...]) -> dict[str, str]:
        """The same as span attributes, in JSON.

        Args:
            thinking: whether the text of thinking is told.
            patterns: of what is taken out besides secrets.
        """
        outputs = [{"role": "assistant", "parts": self._outputs[index]} for index in sorted(self._outputs)]
        found = {
            names.INPUT_MESSAGES: self.inputs,
            names.SYSTEM_INSTRUCTIONS: self.system,
            names.OUTPUT_MESSAGES: outputs,
        }
        return {
            name: json.dumps(redacted(_told(said, thinking), patterns), ensure_ascii=False, default=_text_of(patterns))
            for name, said in found.items()
            if said
        }


def _told(said: list[Any], thinking: bool) -> list[Any]:
    """Messages or parts, with or without the text of thinking."""
    if thinking:
        return said
    return [
        {**part, "parts": _told(part["parts"], thinking)}
        if "parts" in part
        else {"type": "reasoning"}
        if part.get("type") == "reasoning"
        else part
        for part in said
    ]


def _text_of(patterns: tuple[str, ...]) -> Callable[[object], str]:
    """How what JSON does not know is written."""
    return lambda value: str(redacted(str(value), patterns))


def _message(message: Any) -> Message:
    """One message of a conversation."""
    role = text(entry(message, "role")) or "user"
    if role == "tool":
        return {"role": role, "parts": [tool_result(entry(message, "tool_call_id"), entry(message, "content"))]}
    thinking = entry(message, "reasoning_content") or entry(message, "reasoning")
    parts = [thought_part(thinking)] if isinstance(thinking, str) else []
    parts += parts_of(entry(message, "content"))
    for call in entry(message, "tool_calls") or ():
        function = entry(call, "function")
        parts.append(tool_call(entry(call, "id"), entry(function, "name"), entry(function, "arguments")))
    return {"role": role, "parts": parts}


def _chat_input(body: Any) -> tuple[list[Part], list[Message]]:
    return [], [_message(message) for message in entry(body, "messages") or ()]


def _chat_whole(body: Any) -> list[list[Part]]:
    return [_message(entry(choice, "message"))["parts"] for choice in entry(body, "choices") or ()]


def _chat_chunk(transcript: Transcript, chunk: Any) -> None:
    for choice in entry(chunk, "choices") or ():
        index, delta = entry(choice, "index") or 0, entry(choice, "delta")
        thinking = entry(delta, "reasoning_content") or entry(delta, "reasoning")
        if isinstance(thinking, str):
            transcript.add(index, "reasoning", thinking)
        content = entry(delta, "content")
        if isinstance(content, str) and content:
            transcript.add(index, "text", content)
        elif isinstance(content, list):  # Mistral's
            for part in map(block_of, content):
                transcript.add(index, part["type"], part.get("content"))
        for call in entry(delta, "tool_calls") or ():
            function = entry(call, "function")
            transcript.add(index, "tool_call", entry(function, "arguments"), text(entry(function, "name")))


def _completion_input(body: Any) -> tuple[list[Part], list[Message]]:
    return [], [{"role": "user", "parts": parts_of(entry(body, "prompt"))}]


def _completion_whole(body: Any) -> list[list[Part]]:
    return [[text_part(entry(choice, "text"))] for choice in entry(body, "choices") or ()]


def _completion_chunk(transcript: Transcript, chunk: Any) -> None:
    for choice in entry(chunk, "choices") or ():
        transcript.add(entry(choice, "index") or 0, "text", entry(choice, "text"))


def _responses_input(body: Any) -> tuple[list[Part], list[Message]]:
    given = entry(body, "input")
    if isinstance(given, str):
        return parts_of(entry(body, "instructions")), [{"role": "user", "parts": [text_part(given)]}]
    messages = []
    for item in given or ():
        message = _message(item) if entry(item, "role") else {"role": "assistant", "parts": [block_of(item)]}
        messages.append(message)
    return parts_of(entry(body, "instructions")), messages


def _responses_whole(body: Any) -> list[list[Part]]:
    parts: list[Part] = []
    for item in entry(body, "output") or ():
        parts += parts_of(entry(item, "content")) if entry(item, "type") == "message" else [block_of(item)]
    return [parts]


def _responses_chunk(transcript: Transcript, chunk: Any) -> None:
    if entry(chunk, "type") == "response.output_text.delta":
        transcript.add(0, "text", entry(chunk, "delta"))
    elif entry(chunk, "type") in ("response.completed", "response.incomplete", "response.failed"):
        transcript.replace(_responses_whole(entry(chunk, "response")))


def _messages_input(body: Any) -> tuple[list[Part], list[Message]]:
    system = entry(body, "system")
    given = system if isinstance(system, str | list) else None
    return parts_of(given), [_message(message) for message in entry(body, "messages") or ()]


def _messages_whole(body: Any) -> list[list[Part]]:
    return [parts_of(entry(body, "content"))]


def _messages_chunk(transcript: Transcript, chunk: Any) -> None:
    kind, delta = entry(chunk, "type"), entry(chunk, "delta")
    if kind == "content_block_start" and at(chunk, ("content_block", "type")) == "tool_use":
        transcript.add(0, "tool_call", "", text(at(chunk, ("content_block", "name"))))
    elif kind == "content_block_delta":
        for name, part in (("text", "text"), ("thinking", "reasoning"), ("partial_json", "tool_call")):
            more = entry(delta, name)
            if isinstance(more, str):
                transcript.add(0, part, more)


def _converse_message(message: Any) -> Message:
    return {"role": entry(message, "role"), "parts": [block_of(typed(b)) for b in entry(message, "content") or ()]}


def _converse_input(body: Any) -> tuple[list[Part], list[Message]]:
    system = [block_of(typed(block)) for block in entry(body, "system") or ()]
    return system, [_converse_message(message) for message in entry(body, "messages") or ()]


def _converse_whole(body: Any) -> list[list[Part]]:
    return [_converse_message(at(body, ("output", "message")))["parts"]]


def _converse_chunk(transcript: Transcript, chunk: Any) -> None:
    begun, delta = at(chunk, ("contentBlockStart", "start")), at(chunk, ("contentBlockDelta", "delta"))
    part = block_of(typed(begun or delta or {}))
    if part["type"] == "tool_call":
        transcript.add(0, "tool_call", part["arguments"], part["name"])
    elif part["type"] in ("text", "reasoning"):
        transcript.add(0, part["type"], part["content"])


def _nothing_asked(body: Any) -> tuple[list[Part], list[Message]]:
    return [], []  # what is made searchable is no conversation, and may be all that somebody has


def _nothing_said(body: Any) -> list[list[Part]]:
    return []


def _nothing_more(transcript: Transcript, chunk: Any) -> None:
    """There are no streams of vectors."""


_API: Final[
    dict[
        type[Reply],
        tuple[
            Callable[[Any], tuple[list[Part], list[Message]]],
            Callable[[Any], list[list[Part]]],
            Callable[[Transcript, Any], None],
        ],
    ]
] = {
    Reply: (_chat_input, _chat_whole, _chat_chunk),
    Completion: (_completion_input, _completion_whole, _completion_chunk),
    Responses: (_responses_input, _responses_whole, _responses_chunk),
    Messages: (_messages_input, _messages_whole, _messages_chunk),
    Converse: (_converse_input, _converse_whole, _converse_chunk),
    Gemini: (gemini_input, gemini_whole, gemini_chunk),
    Interactions: (interactions_input, interactions_whole, interactions_chunk),
    Embeddings: (_nothing_asked, _nothing_said, _nothing_more),
}
"""How each API is read; what is not named here reads like chat completions."""
