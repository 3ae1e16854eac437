"""Cost of calls, by what it was paid for."""

from typing import Any

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.policy import Policy

BUCKETS = ("input_usd", "cache_usd", "thinking_usd", "answer_usd", "verifier_usd", "router_usd")


def cost(cells: Cells, _: Policy) -> Estimate:
    """Cost of one group of calls, in USD.

    Args:
        cells: rows of `cost.sql`.

    Returns:
        `n` is the number of calls that were seen. Amounts and tokens stand for all traffic: each call by 1 over the
        probability with which it was kept, and `estimated` says whether any was not kept for certain; counts are of
        what was seen, and so is `seen_usd`. The buckets in `detail` add up to `value`: tokens of calls that answer, the
        verifiers' and routers' own calls whole and apart, and `unsplit_usd` for output whose thinking is unknown and
        for amounts that a provider reports without rates.
    """
    buckets = {name: cells.total(name) for name in BUCKETS}
    whole = cells.total("total_usd")
    rest = whole - sum(buckets.values())
    tokens, unpriced_tokens = cells.total("tokens"), cells.total("unpriced_tokens")
    calls = cells.count("calls")
    unpriced, unknown = cells.count("unpriced_calls"), cells.count("unknown_calls")
    detail: dict[str, Any] = {
        **buckets,
        # what remains of a sum of parts is rounding, not money
        "unsplit_usd": rest if rest > 1e-9 * whole else 0.0,
        "partial_usd": cells.total("partial_usd"),
        "seen_usd": cells.total("seen_usd"),
        "estimated": cells.count("sampled_calls") > 0,
        "estimated_calls": round(cells.total("weighted_calls")),
        "requests": cells.count("requests"),
        "answer_calls": cells.count("answer_calls"),
        "input_tokens": round(cells.total("input_tokens_sum")),
        "output_tokens": round(cells.total("output_tokens_sum")),
        "thinking_tokens": round(cells.total("thinking_tokens_sum")),
        "unpriced_calls": unpriced,
        "unpriced_token_share": unpriced_tokens / tokens if tokens else 0.0,
        "unknown_calls": unknown,
        "reported_calls": cells.count("reported_calls"),
    }
    if whole == 0 and unpriced + unknown > 0:
        what = "no price is known" if unpriced else "token counts are missing"
        priceless = dict.fromkeys((*BUCKETS, "unsplit_usd", "seen_usd"))  # no money is known of, which is not 0
        return Estimate.insufficient(calls, f"{what}: {unpriced + unknown} of {calls} calls", {**detail, **priceless})
    return Estimate(whole, None, None, calls, State.OK, detail)
