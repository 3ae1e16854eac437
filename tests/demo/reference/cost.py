"""What calls cost, asked of genai-prices one by one."""

import dataclasses
import functools
from collections.abc import Iterable

from genai_prices import Usage, calc_price

from tests.demo.reference.truth import Call


@dataclasses.dataclass(frozen=True)
class Cost:
    """USD of some calls; output whose thinking is unknown is in `unsplit`."""

    input: float = 0.0
    cache: float = 0.0
    thinking: float = 0.0
    answer: float = 0.0
    unsplit: float = 0.0

    @property
    def total(self) -> float:
        return self.input + self.cache + self.thinking + self.answer + self.unsplit

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


def cost(calls: Iterable[Call]) -> Cost:
    """What the calls cost, each at its own time, bucket by bucket."""
    return sum((_cost(c) for c in calls if not c.refused), Cost())


@functools.cache
def _cost(call: Call) -> Cost:
    def price(side: str, **tokens: int) -> float:
        priced = calc_price(
            Usage(**{"input_tokens": call.input_tokens, **tokens}),
            call.model,
            provider_id={"gcp.gemini": "google"}.get(call.provider, call.provider),
            genai_request_timestamp=call.time,
            price_context=None if call.service_tier == "standard" else {"service_tier": call.service_tier},
        )
        return float(getattr(priced, side))

    # all input fresh, to see the rate; the bracket by length is that of the whole input either way
    fresh = call.input_tokens - call.cache_read_tokens - call.cache_write_tokens
    fresh_usd = price("input_price") * fresh / call.input_tokens
    input_usd = price(
        "input_price",
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
        cache_write_1h_tokens=call.cache_write_1h_tokens,
    )
    if call.thinking_tokens is None:
        output_usd = price("output_price", output_tokens=call.output_tokens)
        return Cost(fresh_usd, input_usd - fresh_usd, unsplit=output_usd)
    thought = call.thinking_tokens
    return Cost(
        fresh_usd,
        input_usd - fresh_usd,
        price("output_price", output_tokens=thought, output_reasoning_tokens=thought) if thought else 0.0,
        price("output_price", output_tokens=call.output_tokens - thought) if call.output_tokens > thought else 0.0,
    )
