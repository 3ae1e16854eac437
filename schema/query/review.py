"""The monthly review of a task class: what changed in what thinking costs, what is calibrated, and what to change.

It is made of the same reports as everything else, over a calendar month and the one before it.
"""

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.statistics import CONFIDENCE
from thinkmeter.schema.query.advice import advice
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.query.report import ReportRow, rfc3339

METRICS: Final = ("cpq", "ttr", "escr", "vrate", "overthinking", "routing")
HOUR_S: Final = 3600
MONTH_H: Final = 730
"""Hours of a month, on average."""
_WIDTH: Final = 2 * 1.959964  # of a 95 % interval, in standard errors
assert CONFIDENCE == 0.95


@dataclasses.dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of the project's time zone, up to now where it is not over.

    Attributes:
        begin: its first instant.
        end: its end, or the instant up to which it is looked at.
        name: `2026-10`.
        elapsed: share of the month that lies behind `end`.
    """

    begin: dt.datetime
    end: dt.datetime
    name: str
    elapsed: float

    @classmethod
    def of(cls, name: str, zone: ZoneInfo, now: dt.datetime) -> "Month":
        """The month of that name.

        Raises:
            ThinkmeterError: it is no month, or has not begun.
        """
        try:
            begin = dt.datetime.strptime(name, "%Y-%m").replace(tzinfo=zone)
        except ValueError:
            raise ThinkmeterError(f"{name!r} is no month, as in 2026-10") from None
        if begin >= now:
            raise ThinkmeterError(f"{name} has not begun yet")
        end = (begin + dt.timedelta(days=32)).replace(day=1)
        seen = min(end, now)
        return cls(begin, seen, f"{begin:%Y-%m}", (seen - begin) / (end - begin))

    def before(self) -> "Month":
        """The month before, whole."""
        begin = (self.begin - dt.timedelta(days=1)).replace(day=1)
        return Month(begin, self.begin, f"{begin:%Y-%m}", 1.0)


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


@dataclasses.dataclass(frozen=True, slots=True)
class Review:
    """One task class in one month.

    Attributes:
        task: None where the task is not known.
        now: metric -> its rows of this month; several for `vrate`, one a verifier and version.
        before: CPQ's row of last month; None where there is none.
        repriced: None where a month has no thinking with a price.
        break_even: None where no hardware was named.
        advice: what to change, a sentence each, with the numbers it rests on.
    """

    task: str | None
    now: Mapping[str, Sequence[ReportRow]]
    before: ReportRow | None
    repriced: Repriced | None
    change: Change
    break_even: BreakEven | None
    advice: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        reports = {
            name: [{**dataclasses.asdict(row), "state": row.state.value} for row in rows]
            for name, rows in self.now.items()
        }
        return {
            "task": self.task,
            "metrics": reports,
            "cpq_before": None
            if self.before is None
            else {**dataclasses.asdict(self.before), "state": self.before.state.value},
            "repriced": None if self.repriced is None else dataclasses.asdict(self.repriced),
            "change": {**dataclasses.asdict(self.change), "state": self.change.state.value},
            "break_even": None if self.break_even is None else dataclasses.asdict(self.break_even),
            "advice": list(self.advice),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class MonthlyReview:
    """Every task class of a month; `whole` is the break-even of all of them together."""

    month: Month
    reviews: Sequence[Review]
    whole: BreakEven | None

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "month": self.month.name,
            "since": rfc3339(self.month.begin),
            "until": rfc3339(self.month.end),
            "break_even": None if self.whole is None else dataclasses.asdict(self.whole),
            "tasks": [review.as_json() for review in self.reviews],
        }


def review(
    reader: Reader,
    month: str | None = None,
    *,
    task: str | None = None,
    project: str | None = "default",
    gpus: Gpus | None = None,
) -> MonthlyReview:
    """Review a month, task class by task class.

    Args:
        reader: of the store.
        month: `2026-10`; None: the month that runs.
        task: only this task class.
        project: None for all.
        gpus: hardware for the break-even.

    Raises:
        ThinkmeterError: there is no such month.
    """
    now, zone = reader.freshness().as_of, reader.timezone()
    this = Month.of(month or f"{now.astimezone(zone):%Y-%m}", zone, now)
    last = this.before()
    found = {name: _rows(reader, name, this, task, project) for name in (*METRICS, "cost")}
    before = {row.key["task"]: row for row in _rows(reader, "cpq", last, task, project)}
    uses = {one.name: _uses(reader, one, task, project) for one in (this, last)}
    last_cost = {row.key["task"]: row for row in _rows(reader, "cost", last, task, project)}
    policies = reader.policies()
    reviews = []
    for cost in found["cost"]:
        name = cost.key["task"]
        mine = {metric: [row for row in found[metric] if row.key["task"] == name] for metric in METRICS}
        repriced = None
        if name in last_cost:
            requests = [row.detail["requests"] for row in (last_cost[name], cost)]
            repriced = reprice(uses[last.name].get(name, {}), requests[0], uses[this.name].get(name, {}), requests[1])
        change = compare(before.get(name), next(iter(mine["cpq"]), None), repriced)
        even = _break_even([cost], gpus, this)
        policy = policies[name or ""]
        reviews.append(
            Review(name, mine, before.get(name), repriced, change, even, advice(mine, policy) + _closing(change, even))
        )
    return MonthlyReview(this, reviews, _break_even(found["cost"], gpus, this))


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


def _rows(reader: Reader, metric: str, month: Month, task: str | None, project: str | None) -> list[ReportRow]:
    report = reader.report(metric, since=month.begin, until=month.end, task=task, by="task", project=project)
    return list(report.rows)


def _uses(reader: Reader, month: Month, task: str | None, project: str | None) -> dict[str | None, dict[str, Use]]:
    """Thinking by task class and model."""
    by = ("task", "provider", "model")
    found: dict[str | None, dict[str, Use]] = {}
    for row in reader.report("cost", since=month.begin, until=month.end, task=task, by=by, project=project).rows:
        use = Use(row.detail["thinking_tokens"], row.detail["thinking_usd"] or 0.0)
        found.setdefault(row.key["task"], {})[f"{row.key['provider']} {row.key['model']}"] = use
    return found


def _break_even(costs: Iterable[ReportRow], gpus: Gpus | None, month: Month) -> BreakEven | None:
    rows = list(costs)
    if gpus is None or not rows:
        return None
    billed = sum(row.value or 0.0 for row in rows) / month.elapsed
    output = sum(row.detail["output_tokens"] for row in rows) / month.elapsed
    rent = gpus.hour_usd * gpus.count * MONTH_H
    capacity = gpus.output_tokens_per_second * HOUR_S * MONTH_H
    needed = rent * output / billed if billed > 0 else None
    return BreakEven(rent, billed, output, capacity, needed, needed is not None and needed <= output <= capacity)


def _closing(change: Change, even: BreakEven | None) -> list[str]:
    told = []
    if change.ratio is not None and change.low is not None and change.high is not None:
        said = f"{change.ratio:.2f} times last month's ({change.low:.2f} to {change.high:.2f})"
        if change.low > 1:
            told.append(
                f"One more correct answer costs {said} at the same prices and mix of models: thinking pays less."
            )
        elif change.high < 1:
            told.append(
                f"One more correct answer costs {said} at the same prices and mix of models: thinking pays more."
            )
    if even is not None and even.pays:
        told.append(
            f"A model of your own that answers as well would cost ${even.rent_usd:,.0f} a month where providers charge "
            f"${even.billed_usd:,.0f}, for {even.output_tokens:,.0f} output tokens."
        )
    return told
