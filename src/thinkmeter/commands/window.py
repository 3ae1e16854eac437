"""Windows of time as people write them: `7d` before an end, or two times."""

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from thinkmeter.schema.query import Reader

UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, option: str) -> dt.datetime | dt.timedelta:
    """An instant, or how long before another.

    Raises:
        BadParameter: it is neither.
    """
    if lasting := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        return dt.timedelta(**{UNITS[lasting[2]]: int(lasting[1])})
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a duration such as 7d, 24h or 90m nor a time such as 2026-11-15 or "
            "2026-11-15T08:00:00Z",
            param_hint=option,
        ) from None


def window(
    start: dt.datetime | dt.timedelta, end: dt.datetime | dt.timedelta | None, reader: "Reader"
) -> tuple[dt.datetime, dt.datetime]:
    """Begin and end in UTC; times without a zone are those of the project.

    Raises:
        BadParameter: the end is not after the begin.
    """
    now = dt.datetime.now(dt.UTC)
    zone = reader.timezone()
    until, since = (
        moment if isinstance(moment, dt.timedelta) or moment.tzinfo else moment.replace(tzinfo=zone)
        for moment in (end or dt.timedelta(0), start)
    )
    until = now - until if isinstance(until, dt.timedelta) else until
    since = until - since if isinstance(since, dt.timedelta) else since
    if since >= until:
        raise typer.BadParameter(
            f"{since.isoformat()} is not before the end, {until.isoformat()}", param_hint="--since"
        )
    return since.astimezone(dt.UTC), until.astimezone(dt.UTC)
