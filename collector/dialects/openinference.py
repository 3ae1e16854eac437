"""OpenInference, as Arize's instrumentations emit it."""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, with_names
from thinkmeter.collector.dialects.thinkmeter import EVERYWHERE

OPENINFERENCE: Final = Dialect(
    name="openinference",
    about="OpenInference (Arize Phoenix and others)",
    scopes=("openinference",),
    marks=("openinference.span.kind", "llm.token_count.prompt", "llm.token_count.completion", "llm.token_count.total"),
    names=with_names(
        EVERYWHERE,
        {
            "span_kind": ("openinference.span.kind",),
            # who bills before whose product it is
            "provider": ("llm.provider", "llm.system"),
            "request_model": ("llm.request.model_name", "llm.model_name", "embedding.model_name"),
            "response_model": ("llm.response.model_name",),
            "parameters": ("llm.invocation_parameters", "embedding.invocation_parameters"),
            "finish_reason": ("llm.finish_reason",),
            "input_tokens": ("llm.token_count.prompt",),
            "output_tokens": ("llm.token_count.completion",),
            "thinking_tokens": ("llm.token_count.completion_details.reasoning",),
            "cache_read_tokens": (
                "llm.token_count.prompt_details.cache_read",
                "llm.token_count.prompt_details.cache_input",
            ),
            "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
            "total_tokens": ("llm.token_count.total",),
            "tool": ("tool.name",),
            "agent": ("agent.name",),
        },
    ),
    content=(
        "input.value",
        "output.value",
        "llm.input_messages.",
        "llm.output_messages.",
        "llm.prompts.",
        "llm.choices.",
        "llm.prompt_template.template",
        "llm.prompt_template.variables",
        "llm.tools.",
        "llm.function_call",
        "embedding.embeddings.",
        "embedding.text",
        "embedding.vector",
        "retrieval.documents.",
        "reranker.query",
        "reranker.input_documents.",
        "reranker.output_documents.",
        "document.content",
        "tool.parameters",
        "tool.json_schema",
    ),
    reply=("output.value",),
    parts=(
        (
            "llm.output_messages.#.message.contents.#.message_content.type",
            "llm.output_messages.#.message.contents.#.message_content.text",
        ),
    ),
    thinking_outside=frozenset({"x_ai"}),
)
