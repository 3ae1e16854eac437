"""The state machine: what was found becomes events, each once, with those who are to be told.

    ok --exceeds its threshold--> firing --its request settled--> resolved

A firing or resolved alert never fires again: the rule judges a request, and a request is judged once.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable
from urllib.parse import quote

from thinkmeter.alerts.runaway import Threshold
from thinkmeter.schema.alerting.baselines import minute_of
from thinkmeter.schema.alerting.records import RUNAWAY, AlertEvent, RequestTotals, RequestUse, Silence

TOLD_WITHIN = dt.timedelta(hours=24)
"""What is over for longer is stored, and nobody is told."""
WINDOW = dt.timedelta(days=7)


def dedup_key(project: str, rule: str, key: str) -> str:
    """Under which one alert is known, for ever, in the store and at every channel."""
    return f"{quote(project, safe='')}/{rule}/{key}"


def firing(
    request: RequestUse,
    totals: RequestTotals,
    threshold: Threshold,
    channels: tuple[str, ...],
    silences: Iterable[Silence],
    now: dt.datetime,
) -> AlertEvent:
    """The event of a request that was found to be a runaway."""
    muted = ""
    for silence in silences:
        if silence.covers(request.project, RUNAWAY, request.task, request.request_id, now):
            muted = f"silence {silence.id}"
    if not muted and now - totals.ended > TOLD_WITHIN:
        muted = "over for more than a day"
    known_as = dedup_key(request.project, RUNAWAY, request.request_id)
    minute = minute_of(request.began)
    baseline = threshold.baseline
    return AlertEvent(
        project=request.project,
        rule=RUNAWAY,
        key=request.request_id,
        state="firing",
        time=now,
        event=f"{known_as}/firing",
        dedup_key=known_as,
        channels=() if muted else channels,
        muted=muted,
        task=request.task,
        request_id=request.request_id,
        model=totals.model,
        began=request.began,
        ended=totals.ended,
        calls=totals.calls,
        unknown_calls=totals.unknown_calls,
        uncosted_calls=totals.uncosted_calls,
        cost_usd=totals.cost_usd,
        value=float(request.thinking_tokens),
        threshold=threshold.tokens,
        p95_factor=threshold.policy.p95_factor,
        floor_tokens=threshold.policy.floor_tokens,
        cap_tokens=threshold.policy.cap_tokens,
        baseline_task=baseline.task if baseline else "",
        baseline_since=baseline.since if baseline else minute - WINDOW,
        baseline_until=baseline.until if baseline else minute,
        baseline_n=baseline.n if baseline else 0,
        baseline_p95=baseline.p95 if baseline else None,
        baseline_bound=baseline.bound if baseline else None,
    )


def resolved(opening: AlertEvent, totals: RequestTotals | None, now: dt.datetime) -> AlertEvent:
    """The event that ends an alert, with what its request came to; told to whom its start was told.

    Args:
        opening: the event with which it began.
        totals: None where the request has no calls any more: it was forgotten, or its calls proved to be repeats.
        now: when it ended.
    """
    ended = dataclasses.replace(opening, state="resolved", time=now, event=f"{opening.dedup_key}/resolved")
    if totals is None:
        return ended
    return dataclasses.replace(
        ended,
        model=totals.model,
        ended=totals.ended,
        calls=totals.calls,
        unknown_calls=totals.unknown_calls,
        uncosted_calls=totals.uncosted_calls,
        cost_usd=totals.cost_usd,
        value=float(totals.thinking_tokens),
    )
