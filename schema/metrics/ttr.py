"""Thinking token rate: how many tokens requests of a class think."""

from typing import Any, Final

import numpy as np

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import Ranked, mean_interval, weighted_mean
from thinkmeter.schema.policy import Policy

QUANTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def thinking_token_rate(cells: Cells, policy: Policy) -> Estimate:
    """TTR of one group of requests: mean thinking tokens a request, with its quantiles in `detail`.

    Args:
        cells: rows of `ttr.sql`.
        policy: of the task class: `min_requests`.

    Returns:
        `n` is the number of requests whose thinking is known; `detail` states the share of the others.
    """
    settled = cells.where(cells["settled"])
    known = settled.where(settled["tokens"] >= 0)
    n, requests = known.count("requests"), settled.count("requests")
    detail: dict[str, Any] = {
        "requests": requests,
        "open_requests": cells.count("requests") - requests,
        "left_out_share": (requests - n) / requests if requests else 0.0,
        "estimated": bool((settled["weight"] != 1).any()),
    }
    if n < policy.min_requests:
        return Estimate.insufficient(n, f"{n} of {policy.min_requests} requests whose thinking is known", detail)
    known = known.at(np.argsort(known["tokens"], kind="stable"))  # the same draws, in whichever order rows come
    columns = known["tokens"], known["requests"], known["weight"]
    ranked = Ranked.of(*columns)
    for name, share in QUANTILES.items():
        low, high = ranked.interval(share)
        detail |= {name: ranked.quantile(share), f"{name}_low": low, f"{name}_high": high}
    low, high = mean_interval(*columns)
    return Estimate(weighted_mean(*columns), low, high, n, State.OK, detail)
