"""Whether a span shows text of its reply's thinking, in SQL and in Python: asked where 0 thinking tokens are told.

Read in the instrumentations whose dialects these are: parts of messages (`{"type": "reasoning", "content": ...}`, the
conventions'), blocks and items as providers send them (Anthropic, OpenAI Responses, Mistral, Gemini, Bedrock), the
`reasoning_content` of servers that speak like OpenAI, and attributes of one part each. Only text counts: a reasoning
item without a summary comes with every answer of some models, however little they thought. What may as well be an
argument of a tool or a field of a structured answer, such as `"reasoning": "..."`, is not taken for thinking.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from thinkmeter.collector.dialects import DIALECTS
from thinkmeter.collector.sql import any_of, listed, quoted

Attributes = Sequence[tuple[str, str]]
"""Names and texts in the order in which they were sent."""

KINDS: Final = ("thinking", "reasoning", "thought")
"""What a part of a message is said to be where it is thinking."""
REPLY_EVENTS: Final = ("gen_ai.choice", "gen_ai.content.completion", "gen_ai.client.inference.operation.details")
"""Span events that carry the reply."""
ASKED: Final = ("gen_ai.input.messages", "gen_ai.prompt")
"""What such an event carries that is not of the reply: thinking in it is that of earlier calls."""
NUMBERS: Final = ("thinking_tokens", "budget_tokens", "usage", "parameters")
WORDS: Final = ("effort", "thinking_switch")
OFF: Final = ("none", "disabled")
"""Fields that say that nothing was thought: by 0, by a document in which that may stand, or by a word."""

_STRING: Final = r'[^"\\]*(?:\\.[^"\\]*)*"'
_BLANK: Final = r'"(?:[ \t\r\n]|\\[nrt])*'
_WORD: Final = r'(?:[^"\\ \t\r\n]|\\[^nrt])'
_IS: Final = r"[ \t\r\n]*:[ \t\r\n]*"
_NEXT: Final = r"[ \t\r\n]*,[ \t\r\n]*"
_MEMBER: Final = rf'"[A-Za-z_]+"{_IS}(?:"{_STRING}|[a-z0-9.+-]+){_NEXT}'
_KIND: Final = rf'"(?:type|part_kind|role|kind)"{_IS}"(?:{"|".join(KINDS)}|summary_text|reasoning_text)"'
_TEXT: Final = rf'"(?:content|text|thinking)"{_IS}'
_LISTED: Final = rf'(?:\[[ \t\r\n]*\{{[ \t\r\n]*(?:{_MEMBER})?"text"{_IS})?'

SHOWN: Final = "|".join(
    (
        rf"{_KIND}{_NEXT}(?:{_MEMBER}){{0,4}}{_TEXT}{_LISTED}{_BLANK}{_WORD}",
        rf"{_TEXT}{_BLANK}{_WORD}{_STRING}{_NEXT}(?:{_MEMBER}){{0,4}}{_KIND}",
        rf'"reasoning_content"{_IS}{_BLANK}{_WORD}',
        rf'"reasoningText"{_IS}\{{[ \t\r\n]*(?:{_MEMBER})?"text"{_IS}{_BLANK}{_WORD}',
        rf'"thought"{_IS}true',
    )
)
"""In a JSON document: thinking with a word in it."""
MUST: Final = ('thinking"', "reasoning", 'thought"', 'summary_text"')
"""One of these stands in whatever matches."""
WORD: Final = r"[^ \t\r\n]"
"""In the text of thinking: a word; some servers frame none at all with empty lines."""


def _names(of: Iterable[str]) -> str:
    """A pattern of names, `#` for a number."""
    numbered = (re.escape(name).replace(r"\#", r"\d+") for name in sorted(of))
    return f"^(?:{'|'.join(numbered)})$"


REPLY: Final = frozenset(name for dialect in DIALECTS for name in dialect.reply)
"""Attributes that hold the reply as JSON."""
THINKING: Final = frozenset(name for dialect in DIALECTS for name in dialect.thinking if "#" not in name)
"""Attributes that hold the text of its thinking."""
LOOKED_INTO: Final = REPLY | THINKING
_NUMBERED: Final = _names(name for dialect in DIALECTS for name in dialect.thinking if "#" in name)
_MARKS: Final = _names(mark for dialect in DIALECTS for mark, _ in dialect.parts)
_TEXTS: Final = _names(text for dialect in DIALECTS for _, text in dialect.parts)
_LAST: Final = r"[^.]*$"
"""What the mark of a part has in place of the text's."""


def shows_thinking(attributes: Attributes, events: Iterable[tuple[str, Attributes]]) -> bool:
    """Whether attributes or events, by name, show text of thinking."""
    for name, value in attributes:
        if name in THINKING or _numbered.search(name):
            if _word.search(value):
                return True
        elif name in REPLY and _shown.search(value):
            return True
    marked = {_last.sub("", name) for name, value in attributes if value in KINDS and _marks.search(name)}
    if marked and any(
        _texts.search(name) and _last.sub("", name) in marked and _word.search(value) for name, value in attributes
    ):
        return True
    return any(
        name not in ASKED and _shown.search(value)
        for event, told in events
        if event in REPLY_EVENTS
        for name, value in told
    )


def shows_thinking_sql(reply: str, thinking: str) -> str:
    """The same of `codes`, `keys`, `texts`, `event_names`, `event_keys` and `event_texts`.

    Args:
        reply: code of the attributes that hold the reply.
        thinking: code of those that hold the text of thinking.
    """
    told = (
        f"arrayExists((code, key, value) -> multiIf(code = {reply}, {_looked('value')},"
        f" code = {thinking}, {_matches('value', WORD)},"
        f" code = 0, if({_matches('key', _NUMBERED)}, {_matches('value', WORD)}, 0), 0),"
        " codes, keys, texts)"
    )
    marked = f"arrayFilter((key, value) -> if(value IN ({listed(KINDS)}), {_matches('key', _MARKS)}, 0), keys, texts)"
    worded = f"arrayFilter((key, value) -> if({_matches('key', _TEXTS)}, {_matches('value', WORD)}, 0), keys, texts)"
    place = f"arrayMap(key -> replaceRegexpOne(key, {quoted(_LAST)}, ''), {{}})"
    parts = f"if(hasAny(texts, [{listed(KINDS)}]), hasAny({place.format(marked)}, {place.format(worded)}), 0)"
    of_event = (
        f"arrayExists((key, value) -> if(key IN ({listed(ASKED)}), 0, {_matches('value', SHOWN)}), names, values)"
    )
    in_events = (
        f"arrayExists((event, names, values) -> if(event IN ({listed(REPLY_EVENTS)}), {of_event}, 0),"
        " event_names, event_keys, event_texts)"
    )
    return any_of(told, parts, in_events)


def _looked(text: str) -> str:
    """Whether a document shows thinking: the pattern takes ten times as long as to see that it cannot match."""
    return f"if(multiSearchAny({text}, [{listed(MUST)}]), {_matches(text, SHOWN)}, 0)"


def _matches(text: str, pattern: str) -> str:
    return f"match({text}, {quoted(pattern)})"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("$", r"\Z"), re.ASCII | re.DOTALL)


_shown, _word, _numbered, _marks, _texts, _last = map(_compiled, (SHOWN, WORD, _NUMBERED, _MARKS, _TEXTS, _LAST))
