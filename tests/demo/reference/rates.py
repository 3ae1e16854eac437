"""Thinking token rate, escalation rate and verifier precision."""

import dataclasses
from collections.abc import Iterable, Sequence

from tests.demo.reference.intervals import Band, mean_bands, quantile, wilson
from tests.demo.reference.truth import Attempt, Request

MIN_REQUESTS = 20


@dataclasses.dataclass(frozen=True)
class Ttr:
    n: int
    mean: float
    p50: float
    p95: float
    p99: float
    left_out: float
    low: Band
    high: Band


def ttr(requests: Sequence[Request]) -> Ttr:
    """Thinking tokens per request, over those whose thinking is wholly known."""
    known = [float(t) for r in requests if (t := r.thinking_tokens) is not None]
    low, high = mean_bands(known, seed=1)
    return Ttr(
        len(known),
        sum(known) / len(known),
        quantile(known, 0.5),
        quantile(known, 0.95),
        quantile(known, 0.99),
        1 - len(known) / len(requests),
        low,
        high,
    )


@dataclasses.dataclass(frozen=True)
class Share:
    n: int
    value: float
    low: float
    high: float


def _share(outcomes: Sequence[bool]) -> Share:
    hits = sum(outcomes)
    return Share(len(outcomes), hits / len(outcomes), *wilson(hits, len(outcomes)))


def gate(request: Request) -> Attempt | None:
    """The last tier-1 attempt before the first higher one, where the request began at tier 1."""
    if request.first.tier != 1:
        return None
    until = next((n for n, a in enumerate(request.attempts) if a.tier > 1), len(request.attempts))
    return request.attempts[until - 1]


@dataclasses.dataclass(frozen=True)
class Escr:
    rate: Share
    rescued: float | None
    """Of escalations labelled at both ends: a wrong answer of tier 1 became a right one."""
    entered_above: int
    failed_not_escalated: int
    escalated_without_verdict: int


def escr(requests: Sequence[Request]) -> Escr:
    """Of requests judged at tier 1: failed there and went on higher."""
    gates = [(r, g) for r in requests if (g := gate(r)) is not None]
    judged = [(r, g) for r, g in gates if g.passed is not None]
    climbed = [(r, g) for r, g in gates if r.escalated and g.label is not None and r.final.label is not None]
    weight = sum(r.final.weight for r, _ in climbed)
    rescued = sum(r.final.weight for r, g in climbed if r.final.label and not g.label)
    return Escr(
        _share([g.passed is False and r.escalated for r, g in judged]),
        rescued / weight if weight else None,
        len(requests) - len(gates),
        sum(g.passed is False and not r.escalated for r, g in judged),
        sum(g.passed is None and r.escalated for r, g in gates),
    )


@dataclasses.dataclass(frozen=True)
class Vrate:
    labelled: int
    """Labelled verdicts, passes and fails."""
    precision: Share
    recall: float | None
    false_positive_rate: float | None


def vrate(attempts: Sequence[Attempt]) -> Vrate:
    """Of labelled attempts that passed: truly correct; the attempts are all of one verifier and version."""
    labelled = [a for a in attempts if a.label is not None and a.passed is not None]
    passes = [a for a in labelled if a.passed]

    def weigh(chosen: Iterable[Attempt]) -> float:
        return sum(a.weight for a in chosen)

    def correct_of(chosen: Sequence[Attempt]) -> float:
        return weigh(a for a in chosen if a.label) / weigh(chosen)

    value = correct_of(passes)
    effective = weigh(passes) ** 2 / sum(a.weight**2 for a in passes)
    precision = Share(len(passes), value, *wilson(value * effective, effective))
    fails = [a for a in labelled if not a.passed]
    if not fails:
        return Vrate(len(labelled), precision, None, None)
    # passes and fails are labelled unequally often: each side stands for all of its own
    all_passed, all_failed = sum(a.passed is True for a in attempts), sum(a.passed is False for a in attempts)
    right_passed, right_failed = all_passed * value, all_failed * correct_of(fails)
    wrong_passed, wrong_failed = all_passed - right_passed, all_failed - right_failed
    return Vrate(
        len(labelled),
        precision,
        right_passed / (right_passed + right_failed),
        wrong_passed / (wrong_passed + wrong_failed),
    )
