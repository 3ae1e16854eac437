"""What is said in calls of xAI's own client, whose messages are protocol buffers."""

from typing import TYPE_CHECKING, Any

from thinkmeter.sdk.parts import Message, Part, text_part, thought_part, tool_call, tool_result
from thinkmeter.sdk.xai import message_of, named

if TYPE_CHECKING:
    from thinkmeter.sdk.content import Transcript


def xai_input(body: Any) -> tuple[list[Part], list[Message]]:
    """What a request says; a system's message is one among the others."""
    return [], [_message(message) for message in body.messages]


def _message(message: Any) -> Message:
    role = (named(message, "role") or "user").removeprefix("ROLE_").lower()
    if role in ("tool", "function"):
        said = "".join(part.text for part in message.content)
        return {"role": "tool", "parts": [tool_result(message.tool_call_id or None, said)]}
    parts = [thought_part(message.reasoning_content)] if message.reasoning_content else []
    for part in message.content:
        kind = part.WhichOneof("content") or "unknown"
        parts.append(text_part(part.text) if kind == "text" else {"type": kind})
    return {"role": role, "parts": parts + _tool_calls(message)}


def _tool_calls(said: Any) -> list[Part]:
    return [tool_call(call.id, call.function.name, call.function.arguments) for call in said.tool_calls]


def xai_whole(body: Any) -> list[list[Part]]:
    """What a reply says, one list of parts a candidate."""
    found: dict[int, list[Part]] = {}
    for output in getattr(message_of(body), "outputs", ()):
        said, parts = output.message, found.setdefault(output.index, [])
        if said.reasoning_content:
            parts.append(thought_part(said.reasoning_content))
        if said.content:
            parts.append(text_part(said.content))
        parts += _tool_calls(said)
    return [found[index] for index in sorted(found)]


def xai_chunk(transcript: "Transcript", chunk: Any) -> None:
    """Take what a chunk says; a call of a tool comes as a whole."""
    for output in chunk.outputs:
        said = output.delta
        if said.reasoning_content:
            transcript.add(output.index, "reasoning", said.reasoning_content)
        if said.content:
            transcript.add(output.index, "text", said.content)
        for part in _tool_calls(said):
            transcript.append(output.index, part)
