"""Values of attributes: what is unknown is absent."""

from collections.abc import Mapping

from opentelemetry.util.types import AttributeValue

from thinkmeter.sdk.health import warn
from thinkmeter.sdk.settings import TIERS


def known(values: Mapping[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    """The entries that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def valid_tier(value: int | None) -> int | None:
    """1, 2 or 3; None for anything else, which is logged."""
    if value is None or value in TIERS:
        return value
    warn("tier %r is none of 1 (fast), 2 (balanced), 3 (precision); the attempt is recorded without one", value)
    return None
