"""Who answers at an address: the provider behind a client's base URL, and how that provider departs from the rule."""

import fnmatch
import functools
import ipaddress
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of one host.

    Attributes:
        provider: name by the GenAI conventions, where they have one.
        takes_stream_usage: whether `stream_options` may be sent; some refuse it, or send usage without.
        thinking_apart: thinking is counted outside of `completion_tokens`.
        thinking_untold: thinking is counted in `total_tokens` alone.
        costs: a cost in the usage object is one in USD.
    """

    provider: str
    takes_stream_usage: bool = True
    thinking_apart: bool = False
    thinking_untold: bool = False
    costs: bool = False


HOSTS: Final = {
    "anthropic.com": Endpoint("anthropic"),
    "claude.googleapis.com": Endpoint("anthropic"),
    "openai.com": Endpoint("openai"),
    "openai.azure.com": Endpoint("azure.ai.openai"),
    "cognitiveservices.azure.com": Endpoint("azure.ai.openai"),
    "azure-api.net": Endpoint("azure.ai.openai"),
    "ai.azure.com": Endpoint("azure.ai.inference"),
    "amazonaws.com": Endpoint("aws.bedrock"),
    "api.aws": Endpoint("aws.bedrock"),
    "generativelanguage.googleapis.com": Endpoint("gcp.gemini", thinking_untold=True),
    "aiplatform.googleapis.com": Endpoint("gcp.vertex_ai", thinking_untold=True),
    "api.deepseek.com": Endpoint("deepseek"),
    "x.ai": Endpoint("x_ai", thinking_apart=True, costs=True),
    "groq.com": Endpoint("groq", takes_stream_usage=False),
    "mistral.ai": Endpoint("mistral_ai", takes_stream_usage=False),
    "openrouter.ai": Endpoint("openrouter", costs=True),
    "perplexity.ai": Endpoint("perplexity", takes_stream_usage=False, costs=True),
    "moonshot.ai": Endpoint("moonshot_ai"),
    "moonshot.cn": Endpoint("moonshot_ai"),
    "cohere.ai": Endpoint("cohere", takes_stream_usage=False),
    "cohere.com": Endpoint("cohere", takes_stream_usage=False),
    "together.xyz": Endpoint("together"),
    "together.ai": Endpoint("together"),
    "fireworks.ai": Endpoint("fireworks"),
    "cerebras.ai": Endpoint("cerebras"),
    "aliyuncs.com": Endpoint("alibaba"),
    "z.ai": Endpoint("zai"),
    "bigmodel.cn": Endpoint("zhipuai"),
    "minimax.io": Endpoint("minimax"),
    "minimaxi.com": Endpoint("minimax"),
    "novita.ai": Endpoint("novita"),
    "githubcopilot.com": Endpoint("github-copilot"),
    "huggingface.co": Endpoint("huggingface"),
    "nvidia.com": Endpoint("nvidia"),
}
"""Domain, with everything below it -> endpoint; the longest that fits counts."""

FAMILIES: Final = {
    "claude-*": Endpoint("anthropic"),
    "gpt-oss*": None,
    "gpt-*": Endpoint("openai"),
    "chatgpt-*": Endpoint("openai"),
    "o[1-9]": Endpoint("openai"),
    "o[1-9]-*": Endpoint("openai"),
    "gemini-*": Endpoint("gcp.gemini", thinking_untold=True),
    "grok-*": Endpoint("x_ai", thinking_apart=True),
    "deepseek-chat": Endpoint("deepseek"),
    "deepseek-reasoner": Endpoint("deepseek"),
}
"""Models that one provider alone serves -> that provider: what a gateway at an unknown address stands before."""

SELF_HOSTED: Final = Endpoint("self_hosted")
"""A model of one's own: at an address of this machine or network."""


CLIENTS: Final = {
    "Azure": Endpoint("azure.ai.openai"),
    "Bedrock": Endpoint("aws.bedrock"),
    "Vertex": Endpoint("gcp.vertex_ai"),
    "Foundry": Endpoint("azure.ai.inference"),
    "Groq": HOSTS["groq.com"],
    "Mistral": HOSTS["mistral.ai"],
    "Gemini": HOSTS["generativelanguage.googleapis.com"],
}
"""Part of a client's class name -> endpoint, where the address is the user's own."""

OWN: Final = {name: Endpoint("anthropic") for name in ("AnthropicAWS", "AsyncAnthropicAWS")}
"""Client's class -> endpoint, whatever the address: a provider's own platform, at a cloud's."""


@functools.lru_cache(maxsize=1024)
def endpoint_of(host: str, model: str, client: str = "") -> Endpoint:
    """The endpoint behind a host name; at an unknown one, the client's class or the model may tell."""
    if client in OWN:
        return OWN[client]
    labels = host.lower().rstrip(".").split(".")
    for start in range(len(labels)):
        known = HOSTS.get(".".join(labels[start:]))
        if known is not None:
            return known
    for part, endpoint in CLIENTS.items():
        if part in client:
            return endpoint
    name = model.rpartition("/")[2].lower()
    for glob, family in FAMILIES.items():
        if fnmatch.fnmatchcase(name, glob):
            if family is not None:
                return family
            break
    return SELF_HOSTED if _is_near(host) else Endpoint(host)


def _is_near(host: str) -> bool:
    """Whether an address belongs to this machine or a private network."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost", ".svc"))
