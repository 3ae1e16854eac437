"""Sentry, as its SDKs for Python and JavaScript emit it: OpenTelemetry's names, and three of its own for counts.

Read in getsentry/sentry-python at 064542dd (`sentry_sdk/ai/monitoring.py`, `integrations/anthropic.py`,
`integrations/google_genai/utils.py`): cache is summed into the input, thoughts into the output, and a total that is
not given is their sum. In getsentry/sentry-javascript at f7a6cc0c (`packages/core/src/tracing/ai/utils.ts`,
`setTokenUsageAttributes`): Anthropic's input is passed on without the cache, which goes into the total alone; of
Gemini's thoughts (`tracing/google-genai/index.ts`) there is nothing but the total as well.
"""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, with_names
from thinkmeter.collector.dialects.otel_genai import CONTENT, NAMES, REPLY, THINKING

SENTRY: Final = Dialect(
    name="sentry",
    about="Sentry's SDKs for Python and JavaScript",
    marks=(
        "sentry.op",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.output_tokens.reasoning",
    ),
    names=with_names(
        NAMES,
        {
            "span_kind": ("sentry.op",),
            "thinking_tokens": ("gen_ai.usage.output_tokens.reasoning",),
            "cache_read_tokens": ("gen_ai.usage.input_tokens.cached",),
            "cache_write_tokens": ("gen_ai.usage.input_tokens.cache_write",),
            "time_to_first_chunk_s": ("gen_ai.response.time_to_first_token",),
        },
    ),
    content=(
        *CONTENT,
        "gen_ai.request.messages",
        "gen_ai.request.available_tools",
        "gen_ai.response.text",
        "gen_ai.response.object",
        "gen_ai.response.tool_calls",
        "gen_ai.embeddings.input",
        "gen_ai.tool.input",
        "gen_ai.tool.output",
        "mcp.tool.result.content",
        "mcp.prompt.result.message_content",
        "mcp.request.argument.",
        "vercel.ai.prompt",
        "vercel.ai.prompt.",
        "vercel.ai.response.text",
        "vercel.ai.response.object",
        "vercel.ai.response.toolCalls",
        "vercel.ai.response.providerMetadata",
        "vercel.ai.toolCall.args",
        "vercel.ai.toolCall.result",
    ),
    thinking=(*THINKING, "vercel.ai.response.reasoning"),
    reply=REPLY,
    # its OpenAI integration passes on what the client says
    thinking_outside=frozenset({"x_ai"}),
    cache_in_total=frozenset({"anthropic"}),
)
