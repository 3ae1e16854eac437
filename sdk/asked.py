"""What a request asks for: model, effort, thinking budget. One table of paths per API, read and written alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names

Path = tuple[str, ...]


@dataclass(slots=True)
class Asked:
    """What one request asks for; None: it does not say.

    Attributes:
        model: the model.
        effort: reasoning effort, as sent.
        budget_tokens: thinking budget, in tokens.
        budget_path: where in the body that stands.
        least_budget_tokens: the smallest budget that the provider accepts.
        max_tokens: cap on the output, in tokens.
        thinking_off: whether thinking is switched off.
        stream: whether a stream is asked for.
    """

    model: str = ""
    effort: str | None = None
    budget_tokens: int | None = None
    budget_path: Path | None = None
    least_budget_tokens: int = 0
    max_tokens: int | None = None
    thinking_off: bool = False
    stream: bool = False

    def describe(self, found: dict[str, AttributeValue]) -> None:
        """Add the same as span attributes."""
        if self.model:
            found[names.REQUEST_MODEL] = self.model
        if self.effort is not None:
            found[names.REQUEST_REASONING_LEVEL] = self.effort
        if self.budget_tokens is not None:
            found[names.THINKING_BUDGET_TOKENS] = self.budget_tokens
        if self.max_tokens is not None:
            found[names.REQUEST_MAX_TOKENS] = self.max_tokens
        if self.stream:
            found[names.REQUEST_STREAM] = True


@dataclass(frozen=True, slots=True)
class Shape:
    """Where one API keeps what we want to know; the first path that holds something counts."""

    effort: tuple[Path, ...] = ()
    budget: tuple[Path, ...] = ()
    cap: tuple[Path, ...] = ()
    off: tuple[tuple[Path, object], ...] = ()
    least_budget_tokens: int = 0

    names: frozenset[str] = field(init=False)
    """What the paths begin with."""

    def __post_init__(self) -> None:
        """Gather the names."""
        paths = (*self.effort, *self.budget, *self.cap, *(path for path, _ in self.off))
        object.__setattr__(self, "names", frozenset(path[0] for path in paths))

    def read(self, body: object, asked: Asked) -> Asked:
        """Fill in what the body says."""
        present: Any = self.names
        if type(body) is dict:  # a look at the first name is cheaper than following each path
            present = self.names.intersection(body)
            if not present:
                return asked
        for path in self.effort:
            if path[0] in present:
                asked.effort = text(at(body, path))
                if asked.effort is not None:
                    break
        for path in self.budget:
            tokens = whole(at(body, path)) if path[0] in present else None
            if tokens:  # 0 is no budget but an off switch, see `off`; negative: the model decides
                asked.budget_tokens, asked.budget_path = tokens, path
                asked.least_budget_tokens = self.least_budget_tokens
                break
        for path in self.cap:
            if path[0] in present:
                asked.max_tokens = whole(at(body, path))
                if asked.max_tokens is not None:
                    break
        for path, off in self.off:
            found = at(body, path) if path[0] in present else None
            if type(found) is type(off) and found == off:
                asked.thinking_off = True
                break
        return asked


CHAT: Final = Shape(
    effort=(("reasoning_effort",), ("reasoning", "effort")),
    budget=(("thinking", "budget_tokens"), ("reasoning", "max_tokens"), ("thinking_budget",)),
    cap=(("max_completion_tokens",), ("max_tokens",)),
    off=(
        (("reasoning_effort",), "none"),
        (("thinking", "type"), "disabled"),
        (("reasoning", "effort"), "none"),
        (("reasoning", "enabled"), False),
        (("enable_thinking",), False),
        (("chat_template_kwargs", "enable_thinking"), False),
    ),
)
"""Chat completions: OpenAI's own parameters and those of compatible endpoints (Anthropic, OpenRouter, Qwen, vLLM)."""
RESPONSES: Final = Shape(
    effort=(("reasoning", "effort"),), cap=(("max_output_tokens",),), off=((("reasoning", "effort"), "none"),)
)
MESSAGES: Final = Shape(
    effort=(("output_config", "effort"),),
    budget=(("thinking", "budget_tokens"),),
    cap=(("max_tokens",),),
    off=((("thinking", "type"), "disabled"),),
    least_budget_tokens=1024,
)
COHERE: Final = Shape(
    budget=(("thinking", "token_budget"),), cap=(("max_tokens",),), off=((("thinking", "type"), "disabled"),)
)
GEMINI: Final = Shape(
    effort=(("thinking_config", "thinking_level"), ("thinkingConfig", "thinkingLevel")),
    budget=(("thinking_config", "thinking_budget"), ("thinkingConfig", "thinkingBudget")),
    cap=(("max_output_tokens",), ("maxOutputTokens",)),
    off=((("thinking_config", "thinking_budget"), 0), (("thinkingConfig", "thinkingBudget"), 0)),
)
INTERACTIONS: Final = Shape(
    effort=(("generation_config", "thinking_level"),), cap=(("generation_config", "max_output_tokens"),)
)
_MORE: Final = "additionalModelRequestFields"
CONVERSE: Final = Shape(
    effort=(
        ("outputConfig", "effort"),
        (_MORE, "output_config", "effort"),
        (_MORE, "reasoning_effort"),
        (_MORE, "reasoningConfig", "maxReasoningEffort"),
        ("reasoningConfig", "maxReasoningEffort"),
    ),
    budget=((_MORE, "thinking", "budget_tokens"), (_MORE, "reasoning_config", "budget_tokens")),
    cap=(("inferenceConfig", "maxTokens"),),
    off=(
        ((_MORE, "thinking", "type"), "disabled"),
        ((_MORE, "reasoning_config", "type"), "disabled"),
        ((_MORE, "reasoningConfig", "type"), "disabled"),
        (("reasoningConfig", "type"), "disabled"),
    ),
    least_budget_tokens=1024,
)
"""Bedrock Converse; what a model's maker has of its own stands in the additional fields (Claude, gpt-oss, Nova)."""


def entry(node: Any, name: str) -> Any:
    """A member of a dictionary or an attribute of a model; None where there is none."""
    if isinstance(node, dict):
        return node.get(name)
    return getattr(node, name, None)


def members(node: Any) -> "Mapping[str, Any] | _Members":
    """All of a node's members at once, for `get`: of a model of pydantic without a call for each of them."""
    if node.__class__ is dict:
        return node
    try:
        extra = node.__pydantic_extra__
        return {**node.__dict__, **extra} if extra else node.__dict__
    except AttributeError:
        return _Members(node)


class _Members:
    """The same of any other object."""

    __slots__ = ("_node",)

    def __init__(self, node: Any) -> None:
        """Stand for that object."""
        self._node = node

    def get(self, name: str) -> Any:
        """A member; None where there is none."""
        return entry(self._node, name)


def at(node: Any, path: Path) -> Any:
    """What stands at that path; None where it leads nowhere."""
    for name in path:
        if node is None:
            return None
        node = entry(node, name)
    return node


def replaced(node: Any, path: Path, value: object) -> Any:
    """A copy in which that value stands at that path; the original is the caller's and stays as it is."""
    name, rest = path[0], path[1:]
    changed = replaced(entry(node, name), rest, value) if rest else value
    if isinstance(node, dict):
        return {**node, name: changed}
    return node.model_copy(update={name: changed})


def text(value: Any) -> str | None:
    """A word, also out of an enumeration; None for anything else."""
    if value is None or value.__class__ is str:
        return value or None
    value = getattr(value, "value", value)
    return value if isinstance(value, str) and value else None


def whole(value: Any) -> int | None:
    """A whole number of zero or more, as some servers send as 12.0; None for anything else."""
    if type(value) is int:
        return value if value >= 0 else None
    if type(value) is float and value.is_integer() and value >= 0:
        return int(value)
    return None
