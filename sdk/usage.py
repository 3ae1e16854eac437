"""What a provider's usage object means: input with cache, output with thinking, unknown apart from zero.

Readers take the object as a dictionary of the provider's own names. Sources: the providers' references, and the
recordings that the tests replay.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any, Final, Literal

from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.asked import at, entry, whole
from thinkmeter.sdk.health import FAULTS

_encode: Final = json.JSONEncoder(separators=(",", ":"), default=str).encode  # made once, not per call
_CORE: Final = "pydantic_core"
Source = Literal["provider", "derived", "missing"]
Raw = dict[str, Any]

TICKS_PER_USD: Final = 1e10
"""xAI counts cost in ticks."""
STANDARD: Final = {"default": "standard", "auto": "standard", "on_demand": "standard"}
"""Providers' other words for the standard service tier."""
TRAFFIC: Final = {"ON_DEMAND": "standard", "ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}
"""Vertex AI's traffic types as service tiers."""


@dataclass(slots=True)
class Usage:
    """Tokens and cost of one call; None: unknown.

    Attributes:
        input: all input, cache read and written included.
        output: all billed output, thinking included.
        thinking: the thinking share of the output.
        source: how `thinking` is known.
        cache_read: part of the input read from cache.
        cache_write: part of the input written to cache.
        cache_write_1h: part of `cache_write` with the long time to live.
        cost_usd: cost that the provider itself reported, in USD.
        service_tier: as billed.
        raw: the provider's object.
    """

    input: int | None = None
    output: int | None = None
    thinking: int | None = None
    source: Source = "missing"
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    cost_usd: float | None = None
    service_tier: str | None = None
    raw: Raw | None = None

    def settle(self, *, thought_nothing: bool, shown: bool = False) -> "Usage":
        """Take what is certain by other means, and give up what cannot be true.

        Args:
            thought_nothing: thinking was switched off, or an API that always shows thinking showed none.
            shown: the reply shows thinking, so that 0 is no count, also where it was switched off: some servers
                do not heed that.
        """
        if self.thinking is None and thought_nothing:
            self.thinking, self.source = 0, "derived"
        if shown and self.thinking == 0:
            FAULTS.odd("thinking shown and counted as 0")
            self.thinking, self.source = None, "missing"
        if self.thinking is not None and self.output is not None and self.thinking > self.output:
            FAULTS.odd("thinking above output")
            self.thinking, self.source = None, "missing"
        return self

    def partial(self) -> "Usage":
        """Give up what an interrupted stream had not told yet: its counts of output so far are not the bill."""
        self.output = self.thinking = None
        self.source = "missing"
        return self

    def attributes(self) -> dict[str, AttributeValue]:
        """The same as span attributes; what is unknown is absent."""
        found: dict[str, AttributeValue] = {names.THINKING_SOURCE: self.source}
        if self.input is not None:
            found[names.INPUT_TOKENS] = self.input
        if self.output is not None:
            found[names.OUTPUT_TOKENS] = self.output
        if self.thinking is not None:
            found[names.REASONING_OUTPUT_TOKENS] = self.thinking
        if self.cache_read is not None:
            found[names.CACHE_READ_INPUT_TOKENS] = self.cache_read
        if self.cache_write is not None:
            found[names.CACHE_WRITE_INPUT_TOKENS] = self.cache_write
        if self.cache_write_1h is not None:
            found[names.CACHE_WRITE_1H_TOKENS] = self.cache_write_1h
        if self.cost_usd is not None:
            found[names.USAGE_COST_USD] = self.cost_usd
        if self.service_tier is not None:
            found[names.SERVICE_TIER] = self.service_tier
        if self.raw:
            found[names.USAGE_RAW] = _text(self.raw)
        return found


def _text(raw: Raw) -> str:
    """A usage object as JSON, by the encoder that most client libraries bring along: a quarter of the time."""
    if (core := sys.modules.get(_CORE)) is not None:
        try:
            return str(core.to_json(raw, fallback=str), "utf-8")
        except ValueError:  # half a surrogate pair, or endless
            pass
    return _encode(raw)


def plain(usage: Any) -> Raw | None:
    """A usage object, pydantic model or dictionary, as a dictionary of the provider's names; None: there is none."""
    if not usage or isinstance(usage, dict):
        return usage or None
    # Only what was sent: some clients put zeros where the provider said nothing.
    try:
        dump = usage.__pydantic_serializer__.to_python  # what `model_dump` calls, less two calls in Python
    except AttributeError:
        dump = getattr(usage, "model_dump", None)
        if dump is None:  # pydantic 1
            return usage.dict(exclude_none=True, exclude_unset=True) or None
        return dump(mode="json", exclude_none=True, exclude_unset=True, by_alias=True, warnings=False) or None
    return dump(usage, mode="json", exclude_none=True, exclude_unset=True, by_alias=True, warnings=False) or None


def billed_tier(word: Any) -> str | None:
    """A service tier in one spelling."""
    return STANDARD.get(word, word) if isinstance(word, str) and word else None


def chat_usage(raw: Raw, *, thinking_apart: bool = False, thinking_untold: bool = False, costs: bool = False) -> Usage:
    """OpenAI chat completions and everything compatible.

    Args:
        raw: the usage object.
        thinking_apart: this endpoint counts thinking outside of `completion_tokens` (xAI); a total, where there is one,
            decides instead.
        thinking_untold: this endpoint counts thinking in the total alone (Gemini's compatible endpoint).
        costs: a `cost` that this endpoint names is one in USD.
    """
    prompt, completion = whole(raw.get("prompt_tokens")), whole(raw.get("completion_tokens"))
    total = whole(raw.get("total_tokens"))
    details = raw.get("completion_tokens_details")
    thinking = whole(entry(details, "reasoning_tokens")) if details else None
    if thinking is None:
        thinking = whole(raw.get("reasoning_tokens"))
    usage = Usage(prompt, completion, thinking, "missing" if thinking is None else "provider", raw=raw)
    if prompt is not None and completion is not None:
        if thinking and (prompt + completion + thinking == total or (thinking_apart and total is None)):
            usage.output = completion + thinking
        elif thinking is None and thinking_untold and total is not None and total >= prompt + completion:
            usage.thinking, usage.source = total - prompt - completion, "derived"
            usage.output = total - prompt
    details = raw.get("prompt_tokens_details")
    if details:
        usage.cache_read = whole(entry(details, "cached_tokens"))
        usage.cache_write = whole(entry(details, "cache_write_tokens"))
    if usage.cache_read is None:
        usage.cache_read = whole(raw.get("prompt_cache_hit_tokens"))
    if costs:
        usage.cost_usd = _reported_cost_usd(raw)
    return usage


def responses_usage(raw: Raw) -> Usage:
    """OpenAI Responses."""
    thinking = whole(at(raw, ("output_tokens_details", "reasoning_tokens")))
    return Usage(
        whole(raw.get("input_tokens")),
        whole(raw.get("output_tokens")),
        thinking,
        "missing" if thinking is None else "provider",
        whole(at(raw, ("input_tokens_details", "cached_tokens"))),
        whole(at(raw, ("input_tokens_details", "cache_write_tokens"))),
        raw=raw,
    )


def messages_usage(raw: Raw) -> Usage:
    """Anthropic Messages: input, cache read and cache write are disjoint, and summed here."""
    read, written = whole(raw.get("cache_read_input_tokens")), whole(raw.get("cache_creation_input_tokens"))
    fresh = whole(raw.get("input_tokens"))
    thinking = whole(at(raw, ("output_tokens_details", "thinking_tokens")))
    return Usage(
        None if fresh is None else fresh + (read or 0) + (written or 0),
        whole(raw.get("output_tokens")),
        thinking,
        "missing" if thinking is None else "provider",
        read,
        written,
        whole(at(raw, ("cache_creation", "ephemeral_1h_input_tokens"))),
        service_tier="fast" if raw.get("speed") == "fast" else billed_tier(raw.get("service_tier")),
        raw=raw,
    )


def other_models(raw: Raw) -> list[tuple[str | None, Usage]]:
    """Inferences that Anthropic made within one message and bills beside its totals: advisors and compaction.

    Returns:
        Model (None: the message's own) and usage of each.
    """
    listed = raw.get("iterations")
    iterations = [i for i in listed if isinstance(i, dict)] if isinstance(listed, list) else []
    apart = [i for i in iterations if i.get("type") in ("advisor_message", "compaction")]
    summed = sum(whole(i.get("output_tokens")) or 0 for i in iterations)
    if not apart or summed == whole(raw.get("output_tokens")):  # the totals hold them after all
        return []
    return [(entry(iteration, "model"), messages_usage(iteration)) for iteration in apart]


def gemini_usage(raw: Raw) -> Usage:
    """Gemini generate_content: thoughts stand beside candidates, and the use of tools beside the prompt.

    The API omits zeros. Where the total is the sum of the other counts, absent thoughts are therefore 0.
    """
    prompt, candidates = whole(raw.get("promptTokenCount")), whole(raw.get("candidatesTokenCount"))
    tools, total = whole(raw.get("toolUsePromptTokenCount")) or 0, whole(raw.get("totalTokenCount"))
    thoughts = whole(raw.get("thoughtsTokenCount"))
    source: Source = "missing" if thoughts is None else "provider"
    if thoughts is None and prompt is not None and prompt + tools + (candidates or 0) == total:
        thoughts, source = 0, "derived"
    output = None if candidates is None and thoughts is None else (candidates or 0) + (thoughts or 0)
    return Usage(
        None if prompt is None else prompt + tools,
        output,
        thoughts,
        source,
        whole(raw.get("cachedContentTokenCount")) or (0 if prompt is not None else None),
        service_tier=billed_tier(raw.get("serviceTier")) or TRAFFIC.get(str(raw.get("trafficType"))),
        raw=raw,
    )


def interactions_usage(raw: Raw) -> Usage:
    """Gemini interactions: as generate_content, by other names."""
    same = {
        "promptTokenCount": "total_input_tokens",
        "candidatesTokenCount": "total_output_tokens",
        "thoughtsTokenCount": "total_thought_tokens",
        "toolUsePromptTokenCount": "total_tool_use_tokens",
        "cachedContentTokenCount": "total_cached_tokens",
        "totalTokenCount": "total_tokens",
    }
    usage = gemini_usage({name: raw.get(theirs) for name, theirs in same.items()})
    usage.raw = raw
    return usage


def converse_usage(raw: Raw) -> Usage:
    """Bedrock Converse: input, cache read and cache write are disjoint; Claude's count of thinking is on request."""
    read, written = whole(raw.get("cacheReadInputTokens")), whole(raw.get("cacheWriteInputTokens"))
    fresh = whole(raw.get("inputTokens"))
    thinking = whole(at(raw, ("output_tokens_details", "thinking_tokens")))
    details = raw.get("cacheDetails") or ()
    long = [whole(entry(part, "inputTokens")) or 0 for part in details if entry(part, "ttl") == "1h"]
    return Usage(
        None if fresh is None else fresh + (read or 0) + (written or 0),
        whole(raw.get("outputTokens")),
        thinking,
        "missing" if thinking is None else "provider",
        read,
        written,
        sum(long) if long else None,
        raw=raw,
    )


def invocation_usage(raw: Raw) -> Usage:
    """Bedrock's own counts of an invocation, beside the body: they say nothing of thinking."""
    read, written = whole(raw.get("cacheReadInputTokenCount")), whole(raw.get("cacheWriteInputTokenCount"))
    fresh = whole(raw.get("inputTokenCount"))
    whole_input = None if fresh is None else fresh + (read or 0) + (written or 0)
    return Usage(whole_input, whole(raw.get("outputTokenCount")), cache_read=read, cache_write=written, raw=raw)


def _reported_cost_usd(raw: Raw) -> float | None:
    """What the provider says the call cost, in USD: OpenRouter, Perplexity, xAI."""
    cost, ticks = raw.get("cost"), raw.get("cost_in_usd_ticks")
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        # With a key of one's own, OpenRouter's `cost` is its fee alone.
        upstream = at(raw, ("cost_details", "upstream_inference_cost")) if raw.get("is_byok") else None
        return float(cost) + (float(upstream) if isinstance(upstream, int | float) else 0.0)
    return float(ticks) / TICKS_PER_USD if isinstance(ticks, int | str) and str(ticks).isdecimal() else None
