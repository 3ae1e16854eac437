"""Secrets in recorded content: taken out by pattern before anything leaves the process."""

import re
from collections.abc import Iterable
from typing import Any, Final

from thinkmeter.sdk.health import warn

REDACTED: Final = "[REDACTED]"
SECRETS: Final = (
    (("-----begin ",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    # OpenAI, Anthropic, OpenRouter, Stripe
    (("sk-", "sk_", "pk-", "pk_", "rk_"), r"(?<![A-Za-z])(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}"),
    # Groq, xAI, Hugging Face, Replicate, NVIDIA, Perplexity, GitLab
    (
        ("gsk_", "xai-", "hf_", "r8_", "nvapi-", "pplx-", "glpat-"),
        r"(?<![A-Za-z])(?:gsk|xai|hf|r8|nvapi|pplx|glpat)[-_][A-Za-z0-9_-]{16,}",
    ),
    (("aiza",), r"\bAIza[A-Za-z0-9_-]{30,}"),  # Google
    (("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # AWS
    (("gh", "github_pat_"), r"\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{20,}"),
    (("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
    (("eyj",), r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),  # JSON web tokens
    (("bearer", "basic"), r"(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/-]{12,}=*"),
    (("://",), r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"),  # user:password@ of an address
    # a value after a name that says what it is, as in `password=...` or `"api_key": "..."`
    (
        ("password", "passwd", "secret", "api_key", "api-key", "apikey", "access_token", "auth_token"),
        r"(?i:(?<=password)|(?<=passwd)|(?<=secret)|(?<=api_key)|(?<=api-key)|(?<=apikey)|(?<=access_token)|(?<=auth_token))"
        r"\\?[\"']?\s*[:=]\s*\\?[\"']?[^\s\"'\\,;}]{4,}",
    ),
)
"""Always taken out: patterns, each with texts in lower case without one of which it need not be looked for."""
NAMED: Final = {
    "emails": r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
    "phone_numbers": r"(?<!\w)\+\d(?:[ ()/-]?\d){7,14}\b",
    "card_numbers": r"\b\d(?:[ -]?\d){12,18}\b",
}
"""Taken out where `redact` names them."""
SECRET_NAMES: Final = re.compile(
    r"(?i)(?:^|[_-])(?:password|passwd|secret|api[_-]?key|token|authorization|credentials?)$|(?<=[a-z])(?:Password|Secret|Token|ApiKey)$"
)
"""Names of members whose text is a secret, whatever it looks like."""


def usable(name: str, patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns that can be used: names of `NAMED`, or regular expressions; what is neither is logged."""
    found = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            warn("%s: %r is no regular expression (%s); it is ignored", name, pattern, error)
        else:
            found.append(NAMED.get(pattern, pattern))
    return tuple(filter(None, found))


_SECRETS: Final = tuple((hints, re.compile(pattern)) for hints, pattern in SECRETS)


def redacted(node: Any, patterns: tuple[str, ...] = ()) -> Any:
    """A copy of parts or messages without secrets in any of their texts."""
    if isinstance(node, str):
        lower = node.lower()
        for hints, secret in _SECRETS:
            if any(hint in lower for hint in hints):
                node = secret.sub(REDACTED, node)
        for pattern in patterns:
            node = re.sub(pattern, REDACTED, node)
        return node
    if isinstance(node, dict):
        return {
            name: REDACTED
            if isinstance(name, str) and isinstance(value, str) and value and SECRET_NAMES.search(name)
            else redacted(value, patterns)
            for name, value in node.items()
        }
    return [redacted(item, patterns) for item in node] if isinstance(node, list | tuple) else node
