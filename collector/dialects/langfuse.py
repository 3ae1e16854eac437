"""Langfuse: a type for every span, and counts in a JSON document of whatever form the provider or the caller gave it.

Read in langfuse/langfuse-python at c3c6a09e. `langfuse/openai.py` (`_parse_usage`) passes OpenAI's usage on as it is:
details are part of the counts. `langfuse/langchain/CallbackHandler.py` (`_parse_usage_model`) makes buckets of it
that do not overlap: `input` without `input_cache_read`, `output` without `output_reasoning`; so do those who follow
the documentation and hand in Anthropic's counts. `cost_details` is what the provider reports (`_parse_cost`,
OpenRouter) or the caller states; what Langfuse's server computes is not on the span.
"""

from typing import Final

from thinkmeter.collector.dialects.dialect import Dialect, with_names
from thinkmeter.collector.dialects.thinkmeter import EVERYWHERE

LANGFUSE: Final = Dialect(
    name="langfuse",
    about="Langfuse's SDKs, release 3 and later",
    scopes=("langfuse-sdk",),
    marks=("langfuse.observation.type",),
    names=with_names(
        EVERYWHERE,
        {
            "span_kind": ("langfuse.observation.type",),
            "response_model": ("langfuse.observation.model.name",),
            "parameters": ("langfuse.observation.model.parameters",),
            "usage": ("langfuse.observation.usage_details",),
            "cost": ("langfuse.observation.cost_details",),
        },
    ),
    content=(
        "langfuse.observation.input",
        "langfuse.observation.output",
        "langfuse.trace.input",
        "langfuse.trace.output",
        # of a streamed response, everything that came with it (`_extract_streamed_response_api_response`)
        "langfuse.observation.metadata.instructions",
        "langfuse.observation.metadata.reasoning",
        "langfuse.observation.metadata.tools",
        "langfuse.experiment.item.expected_output",
    ),
    reply=("langfuse.observation.output",),
    thinking_outside=frozenset({"x_ai"}),
)
