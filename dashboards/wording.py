"""What the pages write beside the numbers of `schema.metrics.wording`: counts, times, changes, text from outside."""

import datetime as dt
import re

from thinkmeter.schema.metrics.wording import NOTHING, points


def count(value: float | None) -> str:
    """A count in full: `12,345`."""
    return NOTHING if value is None else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share on an axis, as short as it can be: `20%`, `2.5%`."""
    return f"{100 * share:.3g}%"


def duration(milliseconds: float | None) -> str:
    """A duration: `840 ms`, `2.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if milliseconds is None:
        return NOTHING
    seconds = milliseconds / 1e3
    if seconds < 1:
        return f"{milliseconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def lag(seconds: float) -> str:
    """How long ago: as `duration`, whole seconds, from `0 s`."""
    return f"{max(seconds, 0):.0f} s" if seconds < 60 else duration(seconds * 1e3)


def clock(moment: dt.datetime, zone: dt.tzinfo, *, now: dt.datetime) -> str:
    """A moment in the viewer's zone: the time alone today, the date with it otherwise."""
    local = moment.astimezone(zone)
    return f"{local:%H:%M:%S}" if local.date() == now.astimezone(zone).date() else f"{local:%-d %b %H:%M:%S}"


def change(value: float, before: float, *, is_share: bool) -> tuple[float, str] | None:
    """How much a value changed, as a number to judge its direction by, and in words.

    Shares change by percentage points, everything else by per cent of what it was; None where that was 0.
    """
    if is_share:
        difference = round(100 * (value - before), 1)
        return difference, points(difference)
    if before == 0:
        return None
    difference = round(100 * (value / before - 1), 1)
    return difference, f"{difference:+.1f}%"


def plain(text: object) -> str:
    r"""Text as it stands, where Markdown is read: no formula between two `$`, no link or image from outside."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|$~:&@/])", r"\\\1", str(text)).replace("\n", " ")
