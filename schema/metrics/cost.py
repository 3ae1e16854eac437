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
        `n` is the number of calls. The buckets in `detail` add up to `value`: tokens of calls that answer, the
        verifiers' and routers' own calls whole and apart, and `unsplit_usd` for output whose thinking is unknown and
        for amounts that a provider reports without rates.
    """
    buckets = {name: cells.total(name) for name in BUCKETS}
    whole = cells.total("total_usd")
    rest = whole - sum(buckets.values())
    tokens, unpriced_tokens = cells.count("tokens"), cells.count("unpriced_tokens")
    calls = cells.count("calls")
    unpriced, unknown = cells.count("unpriced_calls"), cells.count("unknown_calls")
    detail: dict[str, Any] = {
        **buckets,
        # what remains of a sum of parts is rounding, not money
        "unsplit_usd": rest if rest > 1e-9 * whole else 0.0,
        "partial_usd": cells.total("partial_usd"),
        "requests": cells.count("requests"),
        "answer_calls": cells.count("answer_calls"),
        "input_tokens": cells.count("input_tokens_sum"),
        "output_tokens": cells.count("output_tokens_sum"),
        "thinking_tokens": cells.count("thinking_tokens_sum"),
        "unpriced_calls": unpriced,
        "unpriced_token_share": unpriced_tokens / tokens if tokens else 0.0,
        "unknown_calls": unknown,
        "reported_calls": cells.count("reported_calls"),
    }
    if whole == 0 and unpriced + unknown > 0:
        what = "no price is known" if unpriced else "token counts are missing"
        priceless = dict.fromkeys((*BUCKETS, "unsplit_usd"))  # no money is known of, which is not 0
        return Estimate.insufficient(calls, f"{what}: {unpriced + unknown} of {calls} calls", {**detail, **priceless})
    return Estimate(whole, None, None, calls, State.OK, detail)
