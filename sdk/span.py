"""The end of a span: what is known by then is written all at once, without the work that its values do not need."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue


def finish(
    span: Span,
    found: dict[str, AttributeValue],
    *,
    failed: bool = False,
    end_ns: int | None = None,
    later: Callable[[dict[str, AttributeValue]], None] | None = None,
) -> None:
    """Write attributes that are known to be valid (text, numbers, tuples of text) on a span, and end it, None: now.

    `later` adds one more, which takes time: it is called when the span is read, where that can be waited for.
    """
    lean = getattr(span, "finish", None)  # of `lean.Lean`, whose module is loaded with the OpenTelemetry SDK
    if lean is not None and lean(found, failed, time.time_ns() if end_ns is None else end_ns, later):
        return
    if later is not None:
        later(found)
    if found:
        _put(span, found)
    if failed:
        span.set_status(Status(StatusCode.ERROR))
    span.end(end_ns)


def _put(span: Span, found: Mapping[str, AttributeValue]) -> None:
    """Set attributes.

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
