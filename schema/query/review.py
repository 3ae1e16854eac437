"""The monthly review of a task class: what changed in what thinking costs, what is calibrated, and what to change.

It is made of the same reports as everything else, over a calendar month and the one before it.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.query.advice import advice
from thinkmeter.schema.query.break_even import BreakEven, Gpus, break_even
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.query.report import ReportRow, rfc3339
from thinkmeter.schema.query.repriced import Change, Repriced, Use, compare, reprice

METRICS: Final = ("cpq", "ttr", "escr", "vrate", "overthinking", "routing")


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
            requests = [_requests(row) for row in (last_cost[name], cost)]
            repriced = reprice(uses[last.name].get(name, {}), requests[0], uses[this.name].get(name, {}), requests[1])
        change = compare(before.get(name), next(iter(mine["cpq"]), None), repriced)
        even = break_even([cost], gpus, this.elapsed)
        policy = policies[name or ""]
        reviews.append(
            Review(name, mine, before.get(name), repriced, change, even, advice(mine, policy) + _closing(change, even))
        )
    return MonthlyReview(this, reviews, break_even(found["cost"], gpus, this.elapsed))


def _rows(reader: Reader, metric: str, month: Month, task: str | None, project: str | None) -> list[ReportRow]:
    report = reader.report(metric, since=month.begin, until=month.end, task=task, by="task", project=project)
    return list(report.rows)


def _requests(cost: ReportRow) -> int:
    """Requests that a row of the metric `cost` stands for: its tokens and USD stand for all traffic, sampled or not."""
    return round(cost.detail["requests"] * cost.detail["estimated_calls"] / cost.n) if cost.n else 0


def _uses(reader: Reader, month: Month, task: str | None, project: str | None) -> dict[str | None, dict[str, Use]]:
    """Thinking by task class and model."""
    by = ("task", "provider", "model")
    found: dict[str | None, dict[str, Use]] = {}
    for row in reader.report("cost", since=month.begin, until=month.end, task=task, by=by, project=project).rows:
        use = Use(row.detail["thinking_tokens"], row.detail["thinking_usd"] or 0.0)
        found.setdefault(row.key["task"], {})[f"{row.key['provider']} {row.key['model']}"] = use
    return found


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
