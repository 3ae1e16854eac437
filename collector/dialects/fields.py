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
    "usage",
    "cost",
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
    "time_to_first_chunk_ms",
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
        # Langfuse's, beside those above
        "generation": ("inference", "chat"),
        "span": ("other", ""),
        "event": ("other", ""),
        # Vercel's: what it wraps around the calls sums them up
        **{
            f"ai.{name}{do}": (kind, operation if do else "")
            for name, do_name, kind_of, operation in (
                ("generatetext", ".dogenerate", "agent", "chat"),
                ("streamtext", ".dostream", "agent", "chat"),
                ("generateobject", ".dogenerate", "agent", "chat"),
                ("streamobject", ".dostream", "agent", "chat"),
                ("embed", ".doembed", "other", "embeddings"),
                ("embedmany", ".doembed", "other", "embeddings"),
            )
            for do, kind in (("", kind_of), (do_name, "inference"))
        },
        "ai.rerank": ("other", ""),
        "ai.rerank.dorerank": ("other", ""),
        "ai.toolcall": ("tool", ""),
        # Sentry's, the op of a span
        "gen_ai.chat": ("inference", "chat"),
        "gen_ai.responses": ("inference", "chat"),
        "gen_ai.text_completion": ("inference", "text_completion"),
        "gen_ai.generate_content": ("inference", "generate_content"),
        "gen_ai.embeddings": ("inference", "embeddings"),
        "gen_ai.invoke_agent": ("agent", ""),
        "gen_ai.create_agent": ("agent", ""),
        "gen_ai.execute_tool": ("tool", ""),
        "gen_ai.handoff": ("other", ""),
        "gen_ai.rerank": ("other", ""),
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
        "agent_step": "agent",
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

ODD: Final = "thinkmeter.odd"
"""Attribute that is added to a span that says something odd: which kinds of oddity, between commas."""

Paths = tuple[tuple[str, ...], ...]
"""Places in a JSON document, the best first."""

USAGE: Final[Mapping[str, Paths]] = MappingProxyType(
    {
        "input_tokens": (
            ("prompt_tokens",),
            ("input_tokens",),
            ("input",),
            ("anthropic", "usage", "input_tokens"),
            ("google", "usageMetadata", "promptTokenCount"),
        ),
        "output_tokens": (
            ("completion_tokens",),
            ("output_tokens",),
            ("output",),
            ("anthropic", "usage", "output_tokens"),
            ("google", "usageMetadata", "candidatesTokenCount"),
        ),
        "thinking_tokens": (
            ("completion_tokens_details", "reasoning_tokens"),
            ("output_tokens_details", "reasoning_tokens"),
            ("output_tokens_details", "thinking_tokens"),
            ("anthropic", "usage", "output_tokens_details", "thinking_tokens"),
            ("openai", "reasoningTokens"),
        ),
        "cache_read_tokens": (
            ("prompt_tokens_details", "cached_tokens"),
            ("input_tokens_details", "cached_tokens"),
            ("google", "usageMetadata", "cachedContentTokenCount"),
            ("openai", "cachedPromptTokens"),
        ),
        "cache_write_tokens": (
            ("prompt_tokens_details", "cache_write_tokens"),
            ("input_tokens_details", "cache_write_tokens"),
        ),
        "cache_write_1h_tokens": (
            ("cache_creation", "ephemeral_1h_input_tokens"),
            ("cache_creation_ephemeral_1h_input_tokens",),
            ("anthropic", "usage", "cache_creation", "ephemeral_1h_input_tokens"),
        ),
        "total_tokens": (("total_tokens",), ("total",), ("google", "usageMetadata", "totalTokenCount")),
    }
)
"""Field -> paths in `usage`, a JSON document of counts. What it counts stands before what attributes count."""

USAGE_BESIDE: Final[Mapping[str, Paths]] = MappingProxyType(
    {
        "thinking_tokens": (
            ("output_reasoning",),
            ("output_reasoning_tokens",),
            ("reasoning",),
            ("google", "usageMetadata", "thoughtsTokenCount"),
        ),
        "cache_read_tokens": (
            ("cache_read_input_tokens",),
            ("input_cache_read",),
            ("input_cached_tokens",),
            ("anthropic", "usage", "cache_read_input_tokens"),
            ("bedrock", "usage", "cacheReadInputTokens"),
        ),
        "cache_write_tokens": (
            ("cache_creation_input_tokens",),
            ("input_cache_creation",),
            ("anthropic", "usage", "cache_creation_input_tokens"),
            ("bedrock", "usage", "cacheWriteInputTokens"),
        ),
    }
)
"""Field -> further paths in `usage`, behind those above: counts that stand beside the document's input or output and
are not part of it."""

COST: Final[Paths] = (("total",),)
"""Paths of the reported cost in `cost`, a JSON document, where the cost has no attribute of its own."""

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

PLAIN: Final = (
    "gen_ai.request.temperature",
    "gen_ai.request.top_p",
    "gen_ai.request.top_k",
    "gen_ai.request.max_tokens",
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.seed",
    "gen_ai.request.stream",
    "gen_ai.request.choice.count",
    "gen_ai.request.encoding_formats",
    "gen_ai.output.type",
    "gen_ai.tool.type",
    "gen_ai.tool.call.id",
    "gen_ai.response.system_fingerprint",
    "openai.response.system_fingerprint",
    "gen_ai.prompt.name",
    "gen_ai.data_source.id",
    "thinkmeter.sdk.version",
    "thinkmeter.thinking.reflection_ratio",
    "llm.is_streaming",
    "llm.request.top_k",
    "llm.headers",
    "traceloop.entity.path",
    "input.mime_type",
    "output.mime_type",
    "metadata",
    "tag.tags",
    "logfire.span_type",
    "logfire.msg",
    "ai.telemetry.functionId",
    "operation.name",
    "resource.name",
    "server.port",
    "error.message",
    "http.request.method",
    "http.response.status_code",
    "http.method",
    "http.status_code",
    "url.full",
    "network.peer.address",
    "network.peer.port",
    "thread.id",
    "thread.name",
    "code.function.name",
    "code.filepath",
    "code.lineno",
)
"""Names that instrumentations often send, that no dialect reads and that hold no content: whether an attribute may be
kept is looked for in its name where the name is not known, and takes longer than all that is done with a known one."""
