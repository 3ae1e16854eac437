"""The OpenTelemetry GenAI conventions, in the names of today and of earlier releases."""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, Names, with_names
from thinkmeter.collector.dialects.thinkmeter import EVERYWHERE
from thinkmeter.schema import attributes as a

NAMES: Final[Names] = with_names(
    EVERYWHERE,
    {
        "operation": (a.OPERATION_NAME,),
        "provider": (a.PROVIDER_NAME, "gen_ai.system"),
        "api": ("openai.api.type",),
        "request_model": (a.REQUEST_MODEL,),
        "response_model": (a.RESPONSE_MODEL,),
        "response_id": (a.RESPONSE_ID,),
        "effort": (
            a.REQUEST_REASONING_LEVEL,
            "gen_ai.request.reasoning_effort",
            "gen_ai.openai.request.reasoning_effort",
        ),
        "thinking_switch": ("anthropic.thinking.type",),
        "budget_tokens": ("anthropic.thinking.budget_tokens",),
        # what was billed before what was asked for
        "service_tier": (
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "anthropic.response.service_tier",
            "openai.request.service_tier",
            "gen_ai.openai.request.service_tier",
            "anthropic.request.service_tier",
        ),
        "finish_reason": (a.RESPONSE_FINISH_REASONS, "gen_ai.response.finish_reason", "anthropic.message.stop_reason"),
        # the second is how pydantic-ai and Vercel's AI SDK spell it
        "time_to_first_chunk_s": (a.TIME_TO_FIRST_CHUNK, "gen_ai.client.operation.time_to_first_chunk"),
        "input_tokens": (a.INPUT_TOKENS, "gen_ai.usage.prompt_tokens"),
        "output_tokens": (a.OUTPUT_TOKENS, "gen_ai.usage.completion_tokens"),
        "thinking_tokens": (a.REASONING_OUTPUT_TOKENS, "gen_ai.usage.reasoning_tokens"),
        "cache_read_tokens": (a.CACHE_READ_INPUT_TOKENS, "gen_ai.usage.cache_read_input_tokens"),
        "cache_write_tokens": (
            a.CACHE_WRITE_INPUT_TOKENS,
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
        "total_tokens": ("gen_ai.usage.total_tokens",),
        "tool": ("gen_ai.tool.name",),
        "agent": ("gen_ai.agent.name", "gen_ai.agent.id"),
    },
)

CONTENT: Final = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.prompt.variable.",
    "gen_ai.retrieval.documents",
    "gen_ai.retrieval.query.text",
    # of earlier releases, and of instrumentations that never left them
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.tool.message",
    "gen_ai.user.message",
    "gen_ai.system.message",
    "gen_ai.assistant.message",
    "gen_ai.choice",
)
REPLY: Final = ("gen_ai.output.messages", "gen_ai.completion", "gen_ai.choice")
THINKING: Final = ("gen_ai.response.reasoning", "gen_ai.output.reasoning")

OURS: Final = Dialect(
    name="thinkmeter",
    about="thinkmeter's own SDK",
    scopes=(a.SDK_SCOPE,),
    names=NAMES,
    content=CONTENT,
    thinking=THINKING,
    reply=REPLY,
)

ANTHROPIC_SDK: Final = Dialect(
    name="anthropic_sdk",
    about="the anthropic client's own spans: one for every method, so only `chat` is an inference",
    scopes=("com.anthropic.sdk",),
    names=NAMES,
    content=CONTENT,
    thinking=THINKING,
    reply=REPLY,
    says_operation=True,
)

XAI_SDK: Final = Dialect(
    name="xai_sdk",
    about="the xai-sdk client's own spans",
    scopes=("xai_sdk",),
    names=with_names(
        NAMES,
        {
            "cache_read_tokens": ("gen_ai.usage.cached_prompt_text_tokens",),
            "reported_cost_ticks": ("gen_ai.usage.cost_in_usd_ticks",),
            "user_id": ("user_id",),
        },
    ),
    thinking_outside=frozenset({"x_ai"}),
)

BEDROCK: Final = Dialect(
    name="otel_bedrock",
    about="OpenTelemetry's instrumentations of Bedrock, which pass the provider's counts on as they are",
    scopes=("opentelemetry.instrumentation.botocore", "opentelemetry.instrumentation.genai.bedrock"),
    names=NAMES,
    content=CONTENT,
    thinking=THINKING,
    reply=REPLY,
    cache_outside=frozenset({"aws.bedrock"}),
)

GENAI: Final = Dialect(
    name="otel_genai",
    about="OpenTelemetry GenAI conventions, names of today and of earlier releases",
    marks=(
        a.OPERATION_NAME,
        a.PROVIDER_NAME,
        "gen_ai.system",
        a.REQUEST_MODEL,
        a.RESPONSE_MODEL,
        a.INPUT_TOKENS,
        a.OUTPUT_TOKENS,
        "gen_ai.tool.name",
        "gen_ai.agent.name",
        "gen_ai.agent.id",
    ),
    names=NAMES,
    content=CONTENT,
    thinking=THINKING,
    reply=REPLY,
    # through an OpenAI client; its Responses API (`openai.api.type`) counts thinking in
    thinking_outside=frozenset({"x_ai"}),
)
