"""Escalation rate: how often tier 1 fails its check and the request goes on to a higher tier."""

from typing import Any

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.metrics.statistics import weighted_mean, weighted_share
from thinkmeter.schema.policy import Policy


def escalation_rate(cells: Cells, policy: Policy) -> Estimate:
    """EscR of one group of requests, as a share of those that tier 1 answered first and a verifier judged.

    Args:
        cells: rows of `escr.sql`.
        policy: of the task class: `min_labels`, `escalation_target`, `tier_mix`.

    Returns:
        `n` is the number of tier-1 verdicts; `detail` has what went past the verifier, and what escalation bought.
    """
    settled = cells.where(cells["settled"])
    judged = settled.where((settled["entry_tier"] == 1) & (settled["passed"] >= 0))
    climbed = settled.where((settled["entry_tier"] == 1) & settled["escalated"].astype(bool))
    failed = judged["passed"] == 0
    n, requests = judged.count("requests"), settled.count("requests")
    detail: dict[str, Any] = {
        "requests": requests,
        "open_requests": cells.count("requests") - requests,
        "estimated": bool((settled["weight"] != 1).any()),
        "target": policy.escalation_target,
        "failed": judged.where(failed).count("requests"),
        "escalated": climbed.count("requests"),
        "failed_and_escalated": judged.where(failed & judged["escalated"].astype(bool)).count("requests"),
        "failed_not_escalated": judged.where(failed & ~judged["escalated"].astype(bool)).count("requests"),
        "escalated_after_pass": climbed.where(climbed["passed"] == 1).count("requests"),
        "escalated_without_verdict": climbed.where(climbed["passed"] < 0).count("requests"),
        "pre_routed": settled.where(settled["entry_tier"] > 1).count("requests"),
        "pre_routed_share": _share(settled.where(settled["entry_tier"] > 0), "entry_tier", above=1),
        **_tier_mix(settled, policy),
        **_rescues(climbed),
    }
    if n < policy.min_labels:
        return Estimate.insufficient(n, f"{n} of {policy.min_labels} tier-1 verdicts", detail)
    columns = failed & judged["escalated"].astype(bool), judged["requests"], judged["weight"]
    share, (low, high) = weighted_share(*columns)
    return Estimate(share, low, high, n, State.OK, detail)


def _share(cells: Cells, column: str, *, above: int) -> float | None:
    return weighted_mean(cells[column] > above, cells["requests"], cells["weight"]) if len(cells) else None


def _tier_mix(settled: Cells, policy: Policy) -> dict[str, Any]:
    """Share of requests that each tier answered, of those whose tier is known."""
    known = settled.where(settled["answer_tier"] > 0)
    mix = [weighted_mean(known["answer_tier"] == tier, known["requests"], known["weight"]) for tier in (1, 2, 3)]
    return {
        "tier_mix": mix if len(known) else None,
        "tier_mix_target": list(policy.tier_mix),
        "tier_unknown": settled.where(settled["answer_tier"] == 0).count("requests"),
    }


def _rescues(climbed: Cells) -> dict[str, Any]:
    """Wrong answers of tier 1 that escalation turned into right ones, among escalations labelled at both ends."""
    labelled = climbed.where((climbed["tier_1_correct"] >= 0) & (climbed["final_correct"] >= 0))
    detail: dict[str, Any] = dict.fromkeys(("rescued_share", "rescued_low", "rescued_high", "usd_per_rescued"))
    costed = float(climbed["costed_requests"] @ climbed["weight"])
    detail["usd_per_escalation"] = float(climbed["climb_usd"] @ climbed["weight"]) / costed if costed else None
    detail["labelled_escalations"] = labelled.count("requests")
    if len(labelled):
        rescued = (labelled["tier_1_correct"] == 0) & (labelled["final_correct"] == 1)
        weights = labelled["weight"] / labelled["label_probability"]
        share, (low, high) = weighted_share(rescued, labelled["requests"], weights)
        detail |= {"rescued_share": share, "rescued_low": low, "rescued_high": high}
        if share > 0 and detail["usd_per_escalation"] is not None:
            detail["usd_per_rescued"] = detail["usd_per_escalation"] / share
    return detail
