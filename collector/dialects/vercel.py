"""Vercel's AI SDK. Its own spans around the calls repeat the sums of these.

Read in vercel/ai. Since release 6 (ai@6.0.264 `packages/ai/src/generate-text/generate-text.ts`; at ed857f50f1
`packages/otel/src/open-telemetry.ts`, `packages/anthropic/src/convert-anthropic-usage.ts`,
`packages/google/src/convert-google-usage.ts`) every provider's usage is brought to one form: cache inside the input,
thinking inside the output. Up to release 5 (ai@5.0.244) it is passed on as each provider has it: Anthropic's and
Bedrock's input without the cache (`packages/anthropic/src/anthropic-messages-language-model.ts`), Gemini's output
without the thoughts (`packages/google/src/google-generative-ai-language-model.ts`), xAI's with them
(`packages/xai/src/convert-xai-chat-usage.ts`); its total is a sum of its own, or the provider's. `generateText` says
nothing there of thinking and cache, which stand only in the provider's metadata.
"""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, with_names
from thinkmeter.collector.dialects.otel_genai import CONTENT, NAMES, REPLY, THINKING

_DETAILS: Final = "ai.usage.inputTokenDetails"

_NAMES: Final = with_names(
    NAMES,
    {
        "span_kind": ("ai.operationId",),
        "provider": ("ai.model.provider",),
        "request_model": ("ai.model.id",),
        "response_model": ("ai.response.model",),
        "response_id": ("ai.response.id",),
        "finish_reason": ("ai.response.finishReason",),
        "input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "thinking_tokens": ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
        "cache_read_tokens": (f"{_DETAILS}.cacheReadTokens", "ai.usage.cachedInputTokens"),
        "cache_write_tokens": (f"{_DETAILS}.cacheWriteTokens",),
        "total_tokens": ("ai.usage.totalTokens",),
        "time_to_first_chunk_ms": ("ai.response.msToFirstChunk",),
        "user_id": ("ai.telemetry.metadata.userId",),
        "session_id": ("ai.telemetry.metadata.sessionId",),
        "tool": ("ai.toolCall.name",),
    },
)

_CONTENT: Final = (
    *CONTENT,
    "ai.prompt",
    "ai.prompt.",
    "ai.schema",
    "ai.schema.",
    "ai.value",
    "ai.values",
    "ai.embedding",
    "ai.embeddings",
    "ai.documents",
    "ai.ranking",
    "ai.response.text",
    "ai.response.object",
    "ai.response.toolCalls",
    "ai.response.files",
    "ai.response.providerMetadata",
    "ai.result.",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "ai.request.headers.",
)
_THINKING: Final = (*THINKING, "ai.response.reasoning")

VERCEL: Final = Dialect(
    name="vercel_ai",
    about="Vercel AI SDK, release 6 and later",
    scopes=("gen_ai",),
    marks=(
        f"{_DETAILS}.noCacheTokens",
        f"{_DETAILS}.cacheReadTokens",
        f"{_DETAILS}.cacheWriteTokens",
        "ai.usage.outputTokenDetails.textTokens",
    ),
    names=_NAMES,
    content=_CONTENT,
    thinking=_THINKING,
    reply=REPLY,
    # around the call that counts there is a span of the same operation
    silent=frozenset({"embeddings"}),
)

VERCEL_5: Final = Dialect(
    name="vercel_ai_5",
    about="Vercel AI SDK up to release 5, and what later ones emit in its form",
    marks=("ai.operationId",),
    names=with_names(_NAMES, {"usage": ("ai.response.providerMetadata",)}),
    content=_CONTENT,
    thinking=_THINKING,
    reply=REPLY,
    thinking_outside=frozenset({"gcp.gemini", "gcp.vertex_ai"}),
    cache_outside=frozenset({"anthropic", "aws.bedrock"}),
)
