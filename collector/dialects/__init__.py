"""The table of dialects: which attribute names carry which field, and what each dialect means by its counts.

It is data. `view` makes ClickHouse's SQL of it, `reference` reads it in Python, and `page` prints it for people. A new
dialect is one more entry, in its place among those that could claim the same span: the first that claims one wins.
"""

import graphlib
from collections.abc import Iterable
from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect
from thinkmeter.collector.dialects.langfuse import LANGFUSE
from thinkmeter.collector.dialects.logfire import LOGFIRE, PYDANTIC_AI
from thinkmeter.collector.dialects.openinference import OPENINFERENCE
from thinkmeter.collector.dialects.openllmetry import OPENLLMETRY
from thinkmeter.collector.dialects.otel_genai import ANTHROPIC_SDK, BEDROCK, GENAI, OURS, XAI_SDK
from thinkmeter.collector.dialects.sentry import SENTRY
from thinkmeter.collector.dialects.thinkmeter import EVERYWHERE
from thinkmeter.collector.dialects.vercel import VERCEL, VERCEL_5

DIALECTS: Final = (
    OURS,
    ANTHROPIC_SDK,
    XAI_SDK,
    BEDROCK,
    PYDANTIC_AI,
    LOGFIRE,
    LANGFUSE,
    VERCEL,
    VERCEL_5,
    SENTRY,
    OPENINFERENCE,
    OPENLLMETRY,
    GENAI,
)
"""Every dialect, in the order in which they are asked whether a span is theirs."""

UNCLAIMED: Final = Dialect(name="", about="spans of no dialect", names=EVERYWHERE)
"""What is read of a span that no dialect claims."""

_NAMES: Final = frozenset(name for dialect in DIALECTS for name in (*dialect.content, *dialect.thinking))
OPEN_NAMES: Final = frozenset(name for name in _NAMES if name.endswith(".") or "#" in name)
CONTENT_NAMES: Final = _NAMES - OPEN_NAMES
"""Names of content and of thinking: those that stand for many, and those that are one name each."""
OPEN_BEGINNINGS: Final = frozenset(".".join(name.split(".")[:2]) for name in OPEN_NAMES)
"""What stands before the second dot of the former."""


def claimed(scope: str, attribute_names: Iterable[str]) -> Dialect:
    """The dialect of a span: the first that claims it."""
    present = frozenset(attribute_names)
    return next((dialect for dialect in DIALECTS if dialect.claims(scope, present)), UNCLAIMED)


def candidates(field: str) -> tuple[str, ...]:
    """All names of a field over all dialects, in an order that agrees with each dialect's own.

    Raises:
        ValueError: two dialects put two names in opposite order.
    """
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for dialect in (UNCLAIMED, *DIALECTS):
        own = dialect.names.get(field, ())
        for better, name in zip((None, *own), own, strict=False):
            sorter.add(name, *([better] if better else []))
    try:
        return tuple(sorter.static_order())
    except graphlib.CycleError as error:
        raise ValueError(f"the dialects disagree about the order of the names of {field}: {error.args[1]}") from None
