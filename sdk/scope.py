"""What the code that runs now belongs to: request, attempt, tier, role. Travels in the OpenTelemetry context."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names

if TYPE_CHECKING:
    from thinkmeter.sdk.attempt import Attempt
    from thinkmeter.sdk.request import Request

_KEY: Final = context.create_key("thinkmeter.scope")

CARRIED: Final = {
    names.REQUEST_ID: str,
    names.TASK: str,
    names.ATTEMPT: int,
    names.TIER: int,
    names.STRATEGY: str,
    names.SAMPLE: int,
    names.ROLE: str,
    names.PHASE: str,
}
"""What crosses services in W3C baggage. Not who the user is: instrumented HTTP clients send baggage to everyone."""
LONGEST: Final = 256
"""Characters of a baggage value that are believed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What spans started here belong to.

    Attributes:
        attributes: stamped on every span.
        request: the enclosing block of this process, if any.
        attempt: the enclosing block of this process, if any.
    """

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    request: "Request | None" = None
    attempt: "Attempt | None" = None


_NOTHING: Final = Scope()


def current_scope(ctx: Context | None = None) -> Scope:
    """The scope of that context (None: the current one): this process's own, else what baggage brought along."""
    if ctx is None:
        ctx = context.get_current()
    if not ctx:
        return _NOTHING
    own = ctx.get(_KEY)
    if own.__class__ is Scope:
        return own
    brought = baggage.get_all(ctx)
    return _from_baggage(brought) if brought else _NOTHING


def within(scope: Scope, ctx: Context) -> Context:
    """The context with that scope in it, as a value and as baggage."""
    for name in CARRIED:
        value = scope.attributes.get(name)
        if value is not None:
            ctx = baggage.set_baggage(name, str(value), ctx)
    return context.set_value(_KEY, scope, ctx)


def _from_baggage(brought: Mapping[str, object]) -> Scope:
    """The scope that another service sent along. Its values come from outside: only what fits is taken."""
    found: dict[str, AttributeValue] = {}
    for name, kind in CARRIED.items():
        text = brought.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            continue
        if kind is str:
            found[name] = text
        elif text.isdecimal():
            found[name] = int(text)
    return Scope(found) if found else _NOTHING
