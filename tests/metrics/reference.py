"""The metrics in plain Python, written from METRICS alone, request by request: what the store must agree with.

Prices are those of `tests.schema.rows.price`: 1 USD in, 4 for thinking, 2 for the answer, a million tokens.
"""

import dataclasses
import math
import random
import statistics
from collections.abc import Sequence

from tests.metrics.traffic import Attempt, Request


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson (1927): centre and half width of the score interval."""
    z = statistics.NormalDist().inv_cdf(0.975)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def size(weights: Sequence[float]) -> float:
    return sum(weights) ** 2 / sum(weight**2 for weight in weights)


def mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


def percentile(values: Sequence[float], percent: int) -> float:
    """Linear interpolation between closest ranks."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def order_statistics(values: Sequence[float], share: float) -> tuple[float | None, float | None]:
    """The tightest pair of ranks of which each leaves at most 2.5 % outside, from the binomial distribution."""
    n = len(values)
    below = [0.0]
    for k in range(n + 1):
        below.append(below[-1] + math.comb(n, k) * share**k * (1 - share) ** (n - k))
    ranked = sorted(values)
    # P(X(r) > q) = P(fewer than r below q): the highest r for which that is at most 2.5 %, and likewise above
    lows = [r for r in range(1, n + 1) if below[r] < 0.025]
    highs = [r for r in range(1, n + 1) if below[r] >= 0.975]
    return (ranked[max(lows) - 1] if lows else None), (ranked[min(highs) - 1] if highs else None)


def weight(request: Request) -> float:
    return 1 / request.probability if request.probability else 1.0


def thinking(request: Request) -> int | None:
    counts = [attempt.thinking for attempt in request.attempts]
    return None if None in counts else sum(count for count in counts if count is not None)


def thinking_usd(request: Request) -> float:
    return sum((attempt.thinking or 0) * 4 / 1e6 for attempt in request.attempts)


def cost_usd(attempt: Attempt) -> float | None:
    if attempt.input is None or attempt.output is None or attempt.thinking is None:
        return None
    return (attempt.input * 1 + attempt.thinking * 4 + (attempt.output - attempt.thinking) * 2) / 1e6


def escalated(request: Request) -> bool:
    first = request.attempts[0].tier
    return first is not None and any(a.tier is not None and a.tier > first for a in request.attempts)


@dataclasses.dataclass
class Cpq:
    value: float | None
    improvement: float
    interval: tuple[float, float]
    accuracy: float
    baseline: float
    n: int


def label_weight(request: Request, *attempts: Attempt) -> float:
    return weight(request) / min(a.label_probability or 1 for a in attempts)


def pinned(requests: Sequence[Request], baseline: float, draws: int = 2000) -> Cpq:
    judged = [r for r in requests if r.attempts[-1].correct is not None]
    group = [(float(bool(r.attempts[-1].correct)), label_weight(r, r.attempts[-1])) for r in judged]
    accuracy = _mean(group)
    found = _cpq(requests, [(1.0, group)], accuracy, baseline, -baseline, draws)
    low, high = wilson_of(group)
    return widened(found, low - baseline, high - baseline)


def paired(requests: Sequence[Request], draws: int = 2000) -> Cpq:
    population = [r for r in requests if r.attempts[0].thinking == 0]
    everything = sum(weight(r) for r in population)
    groups, accuracy, baseline = [], 0.0, 0.0
    for wanted in (False, True):
        stratum = [r for r in population if escalated(r) == wanted]
        if not stratum:
            continue
        share = sum(weight(r) for r in stratum) / everything
        both = [r for r in stratum if r.attempts[0].correct is not None and r.attempts[-1].correct is not None]
        last = [(float(bool(r.attempts[-1].correct)), _pair_weight(r)) for r in both]
        first = [(float(bool(r.attempts[0].correct)), _pair_weight(r)) for r in both]
        accuracy += share * _mean(last)
        baseline += share * _mean(first)
        groups.append((share, [(a - b, w) for (a, w), (b, _) in zip(last, first, strict=True)]))
    return _cpq(population, groups, accuracy, baseline, 0.0, draws)


def unpaired(requests: Sequence[Request], draws: int = 2000) -> Cpq:
    judged = [r for r in requests if r.attempts[-1].correct is not None]
    groups = [
        [(float(bool(r.attempts[-1].correct)), label_weight(r, r.attempts[-1])) for r in side]
        for side in ([r for r in judged if (thinking(r) or 0) > 0], [r for r in judged if thinking(r) == 0])
    ]
    accuracy, baseline = _mean(groups[0]), _mean(groups[1])
    found = _cpq(requests, [(1.0, groups[0]), (-1.0, groups[1])], accuracy, baseline, 0.0, draws)
    (low, high), (base_low, base_high) = (wilson_of(group) for group in groups)
    # Newcombe (1998), method 10
    down, up = math.hypot(accuracy - low, base_high - baseline), math.hypot(high - accuracy, baseline - base_low)
    return widened(found, found.improvement - down, found.improvement + up)


Group = list[tuple[float, float]]


def wilson_of(group: Group) -> tuple[float, float]:
    n = size([w for _, w in group])
    return wilson(_mean(group) * n, n)


def widened(found: Cpq, low: float, high: float) -> Cpq:
    return dataclasses.replace(found, interval=(min(found.interval[0], low), max(found.interval[1], high)))


def _pair_weight(request: Request) -> float:
    return label_weight(request, request.attempts[0], request.attempts[-1])


def _mean(group: Group) -> float:
    return mean([value for value, _ in group], [w for _, w in group])


def _cpq(
    population: Sequence[Request],
    groups: list[tuple[float, Group]],
    accuracy: float,
    baseline: float,
    offset: float,
    draws: int,
) -> Cpq:
    improvement = offset + sum(factor * _mean(group) for factor, group in groups)
    chance = random.Random(7)
    again = sorted(
        offset + sum(factor * _mean(chance.choices(group, k=len(group))) for factor, group in groups)
        for _ in range(draws)
    )
    interval = again[round(0.025 * (draws - 1))], again[round(0.975 * (draws - 1))]
    spent = sum(weight(r) * thinking_usd(r) for r in population)
    value = spent / (100 * improvement) if improvement > 0 else None
    return Cpq(value, improvement, interval, accuracy, baseline, sum(len(group) for _, group in groups))


def gate(request: Request) -> Attempt | None:
    """The last tier-1 attempt before the first higher one, where the first attempt is at tier 1."""
    if request.attempts[0].tier != 1:
        return None
    last = None
    for attempt in request.attempts:
        if attempt.tier is not None and attempt.tier > 1:
            break
        if attempt.tier == 1:
            last = attempt
    return last


@dataclasses.dataclass
class EscR:
    value: float
    interval: tuple[float, float]
    n: int
    pre_routed: int
    failed_not_escalated: int
    escalated_without_verdict: int
    rescued: float | None
    usd_per_rescued: float | None


def escr(requests: Sequence[Request]) -> EscR:
    hits, weights = [], []
    stayed = unchecked = 0
    outcomes: Group = []
    spent: Group = []
    for request in requests:
        checked = gate(request)
        if checked is None:
            continue
        passed = checked.verdicts[-1].passed if checked.verdicts else None
        if passed is not None:
            hits.append(float(not passed and escalated(request)))
            weights.append(weight(request))
            stayed += not passed and not escalated(request)
        if escalated(request):
            unchecked += passed is None
            after = request.attempts[request.attempts.index(checked) + 1 :]
            costs = [cost_usd(attempt) for attempt in after]
            if None not in costs:
                spent.append((sum(cost for cost in costs if cost is not None), weight(request)))
            final = request.attempts[-1]
            if checked.correct is not None and final.correct is not None:
                outcomes.append((float(not checked.correct and final.correct), label_weight(request, checked, final)))
    value = mean(hits, weights)
    n_eff = size(weights)
    rescued = _mean(outcomes) if outcomes else None
    return EscR(
        value,
        wilson(value * n_eff, n_eff),
        len(hits),
        sum((r.attempts[0].tier or 0) > 1 for r in requests),
        stayed,
        unchecked,
        rescued,
        _mean(spent) / rescued if rescued else None,
    )


@dataclasses.dataclass
class VRate:
    value: float
    interval: tuple[float, float]
    n: int
    recall: float
    false_positive_rate: float


def vrate(requests: Sequence[Request], verifier: str = "orm") -> VRate:
    judged = [
        (one.passed, attempt.correct, label_weight(request, attempt), weight(request))
        for request in requests
        for attempt in request.attempts
        for one in attempt.verdicts
        if one.verifier == verifier and one.passed is not None
    ]
    confusion = dict.fromkeys([(p, c) for p in (True, False) for c in (True, False)], 0.0)
    for passed in (True, False):
        labelled = [(correct, w) for p, correct, w, _ in judged if p == passed and correct is not None]
        all_of_them = sum(w for p, _, _, w in judged if p == passed)
        for correct, w in labelled:
            confusion[passed, bool(correct)] += w * all_of_them / sum(other for _, other in labelled)
    passes = [(bool(correct), w) for p, correct, w, _ in judged if p and correct is not None]
    value = mean([float(c) for c, _ in passes], [w for _, w in passes])
    n_eff = size([w for _, w in passes])
    return VRate(
        value,
        wilson(value * n_eff, n_eff),
        len(passes),
        confusion[True, True] / (confusion[True, True] + confusion[False, True]),
        confusion[True, False] / (confusion[True, False] + confusion[False, False]),
    )
