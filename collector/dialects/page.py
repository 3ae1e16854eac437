"""The table of dialects in Markdown: `python -m thinkmeter.collector.dialects.page > docs/dialects.md`."""

from collections.abc import Callable, Iterable

from thinkmeter.collector.dialects import DIALECTS, UNCLAIMED
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.dialects.dialect import Dialect
from thinkmeter.collector.dialects.shown import REPLY_EVENTS

HEAD = """# Dialects

How spans of other instrumentations are read. This page is made from `collector/dialects/`, the table from which the
store's SQL and the reference decoder are made; each of its modules names the sources that it was read from.

A span is read in one dialect, the first below that claims it, by its instrumentation scope or by an attribute that only
that dialect has; attributes of another are not added to it. Counts end up as `calls` means them: input with
the cache, output with the thinking, unknown is null and never 0.
"""


def documented() -> str:
    """The page."""
    parts = [HEAD, "## Who speaks, and what the counts mean\n", _speakers(), "## Where each field stands\n", _names()]
    parts += ["## Counts in a JSON document\n", _documents(), "## Odd values\n", ODD_VALUES]
    parts += ["## What is content\n", _content()]
    return "\n".join(parts)


ODD_VALUES = f"""| what comes | what becomes of it |
|---|---|
| a number as text, int or double | read alike; `"1e2"` is 100 |
| a count that is negative, has a fraction, is above {f.MOST_TOKENS:,}, or is no number | unknown; the field's next \
attribute is read; the attribute stays as it was sent; kind `count` |
| a score, threshold or probability that is NaN, infinite or no number | null |
| the same attribute twice | the first that says something counts; kind `duplicate` where it is one that is read |
| thinking above output | thinking is unknown in `calls`, source `missing` |
| 0 thinking tokens, or thinking switched off, beside a reply that shows text of its thinking | thinking is unknown, \
source `missing`; kind `thinking`; a 0 that another span of the same call says is unknown in `calls` as well |
| a time before 2000, or more than a day ahead of the receipt | the span's other time, else the time of receipt; kind \
`time` |
| an end before the start | duration 0; kind `duration` |
| a time of years ago | it holds; counted at the door as `old` |
| a span without trace id or span id | rejected, the rest of its request is taken |
| invalid UTF-8 | the request is refused as malformed |

A span of one of these kinds bears the attribute `{f.ODD}`, so that `SELECT count() FROM spans WHERE \
attributes['{f.ODD}'] != ''` counts them; times are counted at the door as well \
(`thinkmeter_collector_odd_items_total`), as are requests and spans that are not taken, by reason.
"""


def _speakers() -> str:
    lines = ["| `dialect` | who | claimed by | thinking outside output for | cache outside input for |"]
    lines += ["|---|---|---|---|---|"]
    for dialect in DIALECTS:
        claims = [f"scope `{scope}`" for scope in dialect.scopes] + [f"`{mark}`" for mark in dialect.marks]
        outside = (dialect.thinking_outside, dialect.cache_outside | dialect.cache_in_total)
        cells = [", ".join(sorted(providers)) or "nobody" for providers in outside]
        lines.append(f"| `{dialect.name}` | {dialect.about} | {', '.join(claims)} | {' | '.join(cells)} |")
    lines += ["", "A total that comes with the counts overrules the last two columns: it shows what lies outside.", ""]
    return "\n".join(lines)


def _names() -> str:
    lines = ["| field | dialect | attributes, the best first |", "|---|---|---|"]
    for field in (*f.TEXTS, *f.NUMBERS):
        said: dict[tuple[str, ...], list[str]] = {}
        for dialect in (*DIALECTS, UNCLAIMED):
            if field in dialect.names:
                said.setdefault(dialect.names[field], []).append(dialect.name or "(no dialect)")
        for names, speakers in said.items():
            lines.append(f"| {field} | {', '.join(speakers)} | {_listed(names)} |")
    return "\n".join([*lines, ""])


def _documents() -> str:
    lines = ["Read from the field `usage` where a dialect has one, before the counts of its attributes.", ""]
    lines += ["| field | part of input or output | beside it |", "|---|---|---|"]
    for field, paths in f.USAGE.items():
        beside = _listed(".".join(path) for path in f.USAGE_BESIDE.get(field, ()))
        lines.append(f"| {field} | {_listed('.'.join(path) for path in paths)} | {beside} |")
    return "\n".join([*lines, ""])


def _content() -> str:
    lines = ["Not stored unless `[privacy]` says so, whatever dialect the span is read in.", ""]
    lines += ["| dialect | content | text of thinking |", "|---|---|---|"]
    lines += _by_speakers(lambda dialect: (dialect.content, dialect.thinking))
    lines += [
        "",
        "Before it is dropped, the reply is looked into where 0 thinking tokens are told, whatever the dialect:",
    ]
    lines += ["text of thinking there means that 0 is no count. So are span events " + _listed(REPLY_EVENTS) + "."]
    lines += ["Lists and maps are read two levels deep, JSON to its end. `#` stands for a number.", ""]
    lines += ["| dialect | reply, as JSON | text of thinking | kind and text of a part |", "|---|---|---|---|"]
    lines += _by_speakers(lambda dialect: (dialect.reply, dialect.thinking, tuple(map("` and `".join, dialect.parts))))
    return "\n".join([*lines, ""])


def _by_speakers(said: Callable[[Dialect], tuple[tuple[str, ...], ...]]) -> list[str]:
    """A row of names for all dialects that say the same."""
    speakers: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for dialect in DIALECTS:
        speakers.setdefault(said(dialect), []).append(dialect.name)
    return [
        f"| {', '.join(who)} | {' | '.join(_listed(map(_shown, names)) for names in cells)} |"
        for cells, who in speakers.items()
    ]


def _shown(name: str) -> str:
    return name + "*" if name.endswith(".") else name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(documented(), end="")
