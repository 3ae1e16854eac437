"""What is written on a span at the end of a call, without the work that its values do not need."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue


def put(span: Span, found: Mapping[str, AttributeValue]) -> None:
    """Set attributes that are known to be valid: text, numbers, tuples of text.

    `Span.set_attributes` looks at each value for what may be wrong with it and takes two calls for each to store it,
    which is most of what a span costs. Where the span is one of the OpenTelemetry SDK and no limit bears on
    these attributes, they go where it would put them; everywhere else it does.
    """
    held: Any = getattr(span, "_attributes", None)
    if held.__class__ is BoundedAttributes and held.max_value_len is None:
        try:
            with held._lock:
                stored = held._dict
                if not held._immutable and (held.maxlen is None or len(stored) + len(found) <= held.maxlen):
                    stored.update(found)
                    return
        except AttributeError:  # another release, whose inside is different
            pass
    span.set_attributes(found)
