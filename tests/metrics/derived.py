"""The derived views in plain Python, written from METRICS alone, attempt by attempt; and the traffic they are tried on.

Prices are those of `tests.schema.rows.price`: 1 USD in, 4 for thinking, 2 for the answer, a million tokens.
"""

import dataclasses
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tests.metrics.reference import mean, size, wilson
from tests.schema.rows import Row, label, span


@dataclasses.dataclass(frozen=True)
class Try:
    """One attempt; `thinking` is per call, None where that is unknown."""

    request: str
    number: int
    thinking: tuple[int | None, ...]
    correct: bool | None = None
    strategy: str = ""
    task: str = "math"
    chosen: float | None = None
    """Probability with which it was chosen for labelling."""
    kept: float | None = None
    """Probability with which its trace was kept."""
    budget: int | None = None
    answer: int | None = 500
    input: int = 1000
    at_s: float = 0.0

    @property
    def weight(self) -> float:
        return 1 / (self.kept or 1)

    @property
    def label_weight(self) -> float:
        return self.weight / (self.chosen or 1)

    @property
    def tokens(self) -> int | None:
        return None if None in self.thinking else sum(count for count in self.thinking if count is not None)

    @property
    def output(self) -> int | None:
        # where thinking is unknown, the call's output is known all the same
        return None if self.answer is None else sum((count or 0) + self.answer for count in self.thinking)

    @property
    def cost_usd(self) -> float | None:
        if self.tokens is None or self.answer is None:
            return None
        calls = len(self.thinking)
        return (calls * self.input + 4 * self.tokens + 2 * calls * self.answer) / 1e6


def rows(tries: Iterable[Try]) -> tuple[list[Row], list[Row]]:
    """Spans and labels."""
    spans, labels = [], []
    for one in tries:
        for sample, thinking in enumerate(one.thinking):
            output = None if one.answer is None else (thinking or 0) + one.answer
            spans.append(
                span(
                    at_s=one.at_s + 10 * one.number + sample,
                    request_id=one.request,
                    task=one.task,
                    attempt=one.number,
                    sample=sample,
                    strategy=one.strategy,
                    input_tokens=one.input,
                    output_tokens=output,
                    thinking_tokens=thinking,
                    budget_tokens=one.budget,
                    sampling_probability=one.kept,
                )
            )
        if one.correct is not None:
            columns: dict[str, Any] = {"attempt": one.number, "sampling_probability": one.chosen}
            labels.append(label(one.request, one.correct, at_s=one.at_s + 60, **columns))
    return spans, labels


def tries(seed: int = 5) -> Iterator[Try]:
    """Attempts of which longer ones are right more often up to 1,024 tokens, and then less often, being harder."""
    chance = random.Random(seed)
    for n in range(1200):
        thinking = round(2 ** chance.uniform(5, 13))
        right = chance.random() < (0.3, 0.4, 0.55, 0.75, 0.93, 0.9, 0.85, 0.75, 0.7)[thinking.bit_length() - 6]
        yield Try(
            f"long{n}",
            1,
            (None if n % 25 == 0 else thinking,),
            right if n % 6 else None,
            chosen=0.5 if n % 4 == 0 else None,
            kept=0.25 if n % 5 == 0 else None,
            budget=4096 if n % 3 == 0 else None,
            answer=None if n % 90 == 7 else 500,
            at_s=n,
        )
    # a first attempt without thinking, and one with it that is right more often
    for n in range(60):
        kept = 0.5 if n % 7 == 0 else None
        first = Try(f"pair{n}", 1, (0,), n % 3 == 0, chosen=0.8 if n % 4 == 0 else None, kept=kept, at_s=n)
        yield first
        yield dataclasses.replace(
            first, number=2, thinking=(300 + n,), correct=n % 5 != 0 if n % 6 else None, chosen=None
        )
    for n in range(120):
        strategy, calls = ("greedy", 1) if n % 2 else ("best_of_n", 4)
        right = n % 5 != 0 if strategy == "best_of_n" else n % 3 != 0
        yield Try(f"s{n}", 1, (100 + n % 7,) * calls, right if n % 12 else None, strategy, "search", at_s=n)
    for n in range(9):
        yield Try(f"few{n}", 1, (50,), True, "beam", "search", at_s=n)


def bin_of(tokens: int) -> int:
    """0 without thinking, else k for [2^(k-1), 2^k)."""
    k = 0
    while tokens >= 2**k:
        k += 1
    return k if tokens else 0


def share(chosen: Sequence[Try]) -> float:
    return mean([float(bool(one.correct)) for one in chosen], [one.label_weight for one in chosen])


def curve(chosen: Sequence[Try]) -> dict[int, tuple[float, tuple[float, float], int]]:
    """Length -> accuracy, its Wilson band and the number of labels."""
    by_bin: dict[int, list[Try]] = defaultdict(list)
    for one in chosen:
        if one.tokens is not None and one.correct is not None:
            by_bin[bin_of(one.tokens)].append(one)
    found = {}
    for length, some in sorted(by_bin.items()):
        n = size([one.label_weight for one in some])
        found[length] = share(some), wilson(share(some) * n, n), len(some)
    return found


def pooled(shares: Sequence[float], masses: Sequence[float]) -> list[float]:
    """The never falling curve nearest to them: neighbours that fall are pooled until none do."""
    blocks: list[tuple[float, float, int]] = []
    for value, mass in zip(shares, masses, strict=True):
        blocks.append((value, mass, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, m, k), (b, n, j) = blocks[-2:]
            blocks[-2:] = [((a * m + b * n) / (m + n), m + n, k + j)]
    return [value for value, _, k in blocks for _ in range(k)]


def knee(chosen: Sequence[Try], lengths: Sequence[int]) -> int:
    """The shortest of the lengths at which the rise to the top is within a standard error of the top."""
    by_bin: dict[int, list[Try]] = {length: [] for length in lengths}
    for one in chosen:
        if one.tokens is not None:
            by_bin[bin_of(one.tokens)].append(one)
    found = [(length, some) for length, some in by_bin.items() if some]
    shares = [share(some) for _, some in found]
    masses = [sum(one.label_weight for one in some) for _, some in found]
    fits = []
    for top in range(len(found)):
        up = pooled(shares[: top + 1], masses[: top + 1])
        down = pooled(shares[:top:-1], masses[:top:-1])[::-1]
        misfit = sum(m * (s - f) ** 2 for m, s, f in zip(masses, shares, up + down, strict=True))
        fits.append((round(misfit, 12), -top, up))
    _, _, up = min(fits)
    level = up[-1]
    weights = [one.label_weight for (_, some), f in zip(found, up, strict=False) if f == level for one in some]
    error = (level * (1 - level) / size(weights)) ** 0.5
    return min(length for (length, _), f in zip(found, up, strict=False) if f >= level - error - 1e-12)


def wasted(chosen: Sequence[Try], length: int) -> float:
    cap = 2**length if length else 0
    known = [(one.tokens, one.weight) for one in chosen if one.tokens is not None]
    return sum(w * max(t - cap, 0) for t, w in known) / sum(w * t for t, w in known)


def percentiles(draw: Callable[[random.Random], float], draws: int = 1000) -> tuple[float, float]:
    chance = random.Random(3)
    found = sorted(draw(chance) for _ in range(draws))
    return found[round(0.025 * (draws - 1))], found[round(0.975 * (draws - 1))]


def pairs(chosen: Sequence[Try]) -> list[tuple[bool, bool, float]]:
    """Within a request: correct without thinking, correct with it, weight."""
    by_request: dict[str, list[Try]] = defaultdict(list)
    for one in chosen:
        if one.correct is not None and one.tokens is not None:
            by_request[one.request].append(one)
    found = []
    for some in by_request.values():
        without = [one for one in some if one.tokens == 0]
        thought = [one for one in some if one.tokens]
        if without and thought:
            weight = without[0].weight / min(without[0].chosen or 1, thought[-1].chosen or 1)
            found.append((bool(without[0].correct), bool(thought[-1].correct), weight))
    return found


def efficiency(chosen: Sequence[Try]) -> tuple[int, float, float]:
    """Labelled requests, output tokens per correct answer, E3."""
    by_request: dict[str, list[Try]] = defaultdict(list)
    for one in chosen:
        by_request[one.request].append(one)
    final = []
    for some in by_request.values():
        outputs = [one.output for one in some]
        if some[-1].correct is not None and None not in outputs:
            final.append((some[-1], sum(output for output in outputs if output is not None)))
    weights = [one.label_weight for one, _ in final]
    accuracy = mean([float(bool(one.correct)) for one, _ in final], weights)
    tokens = mean([output for _, output in final], weights)
    return len(final), tokens / accuracy, accuracy**2 / tokens
