"""One name per provider: that of the GenAI conventions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amazon": "aws.bedrock",
        "amazon_bedrock": "aws.bedrock",
        "aws": "aws.bedrock",
        "aws_bedrock": "aws.bedrock",
        "bedrock": "aws.bedrock",
        "az.ai.inference": "azure.ai.inference",
        "azure_ai": "azure.ai.inference",
        "az.ai.openai": "azure.ai.openai",
        "azure": "azure.ai.openai",
        "azure-openai": "azure.ai.openai",
        "azure_openai": "azure.ai.openai",
        "gemini": "gcp.gemini",
        "google": "gcp.gemini",
        "google-gla": "gcp.gemini",
        "google_ai_studio": "gcp.gemini",
        "google_genai": "gcp.gemini",
        "google-vertex": "gcp.vertex_ai",
        "google_vertex": "gcp.vertex_ai",
        "vertex": "gcp.vertex_ai",
        "vertex_ai": "gcp.vertex_ai",
        "vertexai": "gcp.vertex_ai",
        "ibm": "ibm.watsonx.ai",
        "watsonx": "ibm.watsonx.ai",
        "mistral": "mistral_ai",
        "mistralai": "mistral_ai",
        "moonshot": "moonshot_ai",
        "moonshotai": "moonshot_ai",
        "x-ai": "x_ai",
        "xai": "x_ai",
        # Vercel's AI SDK names the client's part as well
        "amazon-bedrock": "aws.bedrock",
        "bedrock.anthropic.messages": "aws.bedrock",
        "anthropic.messages": "anthropic",
        "azure.chat": "azure.ai.openai",
        "azure.completion": "azure.ai.openai",
        "azure.embeddings": "azure.ai.openai",
        "azure.responses": "azure.ai.openai",
        "cohere.chat": "cohere",
        "cohere.textembedding": "cohere",
        "deepseek.chat": "deepseek",
        "google.generative-ai": "gcp.gemini",
        "google.vertex": "gcp.vertex_ai",
        "google.vertex.chat": "gcp.vertex_ai",
        "vertex.anthropic.messages": "gcp.vertex_ai",
        "groq.chat": "groq",
        "mistral.chat": "mistral_ai",
        "mistral.embedding": "mistral_ai",
        "moonshotai.chat": "moonshot_ai",
        "openai.chat": "openai",
        "openai.completion": "openai",
        "openai.embedding": "openai",
        "openai.responses": "openai",
        "xai.chat": "x_ai",
        "xai.responses": "x_ai",
    }
)
"""Other spellings, in lower case -> the conventions' name. What is not listed stays, in lower case."""

HOSTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api.anthropic.com": "anthropic",
        "api.deepseek.com": "deepseek",
        "api.groq.com": "groq",
        "api.mistral.ai": "mistral_ai",
        "api.moonshot.ai": "moonshot_ai",
        "api.perplexity.ai": "perplexity",
        "api.x.ai": "x_ai",
        "generativelanguage.googleapis.com": "gcp.gemini",
        "openrouter.ai": "openrouter",
    }
)
"""Who answers at a host. It holds where the instrumentation names no provider, or names `openai` because the client is
OpenAI's: many providers are reached through it, and they bill and count differently."""
