"""The metrics once more, in plain Python from METRICS.md and the generator's truth: the oracle of the whole.

Shares nothing with the product: it reads the truth file, asks genai-prices call by call, and does its own statistics.
"""

import dataclasses
import datetime as dt
import functools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from genai_prices import Usage, calc_price
from scipy.stats import t as student

Z_95 = 1.959963984540054
MIN_LABELS = 30
MIN_REQUESTS = 20
MIN_THINKING_LABELS = 10
DRAWS = 2_000
"""What the product draws; this reference draws more and allows for the difference."""
OWN_DRAWS = 20_000


@dataclasses.dataclass(frozen=True)
class Call:
    provider: str
    model: str
    role: str
    time: dt.datetime
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    thinking_tokens: int | None
    service_tier: str = "standard"
    response_id: str = ""
    sample: int | None = None
    phase: str | None = None
    effort: str | None = None
    refused: bool = False
    """Billed nothing, told nothing; counts as a call that began the request, and no more."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    number: int
    tier: int
    calls: tuple[Call, ...]
    verifier: str = ""
    version: str = ""
    passed: bool | None = None
    score: float | None = None
    label: bool | None = None
    label_probability: float | None = None
    strategy: str = ""
    effort: str | None = None

    @property
    def answers(self) -> list[Call]:
        return [c for c in self.calls if c.role == "answer" and not c.refused]

    @property
    def thinking_tokens(self) -> int | None:
        counts = [c.thinking_tokens for c in self.answers]
        return None if None in counts else sum(c for c in counts if c is not None)

    @property
    def weight(self) -> float:
        """Of its label."""
        return 1 / self.label_probability if self.label_probability else 1.0


@dataclasses.dataclass(frozen=True)
class Request:
    request_id: str
    task: str
    user: str
    session: str
    attempts: tuple[Attempt, ...]

    @property
    def first(self) -> Attempt:
        return self.attempts[0]

    @property
    def final(self) -> Attempt:
        return self.attempts[-1]

    @property
    def calls(self) -> list[Call]:
        return [c for a in self.attempts for c in a.calls]

    @property
    def answers(self) -> list[Call]:
        return [c for a in self.attempts for c in a.answers]

    @property
    def time(self) -> dt.datetime:
        return min(c.time for c in self.calls)

    @property
    def thinking_tokens(self) -> int | None:
        counts = [a.thinking_tokens for a in self.attempts]
        return None if None in counts else sum(c for c in counts if c is not None)

    @property
    def escalated(self) -> bool:
        return any(a.tier > self.first.tier for a in self.attempts)


def read_truth(path: Path, *, live: bool) -> list[Request]:
    """Requests of the truth file, of the history or of live traffic, whichever is asked for."""
    lines = [line for line in map(json.loads, path.read_text().splitlines()) if line["kind"] != "history"]
    of: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        of.setdefault(line["request_id"], []).append(line)
    return [_request(mine) for mine in of.values() if mine[0]["live"] is live]


def _request(lines: list[dict[str, Any]]) -> Request:
    said = lines[0]
    attempts = tuple(_attempt(lines, line) for line in lines if line["kind"] == "attempt")
    return Request(said["request_id"], said["task"], said["user"], said["session"], attempts)


def _attempt(lines: list[dict[str, Any]], said: dict[str, Any]) -> Attempt:
    mine = [line for line in lines if line.get("attempt") == said["attempt"]]
    calls = tuple(_call(line) for line in mine if line["kind"] == "call")
    [verdict] = [line for line in mine if line["kind"] == "verdict"] or [{}]
    [label] = [line for line in mine if line["kind"] == "label"] or [{}]
    return Attempt(
        said["attempt"],
        said["tier"],
        calls,
        verdict.get("verifier", ""),
        verdict.get("version", ""),
        verdict.get("passed"),
        verdict.get("score"),
        label.get("correct"),
        label.get("sampling_probability"),
        said["strategy"],
        said["effort"],
    )


def _call(line: dict[str, Any]) -> Call:
    return Call(
        line["provider"],
        line["model"],
        line["role"],
        dt.datetime.fromisoformat(line["start"]),
        line["input_tokens"],
        line["cache_read_tokens"],
        line["cache_write_tokens"],
        line["cache_write_1h_tokens"],
        line["output_tokens"],
        line["told_thinking_tokens"],
        line["service_tier"],
        line["response_id"],
        line["sample"],
        line["phase"],
        line["effort"],
        line["error"] is not None,
    )


# --- cost ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cost:
    """USD of some calls; output whose thinking is unknown is in `unsplit`."""

    input: float = 0.0
    cache: float = 0.0
    thinking: float = 0.0
    answer: float = 0.0
    unsplit: float = 0.0

    @property
    def total(self) -> float:
        return self.input + self.cache + self.thinking + self.answer + self.unsplit

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


def cost(calls: Iterable[Call]) -> Cost:
    """What the calls cost, each at its own time, bucket by bucket."""
    return sum((_cost(c) for c in calls if not c.refused), Cost())


@functools.cache
def _cost(call: Call) -> Cost:
    def price(side: str, **tokens: int) -> float:
        priced = calc_price(
            Usage(**{"input_tokens": call.input_tokens, **tokens}),
            call.model,
            provider_id={"gcp.gemini": "google"}.get(call.provider, call.provider),
            genai_request_timestamp=call.time,
            price_context=None if call.service_tier == "standard" else {"service_tier": call.service_tier},
        )
        return float(getattr(priced, side))

    # all input fresh, to see the rate; the bracket by length is that of the whole input either way
    fresh = call.input_tokens - call.cache_read_tokens - call.cache_write_tokens
    fresh_usd = price("input_price") * fresh / call.input_tokens
    input_usd = price(
        "input_price",
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
        cache_write_1h_tokens=call.cache_write_1h_tokens,
    )
    if call.thinking_tokens is None:
        output_usd = price("output_price", output_tokens=call.output_tokens)
        return Cost(fresh_usd, input_usd - fresh_usd, unsplit=output_usd)
    thought = call.thinking_tokens
    return Cost(
        fresh_usd,
        input_usd - fresh_usd,
        price("output_price", output_tokens=thought, output_reasoning_tokens=thought) if thought else 0.0,
        price("output_price", output_tokens=call.output_tokens - thought) if call.output_tokens > thought else 0.0,
    )


# --- statistics ----------------------------------------------------------------------------------


def wilson(successes: float, n: float) -> tuple[float, float]:
    """The Wilson score interval at 95 %; n may be an effective size."""
    p = successes / n
    spread = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
    middle = p + Z_95**2 / (2 * n)
    scale = 1 + Z_95**2 / n
    return (middle - spread) / scale, (middle + spread) / scale


def quantile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between closest ranks."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclasses.dataclass(frozen=True)
class Band:
    """Where a percentile bound of `DRAWS` draws must lie: 5 standard errors of its rank to either side."""

    least: float
    most: float

    def __contains__(self, bound: float) -> bool:
        # draws of few rows tie, and sums of the same numbers differ in their last bit
        rounding = 1e-12 + 1e-9 * abs(bound)
        return self.least - rounding <= bound <= self.most + rounding


def bands(draws: Sequence[float]) -> tuple[Band, Band]:
    """For the lower and the upper bound of a 95 % percentile interval."""
    error = 5 * math.sqrt(0.025 * 0.975 / DRAWS)
    ordered = np.sort(np.asarray(draws, dtype=float))

    def at(share: float) -> float:
        return float(np.quantile(ordered, min(max(share, 0.0), 1.0)))

    return Band(at(0.025 - error), at(0.025 + error)), Band(at(0.975 - error), at(0.975 + error))


def mean_bands(values: Sequence[float], seed: int) -> tuple[Band, Band]:
    """For the bounds of a mean: bootstrap-t, widened by Student over normal, and no narrower than percentile."""
    source = np.random.default_rng(seed)
    data = np.asarray(values, dtype=float)
    n, mean = len(data), float(data.mean())
    drawn = [data[source.integers(n, size=n)] for _ in range(OWN_DRAWS)]
    percentile = bands([float(one.mean()) for one in drawn])
    if data.std() == 0:
        return percentile
    measured = [(float(one.mean()) - mean) / float(one.std()) for one in drawn if one.std() > 0]
    error = float(data.std(ddof=1)) * float(student.ppf(0.975, n - 1)) / Z_95
    least, most = bands(measured)
    low = Band(*(max(mean - error * end, 0.0) for end in (most.most, most.least)))
    high = Band(*(mean - error * end for end in (least.most, least.least)))
    return (
        Band(min(low.least, percentile[0].least), min(low.most, percentile[0].most)),
        Band(max(high.least, percentile[1].least), max(high.most, percentile[1].most)),
    )


# --- the metrics ---------------------------------------------------------------------------------


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


@dataclasses.dataclass(frozen=True)
class Cpq:
    """`low`, `high` are of the improvement, as shares; the value's are `thinking_cost_usd` over them."""

    baseline_kind: str
    n: int
    population: int
    thinking_cost_usd: float
    cost_per_request_usd: float
    accuracy: float
    baseline: float
    low: Band
    high: Band

    @property
    def improvement(self) -> float:
        return self.accuracy - self.baseline

    @property
    def value(self) -> float:
        return self.thinking_cost_usd / (100 * self.improvement)

    @property
    def per_extra_correct_usd(self) -> float:
        return self.thinking_cost_usd / self.population / self.improvement


def cpq(requests: Sequence[Request], pinned: float | None = None) -> Cpq | None:
    """Thinking cost over the accuracy gained on the baseline; None where no baseline is available."""
    if pinned is not None:
        return _pinned(requests, pinned)
    return _paired(requests) or _unpaired(requests)


def _spent(population: Sequence[Request]) -> tuple[float, float]:
    """USD of the known thinking of every answering call, and of everything per request, verifiers apart."""
    spent = cost(c for r in population for c in r.answers)
    return spent.thinking, spent.total / len(population)


def _accuracy(labelled: Sequence[tuple[float, float]]) -> float:
    return sum(w * right for w, right in labelled) / sum(w for w, _ in labelled)


def _weighted(labelled: Sequence[Request]) -> list[tuple[float, float]]:
    return [(r.final.weight, float(bool(r.final.label))) for r in labelled]


def _resampled(strata: Sequence[Sequence[tuple[float, float]]], shares: Sequence[float], seed: int) -> Any:
    """Draws of a stratified weighted mean."""
    source = np.random.default_rng(seed)
    total = np.zeros(OWN_DRAWS)
    for stratum, share in zip(strata, shares, strict=True):
        data = np.asarray(stratum, dtype=float)
        # a resample is how often each row is drawn: multinomial counts, far fewer numbers than indices
        counts = source.multinomial(len(data), np.full(len(data), 1 / len(data)), size=OWN_DRAWS)
        total += share * (counts @ (data[:, 0] * data[:, 1])) / (counts @ data[:, 0])
    return total


def _wilson(labelled: Sequence[tuple[float, float]]) -> tuple[float, float]:
    n = sum(w for w, _ in labelled) ** 2 / sum(w * w for w, _ in labelled)
    return wilson(_accuracy(labelled) * n, n)


def _widened(drawn: tuple[Band, Band], least: float, most: float) -> tuple[Band, Band]:
    """Bounds that are no nearer to each other than these."""
    low, high = drawn
    return Band(min(low.least, least), min(low.most, least)), Band(max(high.least, most), max(high.most, most))


def _pinned(requests: Sequence[Request], baseline: float) -> Cpq | None:
    labelled = [r for r in requests if r.final.label is not None]
    if len(labelled) < MIN_LABELS:
        return None
    rows = _weighted(labelled)
    least, most = _wilson(rows)
    low, high = _widened(bands(_resampled([rows], [1.0], seed=2) - baseline), least - baseline, most - baseline)
    spent = _spent(requests)
    return Cpq("pinned", len(labelled), len(requests), *spent, _accuracy(rows), baseline, low, high)


def _paired(requests: Sequence[Request]) -> Cpq | None:
    population = [r for r in requests if r.first.thinking_tokens == 0]
    labelled = [r for r in population if r.first.label is not None and r.final.label is not None]
    thought = [r for r in labelled if (r.final.thinking_tokens or 0) > 0]
    if len(labelled) < MIN_LABELS or len(thought) < MIN_THINKING_LABELS:
        return None
    accuracy = baseline = 0.0
    strata, shares = [], []
    for escalated in (False, True):
        members = [r for r in population if r.escalated is escalated]
        mine = [r for r in labelled if r.escalated is escalated]
        if members and not mine:
            return None
        if not members:
            continue
        share = len(members) / len(population)
        before = [(r.final.weight, float(bool(r.first.label))) for r in mine]
        accuracy += share * _accuracy(_weighted(mine))
        baseline += share * _accuracy(before)
        strata.append([(w, after - first) for (w, after), (_, first) in zip(_weighted(mine), before, strict=True)])
        shares.append(share)
    low, high = bands(_resampled(strata, shares, seed=3))
    spent = _spent(population)
    return Cpq("paired", len(labelled), len(population), *spent, accuracy, baseline, low, high)


def _unpaired(requests: Sequence[Request]) -> Cpq | None:
    labelled = [r for r in requests if r.final.label is not None]
    thinking = [r for r in labelled if any(c.thinking_tokens for c in r.answers)]
    silent = [r for r in labelled if r.thinking_tokens == 0]
    if len(thinking) < MIN_LABELS or len(silent) < MIN_LABELS:
        return None
    after, before = _weighted(thinking), _weighted(silent)
    gained = _accuracy(after) - _accuracy(before)
    (least, most), (least_before, most_before) = _wilson(after), _wilson(before)
    # Newcombe (1998), method 10
    down = math.hypot(_accuracy(after) - least, most_before - _accuracy(before))
    up = math.hypot(most - _accuracy(after), _accuracy(before) - least_before)
    low, high = _widened(bands(_resampled([after, before], [1.0, -1.0], seed=4)), gained - down, gained + up)
    spent = _spent(requests)
    n = len(thinking) + len(silent)
    return Cpq("unpaired", n, len(requests), *spent, _accuracy(after), _accuracy(before), low, high)


def states(found: Cpq | None) -> set[str]:
    """The state of a CPQ; two where a bound of its interval is so near to 0 that the draws decide."""
    if found is None:
        return {"insufficient_data"}
    if found.improvement <= 0:
        return ({"worse"} if found.high.least < 0 else set()) | ({"no_gain"} if found.high.most >= 0 else set())
    return ({"inconclusive"} if found.low.least <= 0 else set()) | ({"ok"} if found.low.most > 0 else set())
