"""Logfire and pydantic-ai: OpenTelemetry's names, with thinking in the details or in the provider's own usage.

Read in pydantic/pydantic-ai at 4fda3898 (`pydantic_ai/usage.py`, `opentelemetry_attributes`; `_instrumentation.py`):
input holds the cache and output the thinking, whatever the provider; thinking keeps the provider's name for it, in
the details. In pydantic/logfire at e484a6b5 (`_internal/integrations/llm_providers/usage.py`, `anthropic.py`): input
holds the cache; thinking stands in the raw usage alone. A streamed call has two spans there (`llm_provider.py`,
`record_streaming`): the request, which counts nothing, and a log at its end, which does. `operation.cost` is computed
from a price list, not reported by the provider, and so is not read.
"""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, with_names
from thinkmeter.collector.dialects.otel_genai import CONTENT, NAMES, REPLY, THINKING

_CONTENT: Final = (
    *CONTENT,
    "request_data",
    "response_data",
    "events",
    "final_result",
    "all_messages_events",
    "pydantic_ai.all_messages",
    "model_request_parameters",
    "tool_arguments",
    "tool_response",
    "raw_input",
    "response",
)

PYDANTIC_AI: Final = Dialect(
    name="pydantic_ai",
    about="pydantic-ai",
    scopes=("pydantic-ai",),
    names=with_names(
        NAMES,
        {
            "thinking_tokens": (
                "gen_ai.usage.details.reasoning_tokens",
                "gen_ai.usage.details.thinking_tokens",
                "gen_ai.usage.details.thoughts_tokens",
            ),
            "cache_read_tokens": ("gen_ai.usage.details.cache_read_tokens",),
            "cache_write_tokens": ("gen_ai.usage.details.cache_write_tokens",),
        },
    ),
    content=_CONTENT,
    thinking=THINKING,
    reply=(*REPLY, "response_data"),
)

LOGFIRE: Final = Dialect(
    name="logfire",
    about="Logfire's instrumentations of provider clients",
    scopes=("logfire",),
    names=with_names(NAMES, {"usage": ("gen_ai.usage.raw",)}),
    content=_CONTENT,
    thinking=THINKING,
    reply=(*REPLY, "response_data"),
    thinking_outside=frozenset({"x_ai"}),
    silent=frozenset({"chat", "text_completion"}),
)
