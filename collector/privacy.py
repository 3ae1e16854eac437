"""What of the content of calls is stored: nothing, unless the configuration says so. Both decoders ask here.

Content is what the table of dialects names: prompts, answers, messages, what tools are given and return. The text of
thinking has a switch of its own. Where content is kept and thinking is not, content that holds thinking goes as a
whole: a list of messages with a part of thinking in it, or all content of a span on which anything is said to be
thinking, since there a number alone tells one message from the next.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from thinkmeter.collector.dialects import CONTENT_NAMES, DIALECTS, OPEN_NAMES
from thinkmeter.collector.sql import listed, quoted
from thinkmeter.schema import attributes as a

REDACTED: Final = "[redacted]"
"""Stands where a pattern matched."""

THINKING_WORDS: Final = ("thinking", "reasoning", "redacted_thinking", "thought")
"""Roles and types of messages and their parts that are thinking."""
THINKING_PART: Final = rf'"(?:type|part_kind|role|kind)"\s*:\s*"(?:{"|".join(THINKING_WORDS)})"'
"""In a JSON document: a part that is thinking."""

EVENTS: Final = r"^gen_ai\.(?:content\.|choice$|client\.inference\.|[a-z]+\.message$)"
"""Names of span events and log records that carry content: their body and their own attributes are content."""
OF_EVENTS: Final = r"^(?:event\.name$|gen_ai\.|thinkmeter\.|openai\.|error\.type$)"
"""Attributes of such an event that say what it is rather than what was said."""

UNLIKE_RE2: Final = re.compile(r"\(\?(?:[=!]|<[=!]|P=|\(|>|#)|\\[1-9ZzGX]|[*+?}]\+")
"""What Python's patterns have and ClickHouse's do not, or read otherwise."""


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as ClickHouse reads it: ASCII classes, a dot that is anything, an end that is the very end."""
    ended = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\$", lambda part: r"\Z" if part[0] == "$" else part[0], pattern)
    return re.compile(ended, re.ASCII | re.DOTALL)


def _pattern(text: str) -> str:
    """A pattern that both decoders read alike."""
    if UNLIKE_RE2.search(text):
        raise ValueError("look-around, back references, comments and possessive repeats cannot be used in a pattern")
    try:
        compiled = _compiled(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if any(match[0] == "" for sample in ("", "a b") for match in compiled.finditer(sample)):
        raise ValueError("the pattern matches nothing at all, so it would be found everywhere")
    return text


class Kept(BaseModel):
    """What is kept of one project's content; what is not said is as for all projects."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: bool | None = Field(
        default=None, description="keep prompts, answers, messages, tool arguments and results"
    )
    thinking: bool | None = Field(default=None, description="keep the text of thinking")


class Privacy(BaseModel):
    """`[privacy]`: what of the content of calls is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: bool = Field(default=False, description="keep prompts, answers, messages, tool arguments and results")
    thinking: bool = Field(default=False, description="keep the text of thinking")
    redact: tuple[Annotated[str, AfterValidator(_pattern)], ...] = Field(
        default=(), description="regular expressions; what they match in any attribute, message or body is not stored"
    )
    projects: dict[str, Kept] = Field(default={}, description="other rules for single projects")

    # --- in Python --------------------------------------------------------------------------------

    def redacted(self, text: str) -> str:
        """The text without what a pattern matches."""
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text

    def attributes(self, project: str, kept: Mapping[str, str], texts: Collection[str]) -> dict[str, str]:
        """Of the attributes to be kept those that may be.

        Args:
            project: whose they are.
            kept: those that are to be kept.
            texts: of all attributes that stand on the span or record.
        """
        content, thinking = self._kept(project)
        if content and thinking:
            return dict(kept)
        if not content and not thinking:
            return {name: value for name, value in kept.items() if not _EITHER.search(name)}
        whole = content and not _hold_thinking(texts)
        return {
            name: value
            for name, value in kept.items()
            if (
                thinking
                if _THINKING.search(name)
                else not _CONTENT.search(name)
                or (content and (thinking or (whole and not _THINKING_PART.search(value))))
            )
        }

    def event(self, project: str, name: str, told: Mapping[str, str], texts: Collection[str]) -> dict[str, str]:
        """Of the attributes of an event, whose texts these are, those that may be kept."""
        kept = self.attributes(project, told, texts)
        if not _EVENTS.search(name) or self._stays_whole(project, texts, texts):
            return kept
        return {key: value for key, value in kept.items() if _OF_EVENTS.search(key)}

    def body(self, project: str, event_name: str, body: str, texts: Collection[str]) -> str:
        """The body of a log record whose attributes have these texts, '' if it may not be kept."""
        return body if not _EVENTS.search(event_name) or self._stays_whole(project, [body], texts) else ""

    def _stays_whole(self, project: str, documents: Iterable[str], texts: Collection[str]) -> bool:
        content, thinking = self._kept(project)
        return content and (
            thinking or not (_hold_thinking(texts) or any(_THINKING_PART.search(document) for document in documents))
        )

    def _kept(self, project: str) -> tuple[bool, bool]:
        own = self.projects.get(project, Kept())
        content = self.content if own.content is None else own.content
        return content, self.thinking if own.thinking is None else own.thinking

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(map(_compiled, self.redact))

    # --- in SQL -----------------------------------------------------------------------------------

    def redacted_sql(self, text: str) -> str:
        """SQL: the text, given as SQL, without what a pattern matches."""
        for pattern in self.redact:
            text = f"replaceRegexpAll({text}, {quoted('(?s)' + pattern)}, {quoted(REDACTED)})"
        return text

    def stays_sql(self, key: str, value: str, flat: str) -> str:
        """SQL: whether an attribute may be kept, given its key, its text and what `flat_sql` says."""
        content, thinking = (self._where(place) for place in (0, 1))
        if (content, thinking) == ("0", "0"):
            # of names that stand for themselves a set knows sooner than a pattern, which is read anew for every block
            return f"NOT ({key} IN ({listed(sorted(CONTENT_NAMES))}) OR match({key}, {quoted(OTHER_NAMES)}))"
        if (content, thinking) == ("1", "1"):
            return "1"
        part = self.stays_whole_sql(f"{flat} OR {self.part_sql(value)}")
        return f"if(match({key}, {quoted(THINKING)}), {thinking}, NOT match({key}, {quoted(CONTENT)}) OR {part})"

    def content_stays_sql(self, key: str, value: str, flat: str) -> str:
        """The same of an attribute that is known to be content or thinking."""
        return self.stays_sql(key, value, flat) if self.looks_into else "0"

    def stays_whole_sql(self, holds_thinking: str) -> str:
        """SQL: whether what an event carries may be kept, given whether it holds thinking."""
        content, thinking = (self._where(place) for place in (0, 1))
        return content if content == "0" else f"({content}) AND (({thinking}) OR NOT ({holds_thinking}))"

    @property
    def looks_into(self) -> bool:
        """Whether it depends on more than names what may be kept."""
        return any(self._where(place) != "0" for place in (0, 1))

    @staticmethod
    def part_sql(text: str) -> str:
        """SQL: whether a JSON document has a part that is thinking."""
        return f"match({text}, {quoted(THINKING_PART)})"

    @staticmethod
    def carries_sql(event_name: str) -> str:
        """SQL: whether an event of that name carries content."""
        return f"match({event_name}, {quoted(EVENTS)})"

    @staticmethod
    def of_event_sql(key: str) -> str:
        """SQL: whether an attribute says what an event is."""
        return f"match({key}, {quoted(OF_EVENTS)})"

    @staticmethod
    def flat_sql(texts: str) -> str:
        """SQL: whether anything among the texts of a span or record is said to be thinking."""
        return f"hasAny({texts}, [{listed(THINKING_WORDS)}])"

    def _where(self, place: int) -> str:
        """SQL: whether a project's content (0) or thinking (1) is kept; '0' or '1' if that is so for all."""
        default = (self.content, self.thinking)[place]
        others = [project for project in self.projects if self._kept(project)[place] != default]
        if not others:
            return str(int(default))
        return f"project {'NOT ' if default else ''}IN ({listed(sorted(others))})"


def _hold_thinking(texts: Collection[str]) -> bool:
    return not _WORDS.isdisjoint(texts)


def _names(of: Collection[str]) -> str:
    """A pattern of names: those that end with a dot stand for all that begin so, `#` for a number."""
    escaped = sorted({re.escape(name).replace(r"\#", r"\d+") + ("" if name.endswith(".") else "$") for name in of})
    return f"^(?:{'|'.join(escaped)})"


THINKING: Final = _names({name for dialect in DIALECTS for name in dialect.thinking}).removesuffix(")") + (
    r"|gen_ai\.completion\.\d+\.reasoning|llm\.(?:in|out)put_messages\.\d+\.message\.reasoning)"
)
"""Names of attributes that hold thinking, as a pattern."""
CONTENT: Final = _names({name for dialect in DIALECTS for name in dialect.content})
"""Names of attributes that hold content, as a pattern."""
OTHER_NAMES: Final = f"{THINKING}|{_names(OPEN_NAMES)}"
"""Those of either that are no `CONTENT_NAMES`, as a pattern."""

_WORDS: Final = frozenset(THINKING_WORDS)
_EITHER: Final = _compiled(f"{THINKING}|{CONTENT}")
_THINKING, _CONTENT, _THINKING_PART, _EVENTS, _OF_EVENTS = map(
    _compiled, (THINKING, CONTENT, THINKING_PART, EVENTS, OF_EVENTS)
)

NOTHING_KEPT: Final = Privacy()
"""Without a word of the configuration."""
assert not _EVENTS.search(a.EVALUATION_EVENT)
