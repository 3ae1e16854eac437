"""What an alert says, in numbers: plain functions from events to sentences, the same for every channel."""

import datetime as dt
from collections.abc import Sequence
from urllib.parse import urlencode

from thinkmeter.alerts.outbox import Message
from thinkmeter.schema.alerting.baselines import ENOUGH_REQUESTS
from thinkmeter.schema.alerting.records import TEST, AlertEvent

LISTED = 20
"""How many requests a digest names; the store has all."""
PAGES = {"cost": "cost", "escr": "routing", "routing": "routing", "strategies": "routing", "ttr": "thinking",
    "overthinking": "thinking", "reflection": "thinking", "vrate": "verifier", "quota": "budget", "forecast": "budget",
}  # fmt: skip
"""Metric -> the page of the dashboard that shows it; all others are on the first."""
REPEATED = "Possibly a repeat: thinkmeter does not know whether this arrived before."


def title(message: Message) -> str:
    """What happened, in a few words."""
    events = message.events
    task = clip(events[0].task, 60)
    if events[0].rule == TEST:
        return "Test message of thinkmeter: nothing is wrong"
    if events[0].is_of_metric:
        what = clip(events[0].rule, 100)
        many = f"{len(events):,} alerts: " if len(events) > 1 else "Alert: "
        return f"{many}{what}" if message.state == "firing" else f"Over: {many.removeprefix('Alert: ')}{what}"
    if len(events) > 1:
        return f"{len(events):,} runaway requests {'in' if message.state == 'firing' else 'settled in'} {task}"
    return f"Runaway request {'in' if message.state == 'firing' else 'settled in'} {task}"


def summary(message: Message) -> str:
    """What happened, in a sentence with its numbers."""
    events = message.events
    if events[0].is_of_metric:
        told = "; ".join(said(event) for event in worst_first(events)[:3])
        more = f"; and {len(events) - 3:,} more" if len(events) > 3 else ""
        return f"{title(message)}. {told}{more}"
    if len(events) > 1:
        worst = max(events, key=lambda event: event.value)
        return (
            f"{title(message)}: {total_tokens(events)} thinking tokens, {cost(events)}; "
            f"most by request {clip(worst.request_id, 80)} with {tokens(worst)}"
        )
    [event] = events
    if message.state == "resolved":
        return (
            f"{title(message)}: {tokens(event)} thinking tokens in all, {cost(events)} "
            f"(request {clip(event.request_id, 80)})"
        )
    return (
        f"{title(message)}: {tokens(event)} thinking tokens, more than the {number(event.threshold)} of its threshold, "
        f"{cost(events)} so far (request {clip(event.request_id, 80)})"
    )


def facts(event: AlertEvent) -> dict[str, str]:
    """What there is to know of one alert: name -> value."""
    if event.is_of_metric:
        return {
            "Seen": said(event),
            "Rule": clip(event.rule, 200),
            "Of": clip(event.key.rpartition(" ")[0], 200),
            "Window": f"{instant(event.began)} to {instant(event.ended)}",
            "Project": clip(event.project, 200),
        }
    return {
        "Request": clip(event.request_id, 200),
        "Task": clip(event.task, 200),
        "Thinking tokens": f"{tokens(event)} in {event.calls:,} {'call' if event.calls == 1 else 'calls'}",
        "Threshold": f"{number(event.threshold)} tokens: {threshold_reason(event)}",
        "Cost in all" if event.state == "resolved" else "Cost so far": cost([event]),
        "Model": clip(event.model, 200),
        "Began": instant(event.began),
        "Project": clip(event.project, 200),
    }


def said(event: AlertEvent) -> str:
    """What a rule on a metric saw."""
    return clip(event.baseline_task, 600)


def threshold_reason(event: AlertEvent) -> str:
    """What a threshold is made of."""
    if event.baseline_bound is None:
        return f"the policy's cap, as only {event.baseline_n:,} earlier requests are known"
    of_class = {event.task: "", "default": " of all task classes"}.get(
        event.baseline_task, f" of {clip(event.baseline_task, 60)}"
    )
    what = "the p95" if event.baseline_n >= ENOUGH_REQUESTS else "the upper 95 % bound of the p95"
    usual = (
        f"{event.p95_factor:g} x {number(event.baseline_bound)}, {what} of {event.baseline_n:,} requests{of_class} "
        f"in the 7 days before {instant(event.baseline_until)}"
    )
    is_below_floor = event.p95_factor * event.baseline_bound < event.floor_tokens
    return f"the policy's floor, above {usual}" if is_below_floor else usual


def tokens(event: AlertEvent) -> str:
    """Thinking tokens; a lower bound where those of some calls are unknown."""
    return ("at least " if event.unknown_calls else "") + number(event.value)


def total_tokens(events: Sequence[AlertEvent]) -> str:
    """Thinking tokens of several."""
    lower_bound = any(event.unknown_calls for event in events)
    return ("at least " if lower_bound else "") + number(sum(event.value for event in events))


def cost(events: Sequence[AlertEvent]) -> str:
    """What requests cost; a lower bound where some calls have no known cost."""
    usd = sum(event.cost_usd for event in events)
    if any(event.uncosted_calls for event in events):
        return f"at least {money(usd)}" if usd else "cost unknown"
    return money(usd)


def money(usd: float) -> str:
    """US dollars: whole from 1,000 on, cents, four decimals below a cent."""
    return f"${usd:,.0f}" if usd >= 1000 else f"${usd:.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def number(value: float) -> str:
    """A count with separators, one decimal where it is not whole."""
    return f"{value:,.1f}".removesuffix(".0")


def instant(time: dt.datetime) -> str:
    """A time to the second in UTC."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def worst_first(events: Sequence[AlertEvent]) -> list[AlertEvent]:
    """Those that a digest names."""
    return sorted(events, key=lambda event: (-event.value, event.request_id))[:LISTED]


def link(dashboard_url: str, message: Message) -> str:
    """Where the dashboard shows it: the request, or the runaways of the task class."""
    [first, *others] = message.events
    if first.is_of_metric:
        asked = {"project": first.project} | ({"task": first.task} if first.task else {})
        return f"{dashboard_url.rstrip('/')}/{PAGES.get(first.metric, '')}?{urlencode(asked)}"
    if others:
        return f"{dashboard_url.rstrip('/')}/runaways?{urlencode({'project': first.project, 'task': first.task})}"
    return f"{dashboard_url.rstrip('/')}/request?{urlencode({'project': first.project, 'id': first.request_id})}"


def clip(text: str, longest: int) -> str:
    """Text on one line and no longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
