"""Break-even of self-hosting: hardware of one's own against what the providers charged.

It is taken for granted that a model of one's own answers as well and writes as many tokens, and that its hardware is
rented for all hours; what running it takes besides is not in it.
"""

import dataclasses
from collections.abc import Iterable
from typing import Final

from thinkmeter.schema.metrics.wording import tokens, usd
from thinkmeter.schema.query.report import ReportRow

HOUR_S: Final = 3600
MONTH_H: Final = 730
"""Hours of a month, on average."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gpus:
    """Hardware of one's own, that would answer instead.

    Attributes:
        hour_usd: of one GPU.
        count: how many serve the model.
        output_tokens_per_second: of all together.
    """

    hour_usd: float
    count: int
    output_tokens_per_second: float


@dataclasses.dataclass(frozen=True, slots=True)
class BreakEven:
    """Hardware of one's own against what the providers charged; per month of 730 hours.

    Attributes:
        rent_usd: of the hardware, busy or not.
        billed_usd: what the providers charged, scaled to a whole month; calls without a price are not in it.
        output_tokens: of a whole month.
        capacity_tokens: what the hardware writes in a month at most.
        break_even_tokens: output tokens a month from which the rent is less than the bill; None: nothing is billed.
        pays: whether the month is above it, and below the capacity.
    """

    rent_usd: float
    billed_usd: float
    output_tokens: float
    capacity_tokens: float
    break_even_tokens: float | None
    pays: bool

    @property
    def said(self) -> str:
        """The same in a sentence."""
        if self.break_even_tokens is None:
            return "nothing was billed, so there is nothing to save"
        said = (
            f"{usd(self.rent_usd)} a month against {usd(self.billed_usd)} billed; it pays from "
            f"{tokens(self.break_even_tokens)} output tokens a month on (now {tokens(self.output_tokens)})"
        )
        if self.break_even_tokens > self.capacity_tokens:
            return f"{said}, which is more than it can write ({tokens(self.capacity_tokens)}): it never pays"
        if self.output_tokens > self.capacity_tokens:
            return f"{said}, but it can write {tokens(self.capacity_tokens)} alone: it takes more hardware"
        return f"{said}: {'it pays' if self.pays else 'it does not pay'}"


def break_even(costs: Iterable[ReportRow], gpus: Gpus | None, elapsed: float) -> BreakEven | None:
    """Weigh hardware against what was billed.

    Args:
        costs: rows of the metric `cost` of one month.
        gpus: None where none was named.
        elapsed: share of the month that they speak of.
    """
    rows = list(costs)
    if gpus is None or not rows:
        return None
    billed = sum(row.value or 0.0 for row in rows) / elapsed
    output = sum(row.detail["output_tokens"] for row in rows) / elapsed
    rent = gpus.hour_usd * gpus.count * MONTH_H
    capacity = gpus.output_tokens_per_second * HOUR_S * MONTH_H
    needed = rent * output / billed if billed > 0 else None
    return BreakEven(rent, billed, output, capacity, needed, needed is not None and needed <= output <= capacity)
