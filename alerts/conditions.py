"""What a rule on a metric says of a report's rows, pure: whether its condition holds, is over, or nothing is known.

A condition holds where the numbers leave no doubt: where there is an interval, its near end lies beyond the limit. It
is over once the value itself is back. Between the two, and where there are too few data, what was said stands.
"""

import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any, Final

from thinkmeter.alerts.settings import RuleSettings
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics import wording
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.query.report import ReportRow

LIMITS: Final = {"escr": "target", "vrate": "target", "quota": "limit_tokens", "forecast": "budget_usd"}
"""Where a metric's report names the limit that the configuration has for it."""
MIN_LABELS: Final = 30
"""Of each of two windows, for saying whether accuracy rose."""


class Holds(Enum):
    """Whether a condition holds."""

    YES = "yes"
    NO = "no"
    DOUBTFUL = "doubtful"
    UNKNOWN = "unknown"
    """There are too few data, or there is no limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a rule saw of one group.

    Attributes:
        key: what the group is told apart by.
        holds: whether the condition holds.
        value: the number that was looked at; known unless `holds` is `UNKNOWN`, and so is `limit`.
        limit: what it was compared with.
        n: size of the sample.
        said: the same in a sentence.
        before: value of the time before, where it is a change that is watched.
        before_n: its sample.
        low: lower end of the value's interval, where it has one.
        high: its upper end.
    """

    key: Mapping[str, Any]
    holds: Holds
    value: float | None
    limit: float | None
    n: int
    said: str
    before: float | None = None
    before_n: int = 0
    low: float | None = None
    high: float | None = None


def against_limit(rule: RuleSettings, row: ReportRow) -> Reading:
    """Compare a row with the limit of the rule, or of the configuration.

    Raises:
        ThinkmeterError: the metric has no such number.
    """
    found = _number(rule, row)
    limit, is_upper = _limit(rule, row)
    if found is None:
        return unknown(rule, row.key, _why(row), n=row.n, limit=limit)
    value, low, high = found
    if limit is None:
        none_set = "no limit is set for it"
        return dataclasses.replace(unknown(rule, row.key, none_set, n=row.n), value=value, low=low, high=high)
    near = low if is_upper else high
    # a forecast's band is what its errors were, so that waiting for all of it is waiting for the end of the month
    certain = near is not None and rule.metric != "forecast"
    beyond = _beyond(near if certain and near is not None else value, limit, is_upper)
    holds = Holds.YES if beyond else Holds.DOUBTFUL if _beyond(value, limit, is_upper) else Holds.NO
    written = written_by(rule)
    said = (
        f"{what(rule)}{of(row.key)} is {written(value)}{_interval(rule, low, high)}, n = {row.n:,}, "
        f"{_stands(value, limit, is_upper)} {written(limit)}{_whose_limit(rule)}"
    )
    if row.detail.get("estimated"):
        said += "; estimated from sampled traffic"
    return Reading(row.key, holds, value, limit, row.n, said, low=low, high=high)


def unknown(rule: RuleSettings, key: Mapping[str, Any], why: str, n: int = 0, limit: float | None = None) -> Reading:
    """What is seen of a group of which nothing can be said."""
    return Reading(key, Holds.UNKNOWN, None, limit, n, f"{what(rule)}{of(key)} is not known: {why}")


def against_before(
    rule: RuleSettings, now: ReportRow, before: ReportRow, accuracy: tuple[ReportRow | None, ReportRow | None]
) -> Reading:
    """Compare a row with that of the time before; nothing is known where either has no value.

    The interval of the ratio (TTR) or the difference (shares) is made of both rows' intervals by the method of variance
    estimates recovery (Zou and Donner, "Construction of confidence limits about effect measures", 2008).

    Args:
        rule: with `rises` or `falls`.
        now: of the window.
        before: of the time before it.
        accuracy: now and before; for TTR, which counts only where accuracy did not rise.
    """
    for row, when in ((now, "now"), (before, "before")):
        if row.state is not State.OK or row.low is None or row.high is None:
            return unknown(rule, now.key, f"{when}, {_why(row)}", n=now.n)
    is_ratio, is_rise = rule.metric == "ttr", rule.rises is not None
    wanted = rule.rises if rule.rises is not None else rule.falls
    assert wanted is not None
    mine, theirs = _ends(now, is_ratio=is_ratio), _ends(before, is_ratio=is_ratio)
    if mine is None or theirs is None:
        return unknown(rule, now.key, "next to nothing is thought, of which no change can be told", n=now.n)
    (low, value, high), (low_before, value_before, high_before) = mine, theirs
    change = value - value_before
    sign = 1 if is_rise else -1
    doubt = math.hypot(
        *((value - low, high_before - value_before) if is_rise else (high - value, value_before - low_before))
    )
    size = sign * (math.expm1(change) if is_ratio else change)
    holds = Holds.NO if size < wanted else Holds.YES if sign * change - doubt > 0 else Holds.DOUBTFUL
    assert now.value is not None
    assert before.value is not None
    written = written_by(rule)
    moved = f"{'+' if change >= 0 else ''}{100 * math.expm1(change):.1f}%" if is_ratio else wording.points(100 * change)
    said = (
        f"{what(rule)}{of(now.key)} is {written(now.value)}{_interval(rule, now.low, now.high)}, n = {now.n:,}; "
        f"before it was {written(before.value)}{_interval(rule, before.low, before.high)}, n = {before.n:,} ({moved})"
    )
    if rule.metric == "ttr" and is_rise:
        rose, told = _accuracy_rose(*accuracy)
        said += f"; {told}"
        if rose and holds is not Holds.NO:
            holds = Holds.NO
    limit = before.value * (1 + sign * wanted) if is_ratio else before.value + sign * wanted
    return Reading(now.key, holds, now.value, limit, now.n, said, before.value, before.n, now.low, now.high)


def _accuracy_rose(now: ReportRow | None, before: ReportRow | None) -> tuple[bool, str]:
    counts = [0 if row is None else row.n for row in (now, before)]
    if now is None or before is None or min(counts) < MIN_LABELS or now.value is None or before.value is None:
        return False, (
            f"whether accuracy rose with it is not known: {counts[0]} and {counts[1]} labels of {MIN_LABELS} each"
        )
    assert now.low is not None
    assert before.high is not None
    change = now.value - before.value
    rose = change > math.hypot(now.value - now.low, before.high - before.value)
    told = f"accuracy {wording.rate(before.value)} to {wording.rate(now.value)}, {wording.points(100 * change)}"
    return rose, f"{told} over {counts[0]:,} and {counts[1]:,} labels: {'it rose' if rose else 'no rise is shown'}"


def _why(row: ReportRow) -> str:
    """Why a row has no value that could be compared."""
    return str(row.detail.get("reason") or f"n = {row.n:,}, {wording.state(row.state, row.detail)}")


def _ends(row: ReportRow, *, is_ratio: bool) -> tuple[float, float, float] | None:
    assert row.low is not None
    assert row.value is not None
    assert row.high is not None
    if not is_ratio:
        return row.low, row.value, row.high
    if row.low <= 0:
        return None
    return math.log(row.low), math.log(row.value), math.log(row.high)


def _number(rule: RuleSettings, row: ReportRow) -> tuple[float, float | None, float | None] | None:
    if rule.field == "value":
        return None if row.value is None else (row.value, row.low, row.high)
    if rule.field not in row.detail:
        if row.state is State.INSUFFICIENT_DATA:
            return None
        known = [
            name for name, part in row.detail.items() if isinstance(part, int | float) and not isinstance(part, bool)
        ]
        raise ThinkmeterError(
            f"rule {rule.name!r}: {rule.metric} has no {rule.field!r}, only value, {', '.join(known)}"
        )
    found = row.detail[rule.field]
    if found is not None and (isinstance(found, bool) or not isinstance(found, int | float)):
        raise ThinkmeterError(f"rule {rule.name!r}: {rule.field!r} of {rule.metric} is no number")
    return None if found is None else (found, row.detail.get(f"{rule.field}_low"), row.detail.get(f"{rule.field}_high"))


def _limit(rule: RuleSettings, row: ReportRow) -> tuple[float | None, bool]:
    if rule.above is not None or rule.below is not None:
        return (rule.above, True) if rule.above is not None else (rule.below, False)
    return row.detail.get(LIMITS[rule.metric]), METRICS[rule.metric].direction == "lower"


def _beyond(value: float, limit: float, is_upper: bool) -> bool:
    return value > limit if is_upper else value < limit


def _stands(value: float, limit: float, is_upper: bool) -> str:
    if _beyond(value, limit, is_upper):
        return "above" if is_upper else "below"
    return "not above" if is_upper else "not below"


def _whose_limit(rule: RuleSettings) -> str:
    if rule.above is not None or rule.below is not None:
        return ""
    return {"quota": ", the limit of the day", "forecast": ", the budget of the month"}.get(rule.metric, ", the target")


def what(rule: RuleSettings) -> str:
    """What a rule looks at: the metric, and what of it."""
    title = METRICS[rule.metric].title
    return title if rule.field == "value" else f"{title}, {rule.field},"


def of(key: Mapping[str, Any]) -> str:
    """Of which group, for a sentence."""
    told = [f"{name} {'not known' if part is None else part}" for name, part in key.items() if part is not None]
    return f" of {', '.join(told)}" if told else ""


def _interval(rule: RuleSettings, low: float | None, high: float | None) -> str:
    written = written_by(rule)
    if low is None:
        return "" if high is None else f" (up to {written(high)})"
    return f" ({written(low)} or more)" if high is None else f" ({written(low)} to {written(high)})"


def written_by(rule: RuleSettings) -> Callable[[float], str]:
    """How its numbers are written."""
    return partial(wording.part, METRICS[rule.metric], rule.field)


def day_of(moment: dt.datetime) -> dt.datetime:
    """Begin of the day that holds an instant, in the instant's own time zone."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
