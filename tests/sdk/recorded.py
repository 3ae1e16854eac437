"""A call that no client makes, and what was recorded."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

import thinkmeter
from thinkmeter.sdk.testing import Captured


def call(**further: Any) -> None:
    thinkmeter.record_call(
        provider="openai", model="gpt-5", input_tokens=10, output_tokens=7, thinking_tokens=3, **further
    )


def span_named(captured: Captured, name: str) -> ReadableSpan:
    (span,) = [span for span in captured.spans if span.name == name]
    return span
