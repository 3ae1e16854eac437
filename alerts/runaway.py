"""The runaway rule (METRICS, Runaway), pure: a request's tokens, what its class usually needs, and the verdict.

A runaway fires once. It is resolved when its request has settled: `resolve_after` (5 minutes) past the end of its last
call; a call that comes later moves that end while the alert is open, and changes nothing after.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from thinkmeter.schema.alerting.records import AlertEvent, Baseline, RunawayPolicy

DEFAULT = "default"
"""All requests of the project, and the policy of classes without one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Threshold:
    """Above how many thinking tokens a request is a runaway, and what that is made of."""

    tokens: float
    policy: RunawayPolicy
    baseline: Baseline | None
    """Of the class or its nearest parent with enough requests; where none has a bound, the policy's cap is the
    threshold, and this is the class's own, or None where it has no requests at all."""


def threshold(task: str, policies: Mapping[str, RunawayPolicy], baselines: Iterable[Baseline]) -> Threshold | None:
    """The threshold of a task class; None where there is neither a baseline nor a cap, so that nothing can be said.

    Args:
        task: task class of the request.
        policies: by task class, `default` among them.
        baselines: of the request's project for the minute in which it began.
    """
    policy = policies.get(task, policies[DEFAULT])
    by_task = {baseline.task: baseline for baseline in baselines}
    for one in _line_of(task, policies):
        baseline = by_task.get(one)
        if baseline is not None and baseline.bound is not None:
            return Threshold(limit(policy.p95_factor, policy.floor_tokens, baseline.bound, None), policy, baseline)
    if policy.cap_tokens is None:
        return None
    tokens = limit(policy.p95_factor, policy.floor_tokens, None, policy.cap_tokens)
    return Threshold(tokens, policy, by_task.get(task))


def limit(p95_factor: float, floor_tokens: int, bound: float | None, cap_tokens: int | None) -> float:
    """Tokens that have to be exceeded: by the bound where there is one, else by the cap.

    Raises:
        ValueError: neither a bound nor a cap.
    """
    if bound is not None:
        return max(p95_factor * bound, float(floor_tokens))
    if cap_tokens is not None:
        return float(cap_tokens)
    raise ValueError("a threshold needs a bound or a cap")


def replay(event: AlertEvent) -> bool:
    """Judge a stored event again, from nothing but what is stored in it: whether it is a runaway."""
    return event.value > limit(event.p95_factor, event.floor_tokens, event.baseline_bound, event.cap_tokens)


def least_threshold(policies: Mapping[str, RunawayPolicy]) -> int:
    """Requests up to so many tokens are no runaways in any class."""
    limits = [policy.floor_tokens for policy in policies.values()]
    return min(limits + [policy.cap_tokens for policy in policies.values() if policy.cap_tokens is not None])


def _line_of(task: str, policies: Mapping[str, RunawayPolicy]) -> Iterator[str]:
    """The class, its parents as the policies name them, and `default` at the end."""
    passed = []
    while task not in passed and task != DEFAULT:
        yield task
        passed.append(task)
        task = policies.get(task, policies[DEFAULT]).parent
    yield DEFAULT
