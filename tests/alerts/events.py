"""Events and deliveries, made by naming only what a test is about."""

import dataclasses
import datetime as dt
from typing import Any

from thinkmeter.schema.alerting.records import AlertEvent, Delivery, State

NOW = dt.datetime(2026, 11, 20, 12, 31, 4, 250000, tzinfo=dt.UTC)
MINUTE = dt.datetime(2026, 11, 20, 12, 30, tzinfo=dt.UTC)


def event(request_id: str, *, state: State = "firing", **columns: Any) -> AlertEvent:
    """A runaway of `sql` with 48,210 thinking tokens."""
    project = columns.get("project", "default")
    key = f"{project}/runaway/{request_id}"
    usual = AlertEvent(
        project="default",
        rule="runaway",
        key=request_id,
        state=state,
        time=NOW,
        event=f"{key}/{state}",
        dedup_key=key,
        channels=("team", "oncall"),
        muted="",
        task="sql",
        request_id=request_id,
        model="acme-think-1",
        began=MINUTE + dt.timedelta(seconds=7),
        ended=NOW - dt.timedelta(seconds=2),
        calls=3,
        unknown_calls=0,
        uncosted_calls=0,
        cost_usd=0.4821,
        value=48_210.0,
        threshold=15_000.5,
        p95_factor=2.0,
        floor_tokens=1000,
        cap_tokens=None,
        baseline_task="sql",
        baseline_since=MINUTE - dt.timedelta(days=7),
        baseline_until=MINUTE,
        baseline_n=812,
        baseline_p95=7500.25,
        baseline_bound=7500.25,
    )
    return dataclasses.replace(usual, **columns)


def delivery(
    request_id: str,
    *,
    event_state: State = "firing",
    attempts: int = 0,
    state: str = "",
    message: str = "",
    perhaps_sent: bool = False,
    next_attempt: dt.datetime | None = None,
    **columns: Any,
) -> Delivery:
    """What a channel is to be told of such an event; nothing was tried yet."""
    return Delivery(
        event(request_id, state=event_state, **columns), attempts, state, message, perhaps_sent, next_attempt
    )
