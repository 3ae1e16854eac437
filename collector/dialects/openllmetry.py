"""OpenLLMetry, as Traceloop's instrumentations emit it: OpenTelemetry's names, older ones and its own."""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, with_names
from thinkmeter.collector.dialects.otel_genai import CONTENT, NAMES, REPLY, THINKING

OPENLLMETRY: Final = Dialect(
    name="openllmetry",
    about="OpenLLMetry (Traceloop)",
    marks=(
        "traceloop.span.kind",
        "traceloop.entity.name",
        "traceloop.workflow.name",
        "llm.request.type",
        "llm.usage.total_tokens",
    ),
    names=with_names(
        NAMES,
        {
            "span_kind": ("traceloop.span.kind",),
            "operation": ("llm.request.type",),
            "effort": ("llm.request.reasoning_effort",),
            "finish_reason": (
                "llm.response.finish_reason",
                "llm.response.stop_reason",
                "gen_ai.completion.0.finish_reason",
            ),
            "input_tokens": ("llm.usage.prompt_tokens",),
            "output_tokens": ("llm.usage.completion_tokens",),
            "thinking_tokens": ("llm.usage.reasoning_tokens",),
            "total_tokens": ("llm.usage.total_tokens",),
            "user_id": (
                "traceloop.association.properties.user_id",
                "traceloop.association.properties.userId",
                "llm.user",
                "gen_ai.user",
            ),
            "session_id": (
                "traceloop.association.properties.session_id",
                "traceloop.association.properties.sessionId",
            ),
        },
    ),
    # numbered: gen_ai.completion.0.content, and a role of its own for thinking
    content=(
        *CONTENT,
        "gen_ai.prompt.#.",
        "gen_ai.completion.#.",
        "llm.prompts.",
        "llm.completions.",
        "llm.request.functions.",
        "traceloop.entity.input",
        "traceloop.entity.output",
    ),
    thinking=(*THINKING, "gen_ai.completion.#.reasoning"),
    reply=REPLY,
    parts=(
        ("gen_ai.completion.#.role", "gen_ai.completion.#.content"),
        ("llm.completions.#.role", "llm.completions.#.content"),
    ),
    thinking_outside=frozenset({"x_ai"}),
    # its total is its own sum of input and output, so it proves nothing about the cache
    cache_outside=frozenset({"aws.bedrock"}),
)
