"""Strategies side by side: what each brings and costs, and what it costs to be right once more than greedily."""

from typing import Any, Final

import numpy as np

from thinkmeter.schema.metrics import statistics
from thinkmeter.schema.metrics.cells import Cells, Column
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import percentile_interval, resampled_means, weighted_mean, weighted_share
from thinkmeter.schema.policy import Policy

_COMPARED: Final = ("gain_pp", "gain_low_pp", "gain_high_pp", "extra_cost_usd")
_PRICE: Final = ("cost_per_extra_correct_usd", "cost_per_extra_correct_low_usd", "cost_per_extra_correct_high_usd")


def strategies(cells: Cells, policy: Policy, greedy: Cells | None) -> Estimate:
    """Accuracy of the attempts of one strategy, with what they cost, and against those of `greedy`.

    Args:
        cells: rows of `strategies.sql` of one strategy.
        policy: of the task class: `min_labels`.
        greedy: those of greedy attempts of the same group; None where there are none.

    Returns:
        `n` is the number of labelled attempts. `comparison_state` in `detail` is that of the gain over greedy: as
        CPQ's, and `insufficient_data` where either side has too few labels. Costs are totals and not drawn again.
    """
    settled = cells.where(cells["settled"])
    labelled = settled.where(settled["is_correct"] >= 0)
    n, weight = labelled.count("attempts"), settled["weight"]
    detail: dict[str, Any] = {
        "attempts": settled.count("attempts"),
        "open_attempts": cells.count("attempts") - settled.count("attempts"),
        "estimated": bool((weight != 1).any()),
        "calls_per_attempt": _per(settled, "calls", "attempts"),
        "thinking_tokens_per_attempt": _per(settled, "thinking", "thinking_known"),
        "output_tokens_per_attempt": _per(settled, "output", "output_known"),
        "cost_per_attempt_usd": _per(settled, "costed_usd", "costed_attempts"),
        "uncosted_attempts": settled.count("attempts") - settled.count("costed_attempts"),
        "cost_of_pass_usd": None,
        **dict.fromkeys((*_COMPARED, *_PRICE)),
        "comparison_state": None,
    }
    if n < policy.min_labels:
        if greedy is not cells:
            detail["comparison_state"] = State.INSUFFICIENT_DATA.value
        return Estimate.insufficient(n, f"{n} of {policy.min_labels} labelled attempts", detail)
    accuracy, (low, high) = weighted_share(labelled["is_correct"], labelled["attempts"], _weights(labelled))
    if accuracy and detail["cost_per_attempt_usd"] is not None:
        detail["cost_of_pass_usd"] = detail["cost_per_attempt_usd"] / accuracy
    if greedy is not cells:
        base = None if greedy is None else greedy.where(greedy["settled"])
        detail |= _against(settled, base, policy.min_labels)
    return Estimate(accuracy, low, high, n, State.OK, detail)


def _against(settled: Cells, base: Cells | None, min_labels: int) -> dict[str, Any]:
    """Gain over greedy and what one more correct answer costs."""
    mine = settled.where(settled["is_correct"] >= 0)
    theirs = None if base is None else base.where(base["is_correct"] >= 0)
    if base is None or theirs is None or theirs.count("attempts") < min_labels:
        return {"comparison_state": State.INSUFFICIENT_DATA.value}
    rng = np.random.default_rng(statistics.SEED)
    gain = _accuracy(mine) - _accuracy(theirs)
    drawn = [resampled_means(side["is_correct"], side["attempts"], _weights(side), rng) for side in (mine, theirs)]
    low, high = percentile_interval(drawn[0] - drawn[1], gain)
    assert low is not None
    assert high is not None
    costs = [_per(side, "costed_usd", "costed_attempts") for side in (settled, base)]
    extra = None if costs[0] is None or costs[1] is None else costs[0] - costs[1]
    state = State.OK if low > 0 else State.INCONCLUSIVE if gain > 0 else State.WORSE if high < 0 else State.NO_GAIN
    told: dict[str, Any] = dict(zip(_COMPARED, (100 * gain, 100 * low, 100 * high, extra), strict=True))
    told |= {"comparison_state": state.value, "confounded": True}
    # where it is both better and cheaper, a price of being better makes no sense
    if extra is not None and extra > 0 and gain > 0:
        told |= dict(zip(_PRICE, (extra / gain, extra / high, extra / low if low > 0 else None), strict=True))
    return told


def _accuracy(labelled: Cells) -> float:
    return weighted_mean(labelled["is_correct"], labelled["attempts"], _weights(labelled))


def _weights(labelled: Cells) -> Column:
    return labelled["weight"] / labelled["label_probability"]


def _per(cells: Cells, what: str, of: str) -> float | None:
    whole = float(cells[of] @ cells["weight"])
    return float(cells[what] @ cells["weight"]) / whole if whole else None
