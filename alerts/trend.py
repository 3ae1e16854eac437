"""Whether thinking grows from day to day while its mix of task classes stays, pure.

A day's number is the mean over the task classes of theirs, each weighed by its share of all requests of the window
(direct standardisation): where ever more of the traffic is of a class that always thought long, nothing rises. Mann and
Kendall's test says whether the days rise, Theil and Sen's slope by how much.
"""

import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from thinkmeter.alerts.conditions import MIN_LABELS, Holds, Reading, of, unknown, what, written_by
from thinkmeter.alerts.settings import SHORTEST_TREND, RuleSettings
from thinkmeter.schema.metrics import wording
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.query.report import ReportRow
from thinkmeter.schema.query.results import ThinkingPoint

LEAST_DAYS: Final = SHORTEST_TREND.days
"""With fewer of enough requests nothing is said, of a task class or of all."""
LEAST_SHARE: Final = 0.5
"""Task classes that are told of have to make so much of the requests, and of each day that counts."""
SIGNIFICANT: Final = 0.01
"""Of the test, one-sided, after Benjamini and Hochberg's correction for all groups that a rule looks at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """Days of one group at a fixed mix.

    Attributes:
        mix: task class -> its share of the requests, of the classes that are told of.
        days: since the first, in days.
        values: of each day that counts.
        n: requests behind them.
    """

    mix: Mapping[str, float]
    days: NDArray[np.float64]
    values: NDArray[np.float64]
    n: int

    def until(self, day: float) -> "Series":
        """The part before a day."""
        kept = self.days < day
        return dataclasses.replace(self, days=self.days[kept], values=self.values[kept])

    def since(self, day: float) -> "Series":
        """The part from a day on."""
        kept = self.days >= day
        return dataclasses.replace(self, days=self.days[kept], values=self.values[kept])


@dataclasses.dataclass(frozen=True, slots=True)
class Slope:
    """How a series rises.

    Attributes:
        begin: where it stands on its first day, by the slope.
        end: and on its last.
        end_low: lower end of the 95 % interval of the slope, carried to the last day.
        end_high: the upper one.
        p: how probable such a rise is where there is none.
    """

    begin: float
    end: float
    end_low: float
    end_high: float
    p: float

    @property
    def rise(self) -> float:
        """As a share of where it began."""
        if self.end <= self.begin:
            return 0.0 if self.begin <= 0 else self.end / self.begin - 1
        return self.end / self.begin - 1 if self.begin > 0 else math.inf


def series(
    points: Sequence[ThinkingPoint], first: dt.datetime, field: str, enough: Callable[[str], int]
) -> Series | None:
    """Days of a group at the mix of all of them; None where too few classes have enough requests on enough days.

    A class that has too few requests on a day is taken to be as on its middle day, so that its absence moves nothing.

    Args:
        points: a day and task class each.
        first: begin of the first day.
        field: `value` for the mean, or a quantile.
        enough: task class -> how many requests a day needs.
    """
    requests: dict[str, int] = {}
    found: dict[str, dict[int, tuple[float, int]]] = {}
    for point in points:
        task = str(point.key["task"] or "")
        requests[task] = requests.get(task, 0) + point.n
        if point.n >= enough(task):
            day = round((point.time - first) / dt.timedelta(days=1))
            value = point.mean if field == "value" else getattr(point, field)
            found.setdefault(task, {})[day] = float(value), point.n
    told = {task: days for task, days in found.items() if len(days) >= LEAST_DAYS}
    whole = sum(requests.values())
    of_told = sum(requests[task] for task in told)
    if not told or of_told < LEAST_SHARE * whole:
        return None
    mix = {task: requests[task] / of_told for task in told}
    middle = {task: float(np.median([value for value, _ in days.values()])) for task, days in told.items()}
    days, values, n = [], [], 0
    for day in sorted({day for known in told.values() for day in known}):
        here = [task for task, known in told.items() if day in known]
        if sum(mix[task] for task in here) >= LEAST_SHARE:
            days.append(float(day))
            values.append(sum(share * told[task].get(day, (middle[task], 0))[0] for task, share in mix.items()))
            n += sum(told[task][day][1] for task in here)
    return Series(mix, np.asarray(days), np.asarray(values), n) if len(days) >= LEAST_DAYS else None


def slope(over: Series) -> Slope:
    """How the days rise: Theil and Sen's slope, Mann and Kendall's test, one-sided."""
    from scipy.stats import kendalltau, theilslopes

    if np.ptp(over.values) == 0:
        level = float(over.values[0])
        return Slope(level, level, level, level, 1.0)
    each, _, low, high = (float(found) for found in theilslopes(over.values, over.days))
    begin = float(np.median(over.values - each * (over.days - over.days[0])))
    span = float(over.days[-1] - over.days[0])
    p = kendalltau(over.days, over.values, alternative="greater").pvalue
    return Slope(begin, begin + each * span, begin + low * span, begin + high * span, float(p))


def readings(
    rule: RuleSettings,
    groups: Sequence[tuple[Mapping[str, Any], Series | None, "Quality"]],
    length: int,
) -> list[Reading]:
    """What a rule says of every group: it rises in the window that ends now and in that which ended a day before.

    Args:
        rule: with `trend`.
        groups: key, days with one more before the window, and what accuracy did.
        length: of the window, in days.
    """
    from scipy.stats import false_discovery_control

    assert rule.trend is not None
    slopes: dict[int, tuple[Slope, Slope]] = {}
    for position, (_, over, _) in enumerate(groups):
        if over is not None:
            parts = over.since(1), over.until(length)
            if min(len(part.days) for part in parts) >= LEAST_DAYS - 1:
                slopes[position] = slope(parts[0]), slope(parts[1])
    raw = [max(now.p, before.p) for now, before in slopes.values()]
    corrected = dict(zip(slopes, false_discovery_control(raw) if raw else [], strict=True))
    found = []
    for position, (key, over, quality) in enumerate(groups):
        if over is None or position not in slopes:
            few = f"fewer than {LEAST_DAYS} days with enough requests of task classes that make half of the traffic"
            found.append(unknown(rule, key, few, n=0 if over is None else over.n))
            continue
        now, before = slopes[position]
        p, rise = float(corrected[position]), min(now.rise, before.rise)
        holds = Holds.NO if rise < rule.trend or quality.rose else Holds.YES if p < SIGNIFICANT else Holds.DOUBTFUL
        written = written_by(rule)
        moved = f"{100 * now.rise:+.1f}%" if math.isfinite(now.rise) else "from next to nothing"
        fixed = f", mix of {len(over.mix)} task classes held fixed" if len(over.mix) > 1 else ""
        tested = f"p = {p:.4f}" if p >= 0.0001 else "p < 0.0001"
        said = (
            f"{what(rule)}{of(key)} went from {written(now.begin)} to {written(now.end)} ({moved}) over "
            f"{len(over.days)} days, n = {over.n:,}, {tested}{fixed}; {quality.said}"
        )
        limit = now.begin * (1 + rule.trend)
        found.append(
            Reading(
                key,
                holds,
                now.end,
                limit,
                over.n,
                said,
                now.begin,
                over.n,
                low=max(0.0, now.end_low),
                high=now.end_high,
            )
        )
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Quality:
    """What accuracy did between the halves of a window, at the same mix."""

    rose: bool
    said: str


def quality(mix: Mapping[str, float], before: Sequence[ReportRow], now: Sequence[ReportRow]) -> Quality:
    """Compare accuracy of both halves of a window, task class by task class, at a mix.

    The interval of the difference is made of those of all rows (Zou and Donner, 2008).

    Args:
        mix: task class -> weight.
        before: rows of `accuracy` of the first half, one a task class.
        now: of the second.
    """
    halves = [
        {str(row.key["task"] or ""): row for row in rows if row.state is State.OK and row.n >= MIN_LABELS}
        for rows in (before, now)
    ]
    both = {task: share for task, share in mix.items() if all(task in half for half in halves)}
    whole = sum(both.values())
    if whole < LEAST_SHARE * sum(mix.values()) or not both:
        return Quality(
            False,
            f"whether accuracy rose with it is not known: it takes {MIN_LABELS} labels of each half of the window "
            "(`thinkmeter labels sample` draws what to label)",
        )
    was = is_now = below = above = 0.0
    labels = 0
    for task, share in both.items():
        weight, (old, new) = share / whole, (halves[0][task], halves[1][task])
        assert old.value is not None
        assert old.low is not None
        assert old.high is not None
        assert new.value is not None
        assert new.low is not None
        assert new.high is not None
        was, is_now, labels = was + weight * old.value, is_now + weight * new.value, labels + old.n + new.n
        below += (weight * (new.value - new.low)) ** 2 + (weight * (old.high - old.value)) ** 2
        above += (weight * (new.high - new.value)) ** 2 + (weight * (old.value - old.low)) ** 2
    change = is_now - was
    low, high = change - math.sqrt(below), change + math.sqrt(above)
    rose = low > 0
    told = (
        f"accuracy {wording.rate(was)} to {wording.rate(is_now)}, {wording.points(100 * change)} "
        f"({wording.points(100 * low)} to {wording.points(100 * high)}) over {labels:,} labels"
    )
    return Quality(rose, f"{told}: {'it rose' if rose else 'no rise is shown'}")
