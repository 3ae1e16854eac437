"""How much of today's thinking is used: asked in the background, answered from what was last heard. Never waits."""

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import context

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.health import contained
from thinkmeter.sdk.runtime import active
from thinkmeter.sdk.scope import current_scope
from thinkmeter.sdk.settings import Settings, collector_url

FRESH_S: Final = 5.0
"""An answer this old is given, and a newer one asked for."""
TIMEOUT_S: Final = 2.0
IDLE_S: Final = 30.0
MOST: Final = 4096
"""Users and sessions whose answer is kept; the least lately asked for go first."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The collector's newest answer.

    Attributes:
        used_tokens: thinking tokens of today; None: unknown.
        limit_tokens: what may be used in a day; None: no limit, or unknown.
        state: `ok`, `exceeded`, `no_limit` or `unknown`.
        day: which day that is; None: unknown.
    """

    used_tokens: int | None = None
    limit_tokens: int | None = None
    state: str = "unknown"
    day: str | None = None

    @property
    def exceeded(self) -> bool:
        """Whether the limit is known to be reached; what is not known means go."""
        return self.state == "exceeded"


UNKNOWN: Final = Quota()
_Key = tuple[str | None, str | None]


class _LookUps:
    """What was heard, and what is to be asked by the one thread that asks."""

    def __init__(self) -> None:
        """Nothing heard; also in a forked child, which has no such thread."""
        self._lock = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._heard: OrderedDict[_Key, tuple[float, Quota]] = OrderedDict()
        self._wanted: OrderedDict[_Key, Settings] = OrderedDict()
        self._thread: threading.Thread | None = None

    def get(self, key: _Key, settings: Settings) -> Quota:
        """The last answer; a newer one is asked for where it is not fresh."""
        with self._lock:
            asked_s, quota = self._heard.get(key, (0.0, UNKNOWN))
            if time.monotonic() - asked_s > FRESH_S:
                self._keep(key, quota)  # asked now: not again before the answer is old, or fails to come
                self._wanted[key] = settings
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="thinkmeter quota", daemon=True)
                    self._thread.start()
                self._asked.notify()
            return quota

    def _keep(self, key: _Key, quota: Quota) -> None:
        self._heard[key] = (time.monotonic(), quota)
        self._heard.move_to_end(key)
        while len(self._heard) > MOST:
            forgotten, _ = self._heard.popitem(last=False)
            self._wanted.pop(forgotten, None)

    def _run(self) -> None:
        context.attach(context.set_value("suppress_instrumentation", True))
        while True:
            with self._lock:
                while not self._wanted:
                    if not self._asked.wait(IDLE_S) and not self._wanted:
                        self._thread = None  # nobody asks any more; the next question starts another
                        return
                key, settings = self._wanted.popitem(last=False)
            with contained("asking for a quota"):
                quota = _ask(key, settings)
                if quota is not None:
                    with self._lock:
                        self._keep(key, quota)


def _ask(key: _Key, settings: Settings) -> Quota | None:
    """Ask the collector; None: it did not answer."""
    import json
    import urllib.error
    import urllib.request

    asked = {name: value for name, value in zip(("user", "session"), key, strict=True) if value is not None}
    headers = {"Content-Type": "application/json"}
    if settings.api_key is not None:
        headers["Authorization"] = f"Bearer {settings.api_key}"
    request = urllib.request.Request(
        f"{collector_url(settings)}/v1/quota", json.dumps(asked).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            told: Any = json.load(reply)
    except (OSError, ValueError):  # away, busy, refused, or not a collector: nothing is known
        return None
    if not isinstance(told, dict):
        return None
    used, limit, day = told.get("used_tokens"), told.get("limit_tokens"), told.get("day")
    return Quota(
        used if isinstance(used, int) else None,
        limit if isinstance(limit, int) else None,
        str(told.get("state") or "unknown"),
        day if isinstance(day, str) else None,
    )


_look_ups = _LookUps()


def _start_over() -> None:
    global _look_ups
    _look_ups = _LookUps()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)


def quota(user: str | None = None, session: str | None = None) -> Quota:
    """How much of today's thinking a user or session has used, as last heard from the collector. Returns at once.

    The first question about somebody is answered with `unknown`, and so is every one while the collector is away; the
    answer comes in the background and is asked for again when it is five seconds old.

    Args:
        user: who is meant; with neither given, the user and session of the request that the code is in.
        session: the session meant; with both, whichever is nearer to its limit counts.
    """
    runtime = active()
    if runtime is None:
        return UNKNOWN
    found = UNKNOWN
    with contained("looking up a quota"):
        if user is None and session is None:
            here = current_scope().attributes
            user, session = (
                None if here.get(name) is None else str(here[name]) for name in (names.USER_ID, names.SESSION_ID)
            )
        if user is not None or session is not None:
            found = _look_ups.get((user, session), runtime.settings)
    return found


def reset() -> None:
    """Forget what was heard, as `uninstrument()` does: another collector may answer next."""
    _start_over()
