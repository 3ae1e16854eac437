"""`[alerts]` of the configuration: which channels there are, which rules, how patient they are."""

import datetime as dt
import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from thinkmeter.schema.errors import ThinkmeterError

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
RUNAWAYS = "runaways"
"""The metric of the rule that judges single requests."""
RESERVED = ("runaway", "test")
OWN_LIMIT = ("escr", "vrate", "quota", "forecast")
"""Metrics whose limit is in the configuration already: the policy's target, the quota, the budget."""
COMPARABLE = ("ttr", "escr", "vrate")
TRENDING = {"ttr": ("value", "p50", "p95", "p99")}
"""Metric -> the numbers of it whose trend over days can be watched."""
SHORTEST_TREND = dt.timedelta(days=14)
"""In seven days a trend of 2 % a day is hardly ever found, in fourteen four times of five."""
OF_A_CALENDAR = {"quota": "day", "forecast": "month"}
"""Metrics that are of a calendar's time, whatever window a rule would name."""

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    match = re.fullmatch(r"(\d{1,6})([smhd])", value) if isinstance(value, str) else None
    if match and int(match[1]) > 0:
        return dt.timedelta(seconds=int(match[1]) * _UNITS_S[match[2]])
    if isinstance(value, dt.timedelta) and value > dt.timedelta(0):
        return value
    raise ValueError("a duration is a whole number above 0 and a unit: 30s, 10m, 1h or 7d")


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]+", url):
        raise ValueError("a URL here begins with https:// or http://, names a host and has no spaces")
    return url


def _as_read(duration: dt.timedelta) -> str:
    return f"{round(duration.total_seconds())}s"


Duration = Annotated[dt.timedelta, BeforeValidator(_duration), PlainSerializer(_as_read, when_used="json")]
"""`30s`, `10m`, `1h`, `7d`."""
HttpUrl = Annotated[str, AfterValidator(_http)]
TimeoutS = Annotated[float, Field(gt=0, le=60)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SlackSettings(_Section):
    """`[alerts.channels.NAME]` with `kind = "slack"`: an incoming webhook."""

    kind: Literal["slack"]
    webhook_env: str | None = None
    """Environment variable that holds the webhook's URL, which is a secret."""
    url: HttpUrl | None = None
    """Used instead of the webhook's URL: a proxy, or a stand-in for tests."""
    timeout_s: TimeoutS = 5.0
    """How long to wait for an answer, in seconds."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.webhook_env is None and self.url is None:
            raise ValueError("a slack channel needs webhook_env, the environment variable that holds its webhook's URL")
        return self

    def webhook(self, environment: Mapping[str, str]) -> str:
        """Where to post.

        Raises:
            ThinkmeterError: the environment variable is not set or holds no URL.
        """
        if self.url is not None:
            return self.url
        assert self.webhook_env is not None  # validated
        try:
            return _http(_secret(environment, self.webhook_env))
        except ValueError:
            raise ThinkmeterError(f"the environment variable {self.webhook_env} holds no http(s) URL") from None


class PagerDutySettings(_Section):
    """`[alerts.channels.NAME]` with `kind = "pagerduty"`: the Events API v2."""

    kind: Literal["pagerduty"]
    routing_key_env: Annotated[str, Field(min_length=1)]
    """Environment variable that holds the integration key, which is a secret."""
    url: HttpUrl = PAGERDUTY_URL
    """Where to post: the European service region has another, so may a proxy or a stand-in for tests."""
    timeout_s: TimeoutS = 5.0
    """How long to wait for an answer, in seconds."""

    def routing_key(self, environment: Mapping[str, str]) -> str:
        """The integration key.

        Raises:
            ThinkmeterError: the environment variable is not set.
        """
        return _secret(environment, self.routing_key_env)


ChannelSettings = Annotated[SlackSettings | PagerDutySettings, Field(discriminator="kind")]


class RuleSettings(_Section):
    """`[[alerts.rules]]`: what is watched and who is told."""

    name: Annotated[str, Field(min_length=1)]
    metric: str
    """`runaways` judges single requests by the policy of their task class; any other is compared with a limit."""
    field: str = "value"
    """Which number of the metric's report: `value`, or one of its details."""
    by: tuple[str, ...] | None = None
    """What is watched apart from each other; absent: as the metric's report is split, `quota` by user and session;
    empty: all of a project together."""
    above: float | None = None
    below: float | None = None
    rises: Annotated[float | None, Field(gt=0)] = None
    """By how much it is more than in the time before: of `ttr` a share of it, of `escr` and `vrate` the difference of
    the shares. `ttr` counts only where accuracy did not rise with it."""
    falls: Annotated[float | None, Field(gt=0)] = None
    trend: Annotated[float | None, Field(gt=0)] = None
    """By how much of what it was `ttr` rose over the days of the window, at a fixed mix of task classes. It counts only
    where accuracy did not rise with it."""
    window: Duration | None = None
    against: Duration | None = None
    """How long the time before the window is that `rises` and `falls` compare with; absent: four windows."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long the condition has to hold before it fires."""
    channels: tuple[str, ...] | None = None
    """Who is told; absent: every channel."""

    @field_validator("metric")
    @classmethod
    def _there_is_one(cls, name: str) -> str:
        from thinkmeter.schema.metrics.catalogue import METRICS  # numpy with it, which few configurations need

        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no metric {name!r}, only {', '.join(METRICS)}{meant}")
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f"a rule cannot be named {self.name!r}, which is that of messages of our own")
        limits = [one for one in (self.above, self.below, self.rises, self.falls, self.trend) if one is not None]
        if self.metric == RUNAWAYS:
            if limits or self.by or self.window or self.against or self.for_ or self.field != "value":
                raise ValueError(
                    "a rule on runaways takes its thresholds from [policy.*]: above, below, rises, falls, trend, by, "
                    "field, for, window and against have no meaning in it"
                )
            return self
        self._check_limits(len(limits))
        if self.metric in OF_A_CALENDAR:
            if self.window is not None:
                raise ValueError(f"{self.metric} is of the current {OF_A_CALENDAR[self.metric]}: it takes no window")
        elif self.window is None:
            raise ValueError("a rule on a metric needs a window")
        return self

    def _check_limits(self, limits: int) -> None:
        if limits > 1 or (limits == 0 and (self.metric not in OWN_LIMIT or self.field != "value")):
            raise ValueError("a rule on a metric needs one of above, below, rises, falls and trend")
        if self.is_of_change:
            if self.metric not in COMPARABLE or self.field != "value":
                raise ValueError(f"rises and falls are of the value of {', '.join(COMPARABLE)}")
            return
        if self.trend is not None:
            if self.field not in TRENDING.get(self.metric, ()):
                of = "; ".join(f"{', '.join(fields)} of {metric}" for metric, fields in TRENDING.items())
                raise ValueError(f"a trend is of {of}")
            if self.window is not None and self.window < SHORTEST_TREND:
                raise ValueError(f"a trend needs a window of {SHORTEST_TREND.days}d or more")
        if self.against is not None:
            raise ValueError("against says what rises and falls compare with, and has no meaning without them")

    @property
    def is_of_change(self) -> bool:
        """Whether a window is compared with the time before it."""
        return self.rises is not None or self.falls is not None


class AlertSettings(_Section):
    """`[alerts]`: channels by name, rules, and how messages are spaced."""

    channels: dict[str, ChannelSettings] = {}
    rules: tuple[RuleSettings, ...] = ()
    """Runaways are watched, and told to every channel, without a rule too."""
    resolve_after: Duration = dt.timedelta(minutes=5)
    """A runaway is resolved that long after the end of its request's last call: when the request has settled."""
    evaluate_every: Duration = dt.timedelta(seconds=30)
    """How far apart looks at the rules on metrics are; runaways are judged as calls come."""
    digest_after: Annotated[int, Field(ge=1)] = 20
    """So many messages of a task class a channel gets at once; what is more becomes digests."""
    digest_interval: Duration = dt.timedelta(seconds=30)
    """How far apart digests are, and how long it takes until one more message may be sent by itself."""

    @field_validator("rules")
    @classmethod
    def _distinct(cls, rules: tuple[RuleSettings, ...]) -> tuple[RuleSettings, ...]:
        names = [rule.name for rule in rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules are named {name!r}")
        if sum(rule.metric == RUNAWAYS for rule in rules) > 1:
            raise ValueError("runaways are watched by one rule: name its channels in that one")
        return rules

    @model_validator(mode="after")
    def _known_channels(self) -> Self:
        for rule in self.rules:
            for channel in rule.channels or ():
                if channel not in self.channels:
                    known = ", ".join(sorted(self.channels)) or "none"
                    raise ValueError(f"rule {rule.name!r} names the channel {channel!r}; configured are: {known}")
        return self

    @property
    def runaway_channels(self) -> tuple[str, ...]:
        """Who is told of runaways."""
        for rule in self.rules:
            if rule.metric == RUNAWAYS and rule.channels is not None:
                return rule.channels
        return tuple(self.channels)

    @property
    def metric_rules(self) -> tuple[RuleSettings, ...]:
        """The rules that compare a metric with a limit."""
        return tuple(rule for rule in self.rules if rule.metric != RUNAWAYS)


def _secret(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise ThinkmeterError(f"the environment variable {name} is not set, and an alert channel needs it")
    return value
