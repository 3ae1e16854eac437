"""A recorded two-tier cascade, and what its four metrics are: a plain reading of the rows.

Shares no code with the metrics. The rows are two exams answered by two models with four strategies each; a request is
a problem and a strategy, tier 1 the small model, tier 2 the large one, tried where the small one's ten votes agree in
less than eight. What the large model never answered stays as it is.
"""

import csv
import dataclasses
import datetime as dt
import gzip
import math
from pathlib import Path

THRESHOLD = 0.8
PRICES_PER_MTOK_USD = {"gpt-35-turbo": (1.5, 2.0), "gpt-4": (30.0, 60.0)}
"""Model -> input, output: what was charged when the rows were recorded."""
Z = 1.959963984540054


@dataclasses.dataclass(frozen=True)
class Try:
    """One model's answer."""

    time: dt.datetime
    model: str
    tier: int
    strategy: str
    input_tokens: int
    output_tokens: int
    thinking_tokens: int
    correct: bool
    score: float
    recorded_cost_usd: float
    error: str

    @property
    def passed(self) -> bool:
        return self.score >= THRESHOLD

    @property
    def thinking_cost_usd(self) -> float:
        return self.thinking_tokens * PRICES_PER_MTOK_USD[self.model][1] / 1e6

    @property
    def cost_usd(self) -> float:
        per_input, per_output = PRICES_PER_MTOK_USD[self.model]
        return (self.input_tokens * per_input + self.output_tokens * per_output) / 1e6


@dataclasses.dataclass(frozen=True)
class Request:
    """A problem and a strategy: the small model's answer, and the large one's where that was not sure enough."""

    id: str
    task: str
    tries: list[Try]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A metric of one exam."""

    value: float
    low: float
    high: float
    n: int


def read_requests(folder: Path) -> list[Request]:
    """The 800 requests in the 1,500 rows."""
    with gzip.open(folder / "jhu_concise_cot" / "requests.csv.gz", "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    by_key = {(row["group_id"], row["strategy"], row["tier"]): row for row in rows}
    requests = []
    for row in rows:
        if row["tier"] != "1":
            continue
        tries = [_try(row)]
        larger = by_key.get((row["group_id"], row["strategy"], "2"))
        if not tries[0].passed and larger is not None:
            tries.append(_try(larger))
        requests.append(Request(f"{row['group_id']} {row['strategy']}", row["task_type"], tries))
    return requests


def baselines(requests: list[Request]) -> dict[str, float]:
    """Exam -> accuracy of the small model without thinking."""
    plain = [r for r in requests if r.tries[0].strategy == "baseline"]
    tasks = {r.task for r in plain}
    return {task: _mean([float(r.tries[0].correct) for r in plain if r.task == task]) for task in tasks}


def cpq(requests: list[Request], baseline: float) -> Figure:
    """USD of thinking per percentage point over the baseline; bounds of the exact bootstrap distribution."""
    cost_usd = sum(t.thinking_cost_usd for r in requests for t in r.tries)
    n = len(requests)
    right = sum(r.tries[-1].correct for r in requests)
    # resampling n answers of which a share p is right gives Binomial(n, p) right ones
    least, most = (_binomial_quantile(n, right / n, q) / n for q in (0.025, 0.975))
    points = [100 * (accuracy - baseline) for accuracy in (right / n, most, least)]
    return Figure(cost_usd / points[0], cost_usd / points[1], cost_usd / points[2], n)


def ttr(requests: list[Request]) -> dict[str, float]:
    """Mean and quantiles of thinking tokens per request."""
    tokens = sorted(sum(t.thinking_tokens for t in r.tries) for r in requests)
    return {"mean": _mean([float(t) for t in tokens])} | {f"p{p}": _quantile(tokens, p / 100) for p in (50, 95, 99)}


def escr(requests: list[Request]) -> Figure:
    """Share that failed at tier 1 and went on."""
    return _wilson(sum(not r.tries[0].passed and len(r.tries) > 1 for r in requests), len(requests))


def vrate(requests: list[Request]) -> Figure:
    """Share of passed answers that are right."""
    passed = [t for r in requests for t in r.tries if t.passed]
    return _wilson(sum(t.correct for t in passed), len(passed))


def _try(row: dict[str, str]) -> Try:
    return Try(
        time=dt.datetime.fromisoformat(row["ts"]).replace(tzinfo=dt.UTC),
        model=row["model"],
        tier=int(row["tier"]),
        strategy=row["strategy"],
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        thinking_tokens=int(row["thinking_tokens"]),
        correct=row["correct"] == "1",
        score=float(row["verifier_score"]),
        recorded_cost_usd=float(row["cost_usd"]),
        error=row["error"],
    )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _quantile(ordered: list[int], q: float) -> float:
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _wilson(hits: int, n: int) -> Figure:
    p = hits / n
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Figure(p, middle - half, middle + half, n)


def _binomial_quantile(n: int, p: float, q: float) -> int:
    below = 0.0
    for k in range(n + 1):
        below += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        if below >= q:
            return k
    return n
