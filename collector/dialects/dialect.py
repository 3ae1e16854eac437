"""One way of naming things on spans, as data."""

import dataclasses
from collections.abc import Mapping

Names = Mapping[str, tuple[str, ...]]
"""Field -> attribute names that carry it, the best first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dialect:
    """How one family of instrumentations speaks.

    Attributes:
        name: what the column `dialect` says.
        about: who speaks it, for people.
        scopes: instrumentation scopes whose spans it claims, each with whatever follows it after a dot.
        marks: attribute names any of which makes a span one of this dialect's.
        names: where each field stands. A field that is not listed is not read.
        thinking_outside: providers whose thinking the output count leaves out, unless a total shows otherwise.
        cache_outside: providers whose cached tokens the input count leaves out, unless a total shows otherwise.
        cache_in_total: providers whose cached tokens stand in the total alone: input is what the total has over output.
        says_operation: whether every inference names its operation, so that a model alone is not enough.
        silent: operations whose spans are calls only if they count something or failed: where they are silent, the
            call has another span.
        content: attributes that hold prompts, answers, messages, arguments or results of tools; a name that ends with
            a dot stands for all that begin with it, and `#` for a number.
        thinking: the same, of attributes that hold the text of thinking and nothing else.
        reply: those of the content that hold the reply as JSON, in which `shown` looks for thinking.
        parts: where parts of the reply have attributes of their own: what says the kind of one, and its text.
    """

    name: str
    about: str
    scopes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    names: Names
    thinking_outside: frozenset[str] = frozenset()
    cache_outside: frozenset[str] = frozenset()
    cache_in_total: frozenset[str] = frozenset()
    says_operation: bool = False
    silent: frozenset[str] = frozenset()
    content: tuple[str, ...] = ()
    thinking: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()

    def claims(self, scope: str, attribute_names: frozenset[str]) -> bool:
        """Whether a span with that scope and those attributes is one of this dialect's."""
        of_scope = any(scope == own or scope.startswith(own + ".") for own in self.scopes)
        return of_scope or not attribute_names.isdisjoint(self.marks)


def with_names(names: Names, more: Names) -> Names:
    """`names` with further candidates behind its own."""
    return {field: names.get(field, ()) + more.get(field, ()) for field in {**names, **more}}
