"""How numbers are written for people: the same on the terminal, on the dashboard and in messages."""

import math
import re
from typing import Any, Final

from thinkmeter.schema.metrics.catalogue import Metric
from thinkmeter.schema.metrics.estimate import State

NOTHING: Final = "-"
"""Stands where there is no number: never 0."""


def usd(amount: float | None) -> str:
    """Money: `$1,234`, `$12.34`, under a cent four decimals."""
    if amount is None:
        return NOTHING
    size = abs(amount)
    if 0 < size < 0.000_05:
        return "<$0.0001" if amount > 0 else ">-$0.0001"
    text = f"{size:,.0f}" if size >= 1_000 else f"{size:.4f}" if 0 < size < 0.01 else f"{size:.2f}"
    return f"{'-' if amount < 0 else ''}${text}"


def usd_per_point(amount: float | None) -> str:
    """Cost per quality point: `$0.0412/pt`; below a dollar four decimals, or more if three figures need them."""
    if amount is None:
        return NOTHING
    if not 0 < amount < 1:
        return f"{usd(amount)}/pt"
    return f"${amount:.{max(4, 2 - math.floor(math.log10(amount)))}f}/pt"


def tokens(count: float | None) -> str:
    """Tokens: `412`, `1.2k`, `3.4M`."""
    if count is None:
        return NOTHING
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= size * 0.999_5:
            return f"{count / size:.1f}{letter}"
    return f"{count:.0f}"


def rate(share: float | None) -> str:
    """A share: `23.4%`."""
    return NOTHING if share is None else f"{100 * share:.1f}%"


def milliseconds(time_ms: float | None) -> str:
    """A stretch of time: `412 ms`, `3.4 s`."""
    if time_ms is None:
        return NOTHING
    return f"{time_ms:.0f} ms" if time_ms < 999.5 else f"{time_ms / 1000:,.1f} s"


def points(change_pp: float | None) -> str:
    """A change of a share, in percentage points: `+5.1 pp`."""
    return NOTHING if change_pp is None else f"{change_pp:+.1f} pp"


def value(metric: Metric, number: float | None) -> str:
    """A value of a metric in the form that its unit tells: a share, USD, ms, tokens, else a plain number."""
    unit = metric.unit
    if unit.startswith("USD per percentage point"):
        return usd_per_point(number)
    forms = {"share": rate, "USD": usd, "ms": milliseconds, "tokens": tokens, "thinking tokens": tokens}
    form = next((form for begin, form in forms.items() if re.match(rf"{begin}\b", unit)), plain)
    return form(number)


def plain(number: float | None) -> str:
    """A number of no unit that is known here, to four figures: `1,234`, `0.01234`."""
    return NOTHING if number is None else f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def part(metric: Metric, field: str, number: float | None) -> str:
    """A number of a report: its value, or one of its details in the form that its name tells."""
    if number is None:
        return NOTHING
    if field == "value" or (metric.name in ("ttr", "latency") and field.startswith("p")):
        return value(metric, number)
    forms = {"_usd": usd, "_share": rate, "_tokens": tokens, "_ms": milliseconds}
    return next((form for end, form in forms.items() if field.endswith(end)), plain)(number)


def interval(metric: Metric, low: float | None, high: float | None) -> str:
    """Both ends of an interval: `$0.0310 to $0.0580`; one end, where the other is nowhere."""
    if low is None and high is None:
        return NOTHING
    least, most = (value(metric, end).removesuffix("/pt") for end in (low, high))
    if high is None:
        return f"{least} or more"
    return f"up to {most}" if low is None else f"{least} to {most}"


INCONCLUSIVE: Final = {"overthinking": "inconclusive: there may be no waste at all"}
"""Where it means something else than that accuracy may not have risen."""


def state(reached: State, detail: dict[str, Any], metric: str = "") -> str:
    """What may be said, in words."""
    said = {
        State.OK: "ok",
        State.INSUFFICIENT_DATA: f"not enough data: {detail.get('reason', '')}",
        State.INCONCLUSIVE: INCONCLUSIVE.get(metric, "inconclusive: accuracy may not have risen at all"),
        State.NO_GAIN: "no gain: accuracy did not rise",
        State.WORSE: "worse: accuracy fell",
    }[reached]
    if detail.get("confounded"):
        said += "; confounded, hard requests think more"
    if detail.get("sampled_calls"):
        said += "; of what was seen, traffic is sampled"
    return said + ("; estimated from sampled traffic" if detail.get("estimated") else "")
