"""What `instrument()` was told: arguments over `THINKMETER_*` over the standard `OTEL_*` variables over defaults."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from thinkmeter.sdk.health import warn

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
"""Where a collector on this machine listens."""
DEFAULT_GRPC_ENDPOINT: Final = "http://127.0.0.1:4317"
"""The same for gRPC, used when `OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc`."""
ON_EXCEED: Final = ("warn", "clamp", "raise")
"""What to do with a thinking budget above `max_thinking_tokens`."""
EVERY_TASK: Final = "*"
"""In `max_thinking_tokens`: every task class that is not named."""
TIERS: Final = (1, 2, 3)
"""1 fast, 2 balanced, 3 precision."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One reading of arguments and environment, unchanged while it holds.

    Attributes:
        endpoint: base URL of the collector; None: what `OTEL_EXPORTER_OTLP_*` say, else this machine.
        service_name: resource attribute `service.name`; None: what `OTEL_SERVICE_NAME` says.
        api_key: sent as `Authorization: Bearer`; None: no such header.
        providers: client libraries to wrap; None: every supported one.
        capture_content: whether prompts and answers are recorded.
        capture_thinking: whether the text of thinking is recorded with them.
        redact: regular expressions of what is taken out of them, besides secrets.
        tiers: model glob -> tier, for calls whose attempt does not say its tier.
        max_thinking_tokens: task class, or `*`, -> cap on thinking, in tokens; empty: no cap.
        on_exceed: what happens above the cap, one of `ON_EXCEED`.
        stream_usage: whether to ask providers for the usage of streams, where they send it on request only.
        flush_timeout_s: longest wait at exit, in seconds.
        disabled: whether `instrument()` shall do nothing at all.
    """

    endpoint: str | None = None
    service_name: str | None = None
    api_key: str | None = field(default=None, repr=False)
    providers: frozenset[str] | None = None
    capture_content: bool = False
    capture_thinking: bool = False
    redact: tuple[str, ...] = ()
    tiers: Mapping[str, int] = field(default_factory=dict)
    max_thinking_tokens: Mapping[str, int] = field(default_factory=dict)
    on_exceed: str = "warn"
    stream_usage: bool = True
    flush_timeout_s: float = 5.0
    disabled: bool = False


def read_settings(
    *,
    endpoint: str | None = None,
    service_name: str | None = None,
    api_key: str | None = None,
    providers: Iterable[str] | None = None,
    capture_content: bool | None = None,
    capture_thinking: bool | None = None,
    redact: Iterable[str] | None = None,
    tiers: Mapping[str, int] | None = None,
    max_thinking_tokens: int | Mapping[str, int] | None = None,
    on_exceed: str | None = None,
    stream_usage: bool | None = None,
) -> Settings:
    """The settings that hold, given these arguments and the environment.

    A value that makes no sense is logged and left at its default: a typing error in the environment of a
    production service must not stop the service.
    """
    settings = _environment()
    given: dict[str, object] = {
        "endpoint": _endpoint("endpoint", endpoint),
        "service_name": service_name,
        "api_key": api_key,
        "providers": None if providers is None else frozenset(providers),
        "capture_content": capture_content,
        "capture_thinking": capture_thinking,
        "redact": None if redact is None else _redact("redact", redact),
        "tiers": None if tiers is None else _tiers("tiers", tiers),
        "max_thinking_tokens": None
        if max_thinking_tokens is None
        else _caps("max_thinking_tokens", max_thinking_tokens),
        "on_exceed": _on_exceed("on_exceed", on_exceed),
        "stream_usage": stream_usage,
    }
    return replace(settings, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def signal_url(settings: Settings, signal: str) -> str:
    """Where `traces` or `logs` go over HTTP: the endpoint, else what the standard variables say, else this machine."""
    if settings.endpoint is not None:
        return f"{settings.endpoint}/v1/{signal}"
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_ENDPOINT
    return own or f"{base.rstrip('/')}/v1/{signal}"


def collector_url(settings: Settings) -> str:
    """The base URL of the collector, for what is no OTLP: the endpoint, else that of the standard variables."""
    return signal_url(settings, "traces").removesuffix("/v1/traces").rstrip("/")


def _environment() -> Settings:
    """The settings as the environment alone gives them."""
    names = (n.strip() for n in os.environ.get("THINKMETER_PROVIDERS", "").split(","))
    timeout_s = _number("THINKMETER_FLUSH_TIMEOUT_S")
    stream_usage = _flag("THINKMETER_STREAM_USAGE")
    return Settings(
        endpoint=_endpoint("THINKMETER_ENDPOINT", os.environ.get("THINKMETER_ENDPOINT")),
        service_name=os.environ.get("THINKMETER_SERVICE_NAME") or None,
        api_key=os.environ.get("THINKMETER_API_KEY") or None,
        providers=frozenset(filter(None, names)) or None,
        capture_content=_flag("THINKMETER_CAPTURE_CONTENT") or False,
        capture_thinking=_flag("THINKMETER_CAPTURE_THINKING") or False,
        redact=_redact("THINKMETER_REDACT", os.environ.get("THINKMETER_REDACT", "").split()),
        tiers=_tiers("THINKMETER_TIERS", _pairs(os.environ.get("THINKMETER_TIERS", ""))),
        max_thinking_tokens=_caps(
            "THINKMETER_MAX_THINKING_TOKENS", _pairs(os.environ.get("THINKMETER_MAX_THINKING_TOKENS", ""))
        ),
        on_exceed=_on_exceed("THINKMETER_ON_EXCEED", os.environ.get("THINKMETER_ON_EXCEED")) or "warn",
        stream_usage=True if stream_usage is None else stream_usage,
        flush_timeout_s=5.0 if timeout_s is None else max(timeout_s, 0.0),
        disabled=_flag("THINKMETER_DISABLED") or _flag("OTEL_SDK_DISABLED") or False,
    )


def _flag(name: str) -> bool | None:
    """A switch of the environment; None: not set."""
    value = os.environ.get(name, "").strip().lower()
    if value in ("", "1", "true", "yes", "on"):
        return None if value == "" else True
    if value not in ("0", "false", "no", "off"):
        warn("%s=%r is neither true nor false; it is taken as false", name, value)
    return False


def _number(name: str) -> float | None:
    """A number of the environment; None: not set or not a number."""
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        warn("%s=%r is not a number; it is ignored", name, value)
        return None


def _pairs(text: str) -> dict[str, str]:
    """`name=value,name=value` as a mapping; a value alone has the name ''."""
    pairs = (pair.rpartition("=") for pair in text.split(",") if pair.strip())
    return {name.strip(): tier.strip() for name, _, tier in pairs}


def _tiers(name: str, tiers: Mapping[str, object]) -> dict[str, int]:
    """The entries that name a tier."""
    known = {glob: int(str(tier)) for glob, tier in tiers.items() if glob and str(tier) in map(str, TIERS)}
    for glob in tiers.keys() - known.keys():
        warn("%s: %r is not a tier of %r (tiers are 1, 2 and 3); the entry is ignored", name, tiers[glob], glob)
    return known


def _caps(name: str, caps: float | Mapping[str, float | str]) -> dict[str, int]:
    """The entries that are positive numbers of tokens; one number holds for every task class."""
    found = {}
    for task, given in (caps if isinstance(caps, Mapping) else {EVERY_TASK: caps}).items():
        try:
            tokens = float(given)  # also the text of a variable
        except (TypeError, ValueError):
            tokens = 0.0
        if tokens >= 1:
            found[task or EVERY_TASK] = int(tokens)
        else:
            warn("%s=%r is not a positive number of tokens; it is ignored", name, given)
    return found


def _on_exceed(name: str, value: str | None) -> str | None:
    """One of `ON_EXCEED`; None: not given."""
    if value and value not in ON_EXCEED:
        warn("%s=%r is none of %s; `warn` is used", name, value, ", ".join(ON_EXCEED))
        return "warn"
    return value or None


def _redact(name: str, patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns that can be used."""
    wanted = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    if not wanted:
        return ()
    from thinkmeter.sdk.redaction import usable

    return usable(name, wanted)


def _endpoint(name: str, url: str | None) -> str | None:
    """A base URL without a slash at its end or the path of a signal; None: not given."""
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        warn("%s=%r is not an http:// or https:// URL; it is ignored", name, url)
        return None
    return url.rstrip("/").removesuffix("/v1/traces").removesuffix("/v1/logs").rstrip("/")
