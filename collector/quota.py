"""How much of today's thinking a user or session has used: asked before a call, so answered from memory at once."""

import datetime as dt
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.failure import reason
from thinkmeter.schema.store.statement import statement

log = logging.getLogger(__name__)

REFRESH_S: Final = 5.0
"""How old what is known may be while the store answers."""
LIMITS: Final = {"user": "user_daily_thinking_tokens", "session": "session_daily_thinking_tokens"}
"""Who has a quota -> its key in `[quotas]`."""
KINDS: Final = tuple(LIMITS)
"""Who has a quota."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a user or session stands.

    Attributes:
        used_tokens: thinking tokens of today; None: not known.
        limit_tokens: what `[quotas]` allows in a day; None: no limit.
        day: which day that is, in the project's time zone.
        as_of: when the store was last asked; None: never.
        state: `ok`, `exceeded`, `no_limit`, or `unknown` where the store has not told of this day.
    """

    used_tokens: int | None
    limit_tokens: int | None
    day: dt.date
    as_of: dt.datetime | None
    state: str

    def told(self) -> dict[str, object]:
        """The same as JSON members."""
        return {
            "used_tokens": self.used_tokens,
            "limit_tokens": self.limit_tokens,
            "day": self.day.isoformat(),
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store said, once."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    day: dt.date | None = None
    as_of: dt.datetime | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[tuple[str, str, str], int] = field(default_factory=dict)


class Quotas:
    """Asks the store every few seconds, in a thread of its own; answers never wait for it."""

    def __init__(self, address: StoreAddress) -> None:
        """Know nothing yet."""
        self._address = address
        self._known = _Known()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quotas", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join(REFRESH_S)

    def standing(self, project: str, owners: Mapping[str, str], now: dt.datetime) -> Standing:
        """How whoever is nearest to its limit stands.

        Args:
            project: whose data is meant.
            owners: `user`, `session` or both -> its id.
            now: this moment, with a time zone.
        """
        known = self._known
        day = now.astimezone(known.zone).date()
        standings = []
        for kind, name in owners.items():
            limit = known.limits.get(kind)
            used = known.used.get((project, kind, name), 0) if known.day == day else None
            if used is None:
                state = "unknown"
            elif limit is None:
                state = "no_limit"
            else:
                state = "exceeded" if used >= limit else "ok"
            standings.append(Standing(used, limit, day, known.as_of, state))
        return max(standings, key=_share)

    def refresh(self, client: Client, now: dt.datetime) -> None:
        """Ask the store.

        Raises:
            ClickHouseError: it does not answer.
        """
        told = client.query(statement(__package__, "quota_rules")).result_rows
        rules = {str(kind): str(value) for kind, value in told}
        zone = ZoneInfo(rules.get("timezone") or "UTC")
        settings = json.loads(rules.get("quota") or "{}")
        day = now.astimezone(zone).date()
        start = dt.datetime.combine(day, dt.time(), zone)
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone)
        parameters = {"day_start": start.astimezone(dt.UTC), "day_end": end.astimezone(dt.UTC)}
        rows = client.query(statement(__package__, "quota"), parameters=parameters).result_rows
        limits = {kind: int(settings[key]) for kind, key in LIMITS.items() if settings.get(key)}
        self._known = _Known(zone, day, now, limits, {(row[0], row[1], row[2]): int(row[3]) for row in rows})

    def _run(self) -> None:
        away = False
        while True:
            try:
                with connect(self._address) as client:
                    self.refresh(client, dt.datetime.now(dt.UTC))
                away = False
            except (ClickHouseError, ThinkmeterError) as error:
                if not away:
                    why = reason(error)
                    log.warning(
                        "the store does not tell how quotas stand: %s", why, extra=event("quotas.unknown", reason=why)
                    )
                away = True
            if self._ended.wait(REFRESH_S):
                return


def _share(standing: Standing) -> float:
    """The share of the limit that is used; -1: no limit, -2: not known."""
    if standing.used_tokens is None:
        return -2.0
    return -1.0 if standing.limit_tokens is None else standing.used_tokens / standing.limit_tokens
