"""`[alerts]` of the configuration: which channels there are, which rules, how patient they are."""

import datetime as dt
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
    metric: Literal[
        "runaways", "cpq", "ttr", "escr", "vrate", "cost", "overthinking", "strategies", "quota", "forecast", "coverage"
    ]
    """`runaways` judges single requests by the policy of their task class; any other is compared with a limit."""
    field: str = "value"
    """Which number of the metric's report: `value`, or one of its details."""
    by: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None
    window: Duration | None = None
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long the condition has to hold before it fires."""
    channels: tuple[str, ...] | None = None
    """Who is told; absent: every channel."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        limits = [limit for limit in (self.above, self.below) if limit is not None]
        if self.metric == RUNAWAYS:
            if limits or self.by or self.window or self.for_ or self.field != "value":
                raise ValueError(
                    "a rule on runaways takes its thresholds from [policy.*]: above, below, by, field, for and window "
                    "have no meaning in it"
                )
        elif len(limits) != 1 or self.window is None:
            raise ValueError("a rule on a metric needs a window and one of above and below")
        return self


class AlertSettings(_Section):
    """`[alerts]`: channels by name, rules, and how messages are spaced."""

    channels: dict[str, ChannelSettings] = {}
    rules: tuple[RuleSettings, ...] = ()
    """Runaways are watched, and told to every channel, without a rule too."""
    resolve_after: Duration = dt.timedelta(minutes=5)
    """A runaway is resolved that long after the end of its request's last call: when the request has settled."""
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
    def idle_rules(self) -> list[str]:
        """Names of the rules that take no effect in this version: those on metrics."""
        return [rule.name for rule in self.rules if rule.metric != RUNAWAYS]


def _secret(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise ThinkmeterError(f"the environment variable {name} is not set, and an alert channel needs it")
    return value
