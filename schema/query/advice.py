"""What to change, in plain sentences: each names the number that it rests on, its interval and its sample."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import rate, tokens, usd
from thinkmeter.schema.policy import Policy
from thinkmeter.schema.query.report import ReportRow

Rows = Mapping[str, Sequence[ReportRow]]

FEW: Final = 10
"""A band of scores with fewer labels says nothing of its own."""


def advice(now: Rows, policy: Policy) -> list[str]:
    """Sentences for one task class, the dearest matter first; what cannot be said for lack of data is said, too.

    Args:
        now: metric -> its rows of one task class.
        policy: of that class.
    """
    return [sentence for read in _READERS for sentence in read(now, policy)]


def _thinking(now: Rows, policy: Policy) -> list[str]:
    found = []
    for row in now.get("cpq", ()):
        detail = row.detail
        spent = usd(detail.get("thinking_cost_usd"))
        if row.state in (State.NO_GAIN, State.WORSE):
            found.append(
                f"Thinking cost {spent} and brought no accuracy: {_points(detail)}, n = {row.n:,}. "
                "Try less of it, or none."
            )
        elif row.state == State.INCONCLUSIVE:
            found.append(
                f"Whether the {spent} of thinking bring accuracy is open: {_points(detail)}, n = {row.n:,}. "
                "More labels would tell."
            )
        elif row.state == State.INSUFFICIENT_DATA:
            found.append(f"Not enough data to say what thinking brings: {detail['reason']}.")
    return found


def _length(now: Rows, policy: Policy) -> list[str]:
    found = []
    for row in now.get("overthinking", ()):
        if row.state == State.OK and row.value and row.low is not None and row.low > 0:
            found.append(
                f"{_share(row)} of the thinking tokens lie past the length from which accuracy no longer rises: "
                f"{_cap(row.detail)} Hard requests think longer, so watch accuracy."
            )
    return found


def _cap(detail: Mapping[str, Any]) -> str:
    """The cap to try: the longest that the data leave room for, where it may be shorter."""
    found, low, high = (detail[f"suggested_cap{end}_tokens"] for end in ("", "_low", "_high"))
    if low == high:
        return f"try a cap of {tokens(found)} tokens."
    return (
        f"try a cap of {tokens(high)} tokens first; {tokens(found)} fit best, "
        f"and {tokens(low)} to {tokens(high)} cannot be told apart."
    )


def _escalation(now: Rows, policy: Policy) -> list[str]:
    found = []
    for row in now.get("escr", ()):
        if row.state == State.INSUFFICIENT_DATA:
            if row.n:
                found.append(f"Not enough data to judge the escalation rate: {row.detail['reason']}.")
        elif row.low is not None and row.low > policy.escalation_target:
            found.append(
                f"Of tier 1, {_share(row)} escalate, above the target of {rate(policy.escalation_target)}: "
                "send the kinds of requests that fail there to tier 2 at once, or better prompts to tier 1."
            )
    return found


def _verifier(now: Rows, policy: Policy) -> list[str]:
    found = []
    for row in now.get("vrate", ()):
        name = " ".join(str(part) for part in (row.key.get("verifier"), row.key.get("version")) if part)
        if row.state == State.INSUFFICIENT_DATA:
            found.append(f"Not enough data to judge the verifier {name}: {row.detail['reason']}.")
            continue
        if row.high is not None and row.high < policy.precision_target:
            better = _threshold(row.detail.get("thresholds") or (), policy.precision_target)
            found.append(
                f"Of what the verifier {name} passes, {_share(row)} is correct, below the target of "
                f"{rate(policy.precision_target)}: {better}."
            )
        found += _bands(name, row.detail.get("reliability") or ())
    return found


def _threshold(thresholds: Sequence[Mapping[str, Any]], target: float) -> str:
    for one in thresholds:
        if one["precision"] is not None and one["precision"] >= target:
            climbing = "" if one["escalation_rate"] is None else f" and {rate(one['escalation_rate'])} escalated"
            return f"a threshold of {one['threshold']:.2f} would have given {rate(one['precision'])}{climbing}"
    return "no threshold would have reached it, so that another verifier is needed"


def _bands(name: str, bands: Sequence[Mapping[str, Any]]) -> list[str]:
    """Bands of scores that are surer than they may be: the score lies above the interval of what was correct."""
    sure = [band for band in bands if band["n"] >= FEW and band["high"] is not None and band["score"] > band["high"]]
    if not sure:
        return []
    worst = max(sure, key=lambda band: float(band["score"] - band["correct"]))
    return [
        f"The verifier {name} is too sure: of answers with scores around {worst['score']:.2f}, "
        f"{rate(worst['correct'])} ({rate(worst['low'])} to {rate(worst['high'])}, n = {worst['n']:,}) are "
        "correct. Calibrate it."
    ]


def _routing(now: Rows, policy: Policy) -> list[str]:
    found = []
    for row in now.get("routing", ()):
        calibration = row.detail.get("calibration") or ()
        for entry in calibration:
            missed = 1 - policy.escalation_target
            if (
                entry["n"] >= policy.min_labels
                and entry["high"] < missed
                and entry["needed_higher"] > entry["right_nowhere"]
            ):
                found.append(
                    f"Of the requests that enter at tier {entry['entry_tier']}, {rate(entry['right_there'])} "
                    f"({rate(entry['low'])} to {rate(entry['high'])}, n = {entry['n']:,}) are right there and "
                    f"{rate(entry['needed_higher'])} needed a higher tier: route more of them there at once."
                )
        if not calibration:
            found.append("Not enough data to judge the router: no request is labelled at the tiers that it tried.")
        elif max(entry["n"] for entry in calibration) < policy.min_labels:
            most = max(entry["n"] for entry in calibration)
            found.append(f"Not enough data to judge the router: {most} of {policy.min_labels} labelled requests.")
    return found


def _points(detail: Mapping[str, Any]) -> str:
    low, high = detail["improvement_low_pp"], detail["improvement_high_pp"]
    return f"{detail['improvement_pp']:+.1f} points ({low:+.1f} to {high:+.1f})"


def _share(row: ReportRow) -> str:
    return f"{rate(row.value)} ({rate(row.low)} to {rate(row.high)}, n = {row.n:,})"


_READERS: Final[Sequence[Callable[[Rows, Policy], list[str]]]] = (_thinking, _length, _escalation, _verifier, _routing)
