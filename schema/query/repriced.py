"""What changed between two months: thinking cost split into prices, mix and length, and cost of a right answer.

The mix of models is held fixed, so that a change of it does not pass for one of quality (Simpson's paradox).
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Final

from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.statistics import CONFIDENCE
from thinkmeter.schema.query.report import ReportRow

_WIDTH: Final = 2 * 1.959964  # of a 95 % interval, in standard errors
assert CONFIDENCE == 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """Thinking of one model in one month, over calls of role `answer`."""

    tokens: float
    usd: float


@dataclasses.dataclass(frozen=True, slots=True)
class Repriced:
    """Thinking cost per request of two months, and what its change is made of; the effects add up to it.

    Attributes:
        before_usd: per request, last month at last month's prices.
        before_repriced_usd: the same thinking at this month's prices.
        now_usd: per request, this month.
        now_same_mix_usd: this month's length of thinking, spread over the models as last month.
        price_effect_usd: what prices did, at last month's mix and length.
        mix_effect_usd: what another mix of models did, at this month's prices.
        length_effect_usd: what longer or shorter thinking did.
        left_out_token_share: share of this and last month's thinking tokens without a price.
    """

    before_usd: float
    before_repriced_usd: float
    now_usd: float
    now_same_mix_usd: float
    price_effect_usd: float
    mix_effect_usd: float
    length_effect_usd: float
    left_out_token_share: float


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Cost per extra correct answer against last month: same prices, same mix of models.

    Attributes:
        ratio: this month's over last month's; None where either month has no `ok` CPQ.
        low: end of its 95 % interval, from those of both improvements.
        high: its other end.
        state: `ok`, or `insufficient_data`.
    """

    ratio: float | None
    low: float | None
    high: float | None
    state: State
    before_usd: float | None = None
    now_usd: float | None = None


def reprice(
    before: Mapping[str, Use], before_requests: int, now: Mapping[str, Use], now_requests: int
) -> Repriced | None:
    """Thinking cost per request of two months, split into what prices, mix and length did.

    A price is what a model's thinking cost per token in that month; a model that was called in one month alone has its
    price of that month in both.
    """
    priced = [{name: use for name, use in month.items() if use.tokens and use.usd} for month in (before, now)]
    counts = (before_requests, now_requests)
    if not all(priced) or not all(counts):
        return None
    rates = [{name: use.usd / use.tokens for name, use in month.items()} for month in priced]
    old, new = ({**one, **other} for one, other in ((rates[1], rates[0]), (rates[0], rates[1])))
    totals = [sum(use.tokens for use in month.values()) for month in priced]
    shares = [
        {name: use.tokens / total for name, use in month.items()} for month, total in zip(priced, totals, strict=True)
    ]
    lengths = [total / count for total, count in zip(totals, counts, strict=True)]
    at = [
        sum(share * rate[name] for name, share in mix.items())
        for mix, rate in ((shares[0], old), (shares[0], new), (shares[1], new))
    ]
    everything = sum(use.tokens for month in (before, now) for use in month.values())
    return Repriced(
        before_usd=lengths[0] * at[0],
        before_repriced_usd=lengths[0] * at[1],
        now_usd=lengths[1] * at[2],
        now_same_mix_usd=lengths[1] * at[1],
        price_effect_usd=lengths[0] * (at[1] - at[0]),
        mix_effect_usd=lengths[0] * (at[2] - at[1]),
        length_effect_usd=(lengths[1] - lengths[0]) * at[2],
        left_out_token_share=1 - sum(totals) / everything,
    )


def compare(before: ReportRow | None, now: ReportRow | None, repriced: Repriced | None) -> Change:
    """Cost per extra correct answer of both months at this month's prices and last month's mix.

    The interval is that of a ratio of the two improvements, on the logarithmic scale, where each one's interval is
    about symmetric; costs are totals and not estimated.
    """
    improvements = [
        row.detail.get("improvement_pp") if row is not None and row.state == State.OK else None for row in (before, now)
    ]
    if repriced is None or before is None or now is None or None in improvements:
        return Change(None, None, None, State.INSUFFICIENT_DATA)
    gains = [row.detail["improvement_pp"] / 100 for row in (before, now)]
    costs = [repriced.before_repriced_usd / gains[0], repriced.now_same_mix_usd / gains[1]]
    spread = math.hypot(
        *(
            math.log(row.detail["improvement_high_pp"] / row.detail["improvement_low_pp"]) / _WIDTH
            for row in (before, now)
        )
    )
    ratio, factor = costs[1] / costs[0], math.exp(spread * _WIDTH / 2)
    return Change(ratio, ratio / factor, ratio * factor, State.OK, *costs)
