"""Parts of messages, as the GenAI conventions write them, and the blocks of the providers that they are made of."""

from collections.abc import Iterable
from typing import Any, Final

from thinkmeter.sdk.asked import entry, text

Part = dict[str, Any]
Message = dict[str, Any]

LONGEST: Final = 100_000
"""Characters of one part that are kept."""
TEXTS: Final = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})


def text_part(content: object) -> Part:
    """Text."""
    return {"type": "text", "content": str(content)[:LONGEST]}


def thought_part(content: object) -> Part:
    """Text of thinking."""
    return {"type": "reasoning", "content": str(content or "")[:LONGEST]}


def tool_call(identifier: object, name: object, arguments: object) -> Part:
    """A call of a tool."""
    return {"type": "tool_call", "id": identifier, "name": name, "arguments": arguments}


def tool_result(identifier: object, response: object) -> Part:
    """What a tool said."""
    return {"type": "tool_call_response", "id": identifier, "response": str(response)[:LONGEST]}


def parts_of(content: Any) -> list[Part]:
    """Content of a message: text, or a list of blocks."""
    if content is None:
        return []
    if isinstance(content, str):
        return [text_part(content)]
    return [block_of(block) for block in content] if isinstance(content, Iterable) else []


def block_of(block: Any) -> Part:
    """One block of content of any API but Gemini's."""
    if isinstance(block, str):
        return text_part(block)
    kind = text(entry(block, "type")) or "unknown"
    if kind in TEXTS:
        return text_part(entry(block, "text") or entry(block, "refusal") or "")
    if kind in ("thinking", "redacted_thinking"):
        thinking = entry(block, "thinking")
        inner = "".join(str(entry(part, "text") or "") for part in thinking) if isinstance(thinking, list) else thinking
        return thought_part(inner)
    if kind == "reasoning":
        return thought_part("\n".join(str(entry(part, "text") or "") for part in entry(block, "summary") or ()))
    if kind == "tool_use":
        return tool_call(entry(block, "id"), entry(block, "name"), entry(block, "input"))
    if kind == "function_call":
        return tool_call(entry(block, "call_id"), entry(block, "name"), entry(block, "arguments"))
    if kind == "tool_result":
        return tool_result(entry(block, "tool_use_id"), entry(block, "content"))
    if kind == "function_call_output":
        return tool_result(entry(block, "call_id"), entry(block, "output"))
    return {"type": kind}
