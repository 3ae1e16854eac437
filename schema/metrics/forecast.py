"""Forecast: what the month will have cost when it ends, with a band as wide as such forecasts were wrong."""

import calendar
import datetime as dt
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import CONFIDENCE
from thinkmeter.schema.policy import Policy

WEEK: Final = 7
LOOK_BACK_DAYS: Final = 4 * WEEK
MIN_HISTORY_DAYS: Final = 2 * WEEK
"""A forecast needs as many days behind it: each weekday twice."""
MIN_BACKTESTS: Final = math.ceil(CONFIDENCE / (1 - CONFIDENCE) - 1e-9)
"""With fewer, even the largest error seen does not bound 95 % of them."""


def forecast(cells: Cells, _: Policy) -> Estimate:
    """Cost of the calendar month in which the window ends, in USD.

    A day to come is expected to cost the mean of the same weekdays of the last four weeks. The band is conformal
    (Vovk et al., "Algorithmic Learning in a Random World", 2005): the same forecast is made from every earlier
    day over as many days, and the band takes the relative error below which 95 % of them lie. Neighbouring back-tests
    overlap, so that is an approximation.

    Args:
        cells: rows of `forecast.sql`, one a day with calls.

    Returns:
        `n` is the number of whole days of history. Sampled traffic is weighed by 1 over the probability with which a
        call was kept, and `estimated` says so; `month_to_date_seen_usd` is what was seen of the month.
        `insufficient_data` where the window does not hold the month so far or is too short to back-test, and, without
        any amount, where no call of the month has a cost.
    """
    today, share = dt.date.fromisoformat(str(cells["last_day"][0])), float(cells["last_day_share"][0])
    first, last = today.replace(day=1), today.replace(day=calendar.monthrange(today.year, today.month)[1])
    by_day = {dt.date.fromisoformat(str(day)): float(usd) for day, usd in zip(cells["day"], cells["usd"], strict=True)}
    # the day on which traffic began, or the window did, may be half a day
    begin = max(dt.date.fromisoformat(str(cells["first_day"][0])), min(by_day) + dt.timedelta(days=1))
    days = max((today - begin).days, 0)
    history = np.array([by_day.get(begin + dt.timedelta(days=n), 0.0) for n in range(days)])
    horizon = (last - today).days + 1
    budget = float(cells["budget_usd"].max())
    month = cells.where(np.array([first <= dt.date.fromisoformat(str(day)) <= today for day in cells["day"]]))
    so_far, seen = month.total("usd"), month.total("seen_usd")
    untold = seen == 0 and month.count("uncosted_calls") > 0  # unknown is not $0
    detail: dict[str, Any] = {
        "month": f"{today:%Y-%m}",
        "month_to_date_usd": None if untold else so_far,
        "month_to_date_seen_usd": None if untold else seen,
        "estimated": cells.count("sampled_calls") > 0,
        "days_left": horizon - share,
        "history_days": days,
        "calls": cells.count("calls"),
        "uncosted_calls": cells.count("uncosted_calls"),
        "budget_usd": budget if budget >= 0 else None,
    }
    if untold:
        return Estimate.insufficient(days, "no call of the month has a cost", detail)
    if dt.date.fromisoformat(str(cells["first_day"][0])) > first:
        return Estimate.insufficient(days, f"the window begins after {first.isoformat()}, as the month did", detail)
    if days < MIN_HISTORY_DAYS:
        return Estimate.insufficient(days, f"{days} of {MIN_HISTORY_DAYS} whole days of history", detail)
    errors = backtest(history, begin.weekday(), horizon)
    detail["backtests"] = len(errors)
    if len(errors) < MIN_BACKTESTS:
        wanted = MIN_HISTORY_DAYS + horizon + MIN_BACKTESTS - 1
        reason = f"{days} of {wanted} whole days of history, to try forecasts over {horizon} days"
        return Estimate.insufficient(days, reason, detail)
    ahead = expected(history, begin.weekday(), horizon)
    rest = float(ahead[0] * (1 - share) + ahead[1:].sum())
    error = float(np.sort(errors)[math.ceil(CONFIDENCE * (len(errors) + 1) - 1e-9) - 1])
    value, low, high = so_far + rest, so_far + rest * max(1 - error, 0), so_far + rest * (1 + error)
    detail |= {
        "rest_usd": rest,
        "backtest_error": error,
        "backtest_median_error": float(np.median(errors)),
        **_budget(low, value, high, detail["budget_usd"]),
    }
    return Estimate(value, low, high, days, State.OK, detail)


def expected(history: NDArray[Any], weekday: int, horizon: int) -> NDArray[Any]:
    """Cost of each of the `horizon` days after the history, which begins on `weekday` (0 is Monday)."""
    recent = history[-LOOK_BACK_DAYS:]
    weekdays = (weekday + len(history) - len(recent) + np.arange(len(recent))) % WEEK
    means = np.array([recent[weekdays == one].mean() for one in range(WEEK)])
    return means[(weekday + len(history) + np.arange(horizon)) % WEEK]


def backtest(history: NDArray[Any], weekday: int, horizon: int) -> NDArray[Any]:
    """Relative errors of the forecasts over `horizon` days that could have been made and are known by now."""
    errors = []
    for begin in range(MIN_HISTORY_DAYS, len(history) - horizon + 1):
        told = expected(history[:begin], weekday, horizon).sum()
        if told > 0:
            errors.append(abs(history[begin : begin + horizon].sum() - told) / told)
    return np.array(errors)


def _budget(low: float, value: float, high: float, budget: float | None) -> dict[str, Any]:
    if budget is None:
        return {"budget_share": None, "over_budget": None}
    over = "certain" if low > budget else "likely" if value > budget else "possible" if high > budget else "no"
    return {"budget_share": value / budget if budget > 0 else None, "over_budget": over}
