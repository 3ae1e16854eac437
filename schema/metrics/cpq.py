"""Cost per quality point: thinking cost over the improvement in accuracy that the thinking brought."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from thinkmeter.schema.metrics import statistics
from thinkmeter.schema.metrics.cells import Cells, Column
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import (
    Interval,
    effective_size,
    percentile_interval,
    resampled_means,
    score_interval,
    weighted_mean,
)
from thinkmeter.schema.policy import Policy

MIN_THOUGHT: Final = 10
"""So many labelled requests of a paired comparison must have a final attempt that thought."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """Labelled requests that count `factor` times their mean; `gains` is what each of them adds."""

    factor: float
    cells: Cells
    gains: Column
    weights: Column

    @property
    def mean(self) -> float:
        return weighted_mean(self.gains, self.cells["requests"], self.weights)

    @property
    def size(self) -> float:
        return effective_size(self.cells["requests"], self.weights)

    def draws(self, rng: np.random.Generator) -> Column:
        return resampled_means(self.gains, self.cells["requests"], self.weights, rng)

    def share(self, column: str) -> float:
        return weighted_mean(self.cells[column], self.cells["requests"], self.weights)


@dataclasses.dataclass(frozen=True, slots=True)
class _Comparison:
    """Accuracy against a baseline, over a population of requests."""

    kind: str
    population: Cells
    accuracy: float
    baseline: float
    groups: Sequence[_Group]
    offset: float = 0.0

    @property
    def labelled(self) -> int:
        return sum(group.cells.count("requests") for group in self.groups)

    def improvement(self) -> tuple[float, Interval]:
        """Improvement as a fraction, with its interval: labelled requests are drawn again, group by group.

        Where accuracies are compared, no narrower than what Wilson's intervals of them allow: drawing again cannot show
        what a sample does not hold, and a sample without a wrong answer would have an interval without width.
        """
        rng = np.random.default_rng(statistics.SEED)
        means = self.offset + sum(group.factor * group.mean for group in self.groups)
        draws = self.offset + np.sum([group.factor * group.draws(rng) for group in self.groups], axis=0)
        low, high = percentile_interval(draws, means)
        assert low is not None
        assert high is not None
        if self.kind == "paired":
            return means, Interval(low, high)
        least, most = score_interval((group.factor, group.mean, group.size) for group in self.groups)
        assert least is not None
        assert most is not None
        return means, Interval(min(low, self.offset + least), max(high, self.offset + most))


def cost_per_quality_point(cells: Cells, policy: Policy) -> Estimate:
    """CPQ of one group of requests, in USD per percentage point.

    Args:
        cells: rows of `cpq.sql`.
        policy: of the task class: `baseline_accuracy` and `min_labels`.

    Returns:
        `n` is the number of labelled requests that were compared. The state is `ok` where the improvement is above 0
        with its whole interval, `inconclusive` where the interval reaches 0 (then without `high`), `no_gain` or
        `worse` where there is no improvement.
    """
    settled = cells.where(cells["settled"])
    opened = cells.where(~cells["settled"].astype(bool)).count("requests")
    if policy.baseline_accuracy is not None:
        found = _pinned(settled, policy.baseline_accuracy, policy.min_labels)
    else:
        found = _paired(settled, policy.min_labels)
        if isinstance(found, str):
            second = _unpaired(settled, policy.min_labels)
            found = f"no baseline: paired has {found}; unpaired has {second}" if isinstance(second, str) else second
    population = settled if isinstance(found, str) else found.population
    measured = None if isinstance(found, str) or found.kind == "unpaired" else found.accuracy
    detail = {"requests": population.count("requests"), "open_requests": opened, **_money(population, measured)}
    labelled = settled.where(settled["final_correct"] >= 0).count("requests")
    if isinstance(found, str):
        if labelled < policy.min_labels:
            found = f"{labelled} of {policy.min_labels} labels"
        return Estimate.insufficient(labelled, found, {"baseline_kind": None, **detail})
    return _estimate(found, detail)


def _estimate(found: _Comparison, detail: dict[str, Any]) -> Estimate:
    improvement, (low, high) = found.improvement()
    assert low is not None
    assert high is not None
    cost = detail["thinking_cost_usd"]
    detail = {
        "baseline_kind": found.kind,
        "confounded": found.kind == "unpaired",
        "accuracy": found.accuracy,
        "baseline": found.baseline,
        "improvement_pp": 100 * improvement,
        "improvement_low_pp": 100 * low,
        "improvement_high_pp": 100 * high,
        **detail,
    }
    if cost is None:
        reason = "no thinking has a price" if detail["left_out_call_share"] else "no calls"
        return Estimate.insufficient(found.labelled, reason, detail)
    if improvement <= 0:
        state = State.WORSE if high < 0 else State.NO_GAIN
        return Estimate(None, None, None, found.labelled, state, detail)
    weight = float(found.population["requests"] @ found.population["weight"])
    detail["cost_per_extra_correct_usd"] = cost / weight / improvement
    value, cheapest = cost / (100 * improvement), cost / (100 * high)
    if low <= 0:
        return Estimate(value, cheapest, None, found.labelled, State.INCONCLUSIVE, detail)
    return Estimate(value, cheapest, cost / (100 * low), found.labelled, State.OK, detail)


def _money(population: Cells, accuracy: float | None) -> dict[str, Any]:
    """What the population cost, each and by pass; a cost is None where nothing of it is known.

    The accuracy is that of the comparison where it speaks of the whole population, else of all that is labelled.
    """
    weight, calls, left_out = population["weight"], population.count("calls"), population.count("left_out_calls")
    thinking = float(weight @ population["thinking_usd"])
    costed = float(weight @ population["costed_requests"])
    per_request = float(weight @ population["costed_usd"]) / costed if costed else None
    judged = population.where(population["final_correct"] >= 0)
    if accuracy is None and len(judged):
        accuracy = weighted_mean(judged["final_correct"], judged["requests"], _weights(judged))
    return {
        "thinking_cost_usd": None if thinking == 0 and (left_out > 0 or calls == 0) else thinking,
        "left_out_call_share": left_out / calls if calls else 0.0,
        "cost_per_request_usd": per_request,
        "labelled": judged.count("requests"),
        "population_accuracy": accuracy,
        "cost_of_pass_usd": per_request / accuracy if accuracy and per_request is not None else None,
        "estimated": bool((weight != 1).any()),
    }


def _pinned(settled: Cells, baseline: float, min_labels: int) -> _Comparison | str:
    judged = settled.where(settled["final_correct"] >= 0)
    if (n := judged.count("requests")) < min_labels:
        return f"{n} of {min_labels} labels"
    group = _Group(1.0, judged, judged["final_correct"], _weights(judged))
    return _Comparison("pinned", settled, group.mean, baseline, [group], offset=-baseline)


def _paired(settled: Cells, min_labels: int) -> _Comparison | str:
    population = settled.where(settled["began_without_thinking"])
    if not len(population):
        return "no request that began without thinking"
    groups: list[_Group] = []
    for escalated in (0, 1):
        stratum = population.where(population["escalated"].astype(bool) == bool(escalated))
        if not len(stratum):
            continue
        pairs = stratum.where((stratum["final_correct"] >= 0) & (stratum["began_correct"] >= 0))
        if not len(pairs):
            return f"no label of requests that were {'' if escalated else 'not '}escalated"
        mass = float(stratum["requests"] @ stratum["weight"]) / float(population["requests"] @ population["weight"])
        gains = pairs["final_correct"] - pairs["began_correct"]
        probability = np.minimum(pairs["final_label_probability"], pairs["began_label_probability"])
        groups.append(_Group(mass, pairs, gains, pairs["weight"] / probability))
    labelled = sum(group.cells.count("requests") for group in groups)
    thought = sum(group.cells.where(group.cells["final_thought"]).count("requests") for group in groups)
    if labelled < min_labels:
        return f"{labelled} of {min_labels} requests labelled at both ends"
    if thought < MIN_THOUGHT:
        return f"{thought} of {MIN_THOUGHT} labelled requests whose final attempt thought"
    accuracy, baseline = (
        sum(group.factor * group.share(column) for group in groups) for column in ("final_correct", "began_correct")
    )
    return _Comparison("paired", population, accuracy, baseline, groups)


def _unpaired(settled: Cells, min_labels: int) -> _Comparison | str:
    judged = settled.where(settled["final_correct"] >= 0)
    some, none = judged.where(judged["thought"] == 1), judged.where(judged["thought"] == 0)
    if min(some.count("requests"), none.count("requests")) < min_labels:
        return (
            f"{some.count('requests')} labels with thinking and {none.count('requests')} without, of {min_labels} each"
        )
    with_it, without = (
        _Group(factor, group, group["final_correct"], _weights(group)) for factor, group in ((1.0, some), (-1.0, none))
    )
    return _Comparison("unpaired", settled, with_it.mean, without.mean, [with_it, without])


def _weights(cells: Cells) -> Column:
    return cells["weight"] / cells["final_label_probability"]
