"""Which rows a question is about, and by what they may be told apart."""

import dataclasses
import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.catalogue import Metric, Source

BY_TIME: Final = ("day", "hour")
ATTRIBUTE: Final = "attr:"

_ALIKE: Final = {
    "task": "task",
    "user": "user_id",
    "session": "session_id",
    "environment": "environment",
    "service": "service_name",
}
_CALLED: Final = {name: name for name in ("tier", "model", "provider", "strategy", "effort")}

COLUMNS: Final[Mapping[Source, Mapping[str, str]]] = {
    "calls": {**_ALIKE, **_CALLED, "phase": "phase"},
    "attempts": {**_ALIKE, **_CALLED, "verifier": "verifier"},
    # a request is told apart by its final attempt, and by the verifier that let it climb or not
    "requests": {
        **_ALIKE,
        **{name: f"final_{name}" for name in _CALLED},
        "verifier": "gate_verifier",
        "escalated": "escalated",
        "verdict": "verdict_passed",
        "correct": "correct",
    },
}
"""What rows of each view can be filtered by and told apart by, beside time and `attr:NAME`: name -> column."""


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Which rows: of a window, a project, and with these values.

    Attributes:
        since: requests whose first call started then or later (calls: that started themselves).
        until: and before then.
        project: None for all projects.
        where: name of `COLUMNS` or `attr:NAME` -> value.
    """

    since: dt.datetime
    until: dt.datetime
    project: str | None = "default"
    where: Mapping[str, str | int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a window that cannot be meant.

        Raises:
            ThinkmeterError: an end has no time zone, or the window ends before it begins.
        """
        for name, end in (("since", self.since), ("until", self.until)):
            if end.tzinfo is None:
                raise ThinkmeterError(f"{name}: {end.isoformat()} has no time zone")
        if self.since >= self.until:
            raise ThinkmeterError(f"since {self.since.isoformat()} is not before until {self.until.isoformat()}")


def dimensions(metric: Metric, by: str | Iterable[str] | None) -> tuple[str, ...]:
    """What rows of a report are told apart by, with the metric's own keys left out.

    Raises:
        ThinkmeterError: the metric cannot be split that way.
    """
    if by is None:
        by = metric.default
    names = tuple(dict.fromkeys([by] if isinstance(by, str) else by))
    for name in names:
        if name == ATTRIBUTE:
            raise ThinkmeterError("attr: needs the name of an attribute, as in attr:gen_ai.prompt.name")
        if (name if not name.startswith(ATTRIBUTE) else "attr") not in metric.by:
            allowed = ", ".join(one if one != "attr" else "attr:NAME" for one in metric.by)
            near = difflib.get_close_matches(name, metric.by, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ThinkmeterError(f"{metric.name} cannot be split by {name}, only by {allowed}{meant}")
    return tuple(name for name in names if name not in metric.keys)
