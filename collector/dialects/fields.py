"""What can be read out of a span, whatever the dialect: the fields, and what their values mean.

Fields that have a column of `spans` bear its name. The rest are read on the way: what kind of span it is, a total to
check the counts against, the request's parameters as JSON.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final = (
    "entity",
    "span_kind",
    "operation",
    "provider",
    "host",
    "api",
    "request_model",
    "response_model",
    "response_id",
    "request_id",
    "task",
    "strategy",
    "role",
    "phase",
    "service_tier",
    "effort",
    "thinking_switch",
    "thinking_source",
    "finish_reason",
    "error_type",
    "user_id",
    "session_id",
    "usage_raw",
    "parameters",
    "tool",
    "agent",
)
"""Fields read as text: the first candidate that is not empty."""

NUMBERS: Final = (
    "tier",
    "attempt",
    "sample",
    "budget_tokens",
    "input_tokens",
    "output_tokens",
    "thinking_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "total_tokens",
    "reported_cost_usd",
    "reported_cost_ticks",
    "time_to_first_chunk_s",
    "time_to_first_answer_s",
    "sampling_probability",
)
"""Fields read as a number, whether it was sent as int, double or text: the first candidate that is one, and not
negative. A negative count is no count."""

MOST_TOKENS: Final = 1_000_000_000
"""A count above this, or one with a fraction, is none: it is left unknown, and the attribute stays as it was sent."""

TICKS_PER_USD: Final = 10_000_000_000
"""xAI reports cost in ticks."""

SPAN_KINDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "llm": ("inference", "chat"),
        "embedding": ("inference", "embeddings"),
        "agent": ("agent", ""),
        "workflow": ("agent", ""),
        "tool": ("tool", ""),
        "chain": ("other", ""),
        "task": ("other", ""),
        "retriever": ("other", ""),
        "reranker": ("other", ""),
        "guardrail": ("other", ""),
        "evaluator": ("other", ""),
        "prompt": ("other", ""),
    }
)
"""`span_kind` in lower case -> class of the span, and its operation where none is said."""

OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "chat": "inference",
        "text_completion": "inference",
        "generate_content": "inference",
        "embeddings": "inference",
        "execute_tool": "tool",
        "create_agent": "agent",
        "invoke_agent": "agent",
        "invoke_workflow": "agent",
        "plan": "agent",
        # the answer of a call that was counted when it was made
        "fetch_response": "other",
        "retrieval": "other",
        "rerank": "other",
        "search_memory": "other",
        "create_memory": "other",
        "update_memory": "other",
        "upsert_memory": "other",
        "delete_memory": "other",
        "create_memory_store": "other",
        "delete_memory_store": "other",
    }
)
"""`operation` -> class of the span, where its kind does not say."""

RENAMED_OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"completion": "text_completion", "embedding": "embeddings"}
)
"""Older names of operations, in lower case."""

PARAMETERS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        "effort": (("reasoning_effort",), ("reasoning", "effort"), ("output_config", "effort")),
        "service_tier": (("service_tier",),),
        "thinking_switch": (("thinking", "type"),),
        "budget_tokens": (("thinking", "budget_tokens"), ("thinking_config", "thinking_budget")),
    }
)
"""Field -> paths in `parameters`, where the field has no attribute of its own."""

FIRST_CHUNK_EVENTS: Final = ("First Token Stream Event", "llm.content.completion.chunk")
"""Span events that mark the first chunk of a stream, where no attribute says when it came."""

HIDDEN_IN_TOTAL: Final = ("gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai", "x_ai")
"""Providers whose total holds the thinking that the output leaves out: where an instrumentation drops the count, it
is what the total has over input and output. An estimate, since Gemini's total holds tool prompts as well."""

THINKING_SOURCES: Final = ("provider", "derived", "estimated")
"""What `thinking_source` may say of a count that is there."""

VERBATIM: Final = (
    "request_model",
    "response_model",
    "response_id",
    "request_id",
    "task",
    "strategy",
    "role",
    "phase",
    "effort",
    "error_type",
    "user_id",
    "session_id",
    "usage_raw",
)
"""Texts that stand in their column as they were sent: their first candidate is not kept in `attributes` as well."""

PASSED: Final = ("pass", "passed")
FAILED: Final = ("fail", "failed")
"""Labels of a verdict, in lower case. Any other says nothing: then the score is held against the threshold."""
CORRECT: Final = (*PASSED, "correct", "true", "yes", "1")
INCORRECT: Final = (*FAILED, "incorrect", "wrong", "false", "no", "0")
"""Labels of a ground truth, in lower case. Any other says nothing: then a score is held against the threshold, and
without one 1 is correct, 0 is not, and anything between says nothing."""
