"""What is said in calls of Gemini: generate_content, and interactions."""

from typing import TYPE_CHECKING, Any

from thinkmeter.sdk.asked import at, entry, text
from thinkmeter.sdk.parts import Message, Part, block_of, parts_of, text_part, thought_part, tool_call, tool_result

if TYPE_CHECKING:
    from thinkmeter.sdk.content import Transcript


def gemini_input(body: Any) -> tuple[list[Part], list[Message]]:
    """What a request of generate_content says: the system's part and the messages."""
    given = entry(body, "contents")
    contents = given if isinstance(given, list) else [given]
    system = at(body, ("config", "system_instruction")) or entry(body, "systemInstruction")
    return _gemini_parts(system), [_gemini_message(content) for content in contents]


def _gemini_message(content: Any) -> Message:
    return {"role": text(entry(content, "role")) or "user", "parts": _gemini_parts(content)}


def _gemini_parts(content: Any) -> list[Part]:
    if content is None or isinstance(content, str):
        return parts_of(content)
    found = entry(content, "parts")
    return [_gemini_part(part) for part in (found if isinstance(found, list) else [content])]


def _gemini_part(part: Any) -> Part:
    if isinstance(part, str):
        return text_part(part)
    said = entry(part, "text")
    if isinstance(said, str):
        return thought_part(said) if entry(part, "thought") else text_part(said)
    call = entry(part, "function_call") or entry(part, "functionCall")
    response = entry(part, "function_response") or entry(part, "functionResponse")
    if call is not None:
        return tool_call(entry(call, "id"), entry(call, "name"), entry(call, "args"))
    if response is not None:
        return tool_result(entry(response, "id"), entry(response, "response"))
    return {"type": "blob"}


def gemini_whole(body: Any) -> list[list[Part]]:
    """What a reply says, one list of parts a candidate."""
    return [_gemini_parts(entry(candidate, "content")) for candidate in entry(body, "candidates") or ()]


def gemini_chunk(transcript: "Transcript", chunk: Any) -> None:
    """Take what a chunk says."""
    for position, candidate in enumerate(entry(chunk, "candidates") or ()):
        index = entry(candidate, "index") or position
        for part in _gemini_parts(entry(candidate, "content")):
            if part["type"] in ("text", "reasoning"):
                transcript.add(index, part["type"], part["content"])
            else:
                transcript.append(index, part)


def interactions_input(body: Any) -> tuple[list[Part], list[Message]]:
    """What a request of an interaction says: steps, or the content of one of the user's."""
    given = entry(body, "input")
    steps = [step for step in given if entry(step, "type") in ROLES] if isinstance(given, list) else []
    if steps:
        messages = [{"role": ROLES[text(entry(step, "type")) or ""], "parts": _step(step)} for step in steps]
    else:
        messages = [{"role": "user", "parts": parts_of(given if isinstance(given, str | list) else [given])}]
    return parts_of(entry(body, "system_instruction")), messages


def interactions_whole(body: Any) -> list[list[Part]]:
    """What an interaction says, in one list of parts."""
    return [[part for step in entry(body, "steps") or () for part in _step(step)]]


def interactions_chunk(transcript: "Transcript", chunk: Any) -> None:
    """Take what an event says."""
    kind, delta = entry(chunk, "event_type"), entry(chunk, "delta")
    if kind == "step.start" and at(chunk, ("step", "type")) == "function_call":
        transcript.add(0, "tool_call", "", text(at(chunk, ("step", "name"))))
    elif kind == "step.delta":
        told = entry(delta, "type")
        if told == "text":
            transcript.add(0, "text", entry(delta, "text"))
        elif told == "thought_summary":
            transcript.add(0, "reasoning", at(delta, ("content", "text")))
        elif told == "arguments_delta":
            transcript.add(0, "tool_call", entry(delta, "arguments"))


ROLES = {
    "user_input": "user",
    "function_result": "tool",
    "model_output": "assistant",
    "thought": "assistant",
    "function_call": "assistant",
}
"""Kind of step -> whose it is."""


def _step(step: Any) -> list[Part]:
    """The parts of one step; of those of the provider's own tools, their kind."""
    kind = text(entry(step, "type")) or "unknown"
    if kind in ("user_input", "model_output"):
        return parts_of(entry(step, "content"))
    if kind == "thought":
        summary = "\n".join(str(entry(part, "text") or "") for part in entry(step, "summary") or ())
        return [thought_part(summary)] if summary else []
    if kind == "function_call":
        return [tool_call(entry(step, "id"), entry(step, "name"), entry(step, "arguments"))]
    if kind == "function_result":
        return [tool_result(entry(step, "call_id"), entry(step, "result"))]
    return [block_of(step)]
