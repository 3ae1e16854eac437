"""The state machine: what was found becomes events, each once, with those who are to be told.

    ok --exceeds its threshold--> firing --its request settled--> resolved

A firing or resolved alert never fires again: a request is judged once, and an alert of a rule on a metric bears the
instant at which it fired.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable
from urllib.parse import quote

from thinkmeter.alerts.conditions import Reading
from thinkmeter.alerts.runaway import Threshold
from thinkmeter.schema.alerting.baselines import minute_of
from thinkmeter.schema.alerting.records import RUNAWAY, AlertEvent, RequestTotals, RequestUse, Silence

TOLD_WITHIN = dt.timedelta(hours=24)
"""What is over for longer is stored, and nobody is told."""
WINDOW = dt.timedelta(days=7)


def dedup_key(project: str, rule: str, key: str) -> str:
    """Under which one alert is known, for ever, in the store and at every channel."""
    return f"{quote(project, safe='')}/{quote(rule, safe='')}/{key}"


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


def metric_firing(
    rule: str,
    project: str,
    group: str,
    reading: Reading,
    window: tuple[dt.datetime, dt.datetime],
    channels: tuple[str, ...],
    silences: Iterable[Silence],
    now: dt.datetime,
) -> AlertEvent:
    """The event of a rule on a metric whose condition holds.

    Args:
        rule: its name.
        project: whose requests were looked at.
        group: `metric_key` of the group.
        reading: what was seen.
        window: begin of the time before, where a change is watched, and of the window, which ends now.
        channels: who is told.
        silences: what nobody is told of.
        now: the time.
    """
    before, since = window
    assert reading.value is not None  # it holds
    assert reading.limit is not None
    task = str(reading.key.get("task") or "")
    muted = next((f"silence {one.id}" for one in silences if one.covers(project, rule, task, group, now)), "")
    key = f"{group} {now.astimezone(dt.UTC).isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
    known_as = dedup_key(project, rule, key)
    return AlertEvent(
        project=project,
        rule=rule,
        key=key,
        state="firing",
        time=now,
        event=f"{known_as}/firing",
        dedup_key=known_as,
        channels=() if muted else channels,
        muted=muted,
        task=task,
        request_id="",
        model="",
        began=since,
        ended=now,
        calls=reading.n,
        unknown_calls=0,
        uncosted_calls=0,
        cost_usd=0.0,
        value=reading.value,
        threshold=reading.limit,
        p95_factor=0.0,
        floor_tokens=0,
        cap_tokens=None,
        baseline_task=reading.said,
        baseline_since=before,
        baseline_until=since,
        baseline_n=reading.before_n,
        baseline_p95=reading.before,
        baseline_bound=None,
    )


def metric_resolved(opening: AlertEvent, said: str, now: dt.datetime, reading: Reading | None = None) -> AlertEvent:
    """The event that ends an alert of a rule on a metric; `reading` is what was seen of it, where anything was."""
    ended = dataclasses.replace(
        opening, state="resolved", time=now, event=f"{opening.dedup_key}/resolved", baseline_task=said
    )
    if reading is None or reading.value is None or reading.limit is None:
        return ended
    return dataclasses.replace(ended, ended=now, value=reading.value, threshold=reading.limit, calls=reading.n)
