"""Reports of the product against the reference, number by number; a difference fails with its place."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.demo.reference.cost import cost
from tests.demo.reference.cpq import MIN_LABELS, cpq, states
from tests.demo.reference.intervals import Band
from tests.demo.reference.rates import MIN_REQUESTS, Share, escr, ttr, vrate
from tests.demo.reference.truth import Attempt, Request

Report = Mapping[str, Any]
Pinned = Mapping[str, float]


def by_task(requests: Sequence[Request]) -> dict[str, list[Request]]:
    tasks: dict[str, list[Request]] = {}
    for request in requests:
        tasks.setdefault(request.task, []).append(request)
    return tasks


def rows_of(report: Report, requests: Sequence[Request]) -> dict[str, dict[str, Any]]:
    rows = {row["key"]["task"]: row for row in report["rows"]}
    assert sorted(rows) == sorted(by_task(requests))
    return rows


def same(found: Any, wanted: Any, place: str, *, relative: float = 1e-9) -> None:
    assert found == (pytest.approx(wanted, rel=relative, abs=1e-12) if isinstance(wanted, float) else wanted), place


def assert_cost(report: Report, requests: Sequence[Request]) -> None:
    rows = rows_of(report, requests)
    for task, mine in by_task(requests).items():
        row, detail = rows[task], rows[task]["detail"]
        calls = [c for r in mine for c in r.calls]
        answers = cost(c for c in calls if c.role == "answer")
        judges = cost(c for c in calls if c.role == "verifier")
        same(row["value"], answers.total + judges.total, f"cost of {task}")
        for name in ("input", "cache", "thinking", "answer", "unsplit"):
            same(detail[f"{name}_usd"], getattr(answers, name), f"{name} of {task}")
        same(detail["verifier_usd"], judges.total, f"verifiers of {task}")
        same(row["n"], len(calls), f"calls of {task}")
        same(detail["requests"], len(mine), f"requests of {task}")
        same(detail["unpriced_calls"], 0, f"unpriced calls of {task}")
        same(detail["thinking_tokens"], sum(c.thinking_tokens or 0 for r in mine for c in r.answers), task)


def assert_ttr(report: Report, requests: Sequence[Request]) -> None:
    rows = rows_of(report, requests)
    for task, mine in by_task(requests).items():
        row, detail, wanted = rows[task], rows[task]["detail"], ttr(mine)
        if wanted.n < MIN_REQUESTS:
            assert (row["state"], row["value"]) == ("insufficient_data", None), task
            continue
        same(row["state"], "ok", f"state of {task}")
        same(row["n"], wanted.n, f"requests of {task}")
        same(row["value"], wanted.mean, f"mean of {task}")
        for name in ("p50", "p95", "p99"):
            same(detail[name], getattr(wanted, name), f"{name} of {task}")
        same(detail["left_out_share"], wanted.left_out, f"share of {task} left out")
        assert row["low"] in wanted.low, f"lower bound of {task}: {row['low']} not in {wanted.low}"
        assert row["high"] in wanted.high, f"upper bound of {task}: {row['high']} not in {wanted.high}"


def assert_escr(report: Report, requests: Sequence[Request]) -> None:
    rows = rows_of(report, requests)
    for task, mine in by_task(requests).items():
        row, detail, wanted = rows[task], rows[task]["detail"], escr(mine)
        assert_share(row, wanted.rate, wanted.rate.n, f"EscR of {task}")
        same(detail["pre_routed"], wanted.entered_above, f"pre-routed of {task}")
        same(detail["failed_not_escalated"], wanted.failed_not_escalated, f"failed and stayed of {task}")
        same(detail["escalated_without_verdict"], wanted.escalated_without_verdict, f"without verdict of {task}")
        same(detail["rescued_share"], wanted.rescued, f"rescued of {task}")
        mix = [sum(r.final.tier == tier for r in mine) / len(mine) for tier in (1, 2, 3)]
        same(detail["tier_mix"], pytest.approx(mix), f"tier mix of {task}")


def assert_vrate(report: Report, requests: Sequence[Request]) -> None:
    rows = {(r["key"]["task"], r["key"]["verifier"], r["key"]["version"]): r for r in report["rows"]}
    attempts: dict[tuple[str, str, str], list[Attempt]] = {}
    for request in requests:
        for attempt in request.attempts:
            if attempt.passed is not None:
                attempts.setdefault((request.task, attempt.verifier, attempt.version), []).append(attempt)
    assert sorted(rows) == sorted(attempts)
    for key, mine in attempts.items():
        row, wanted = rows[key], vrate(mine)
        assert_share(row, wanted.precision, wanted.labelled, f"VRate of {key}")
        same(row["detail"]["recall"], wanted.recall, f"recall of {key}")
        same(row["detail"]["false_positive_rate"], wanted.false_positive_rate, f"false positives of {key}")


def assert_share(row: Mapping[str, Any], wanted: Share, sample: int, place: str) -> None:
    """`sample`: so many labelled verdicts, or tier-1 verdicts, the share rests on."""
    if sample < MIN_LABELS:
        assert (row["state"], row["value"], row["n"]) == ("insufficient_data", None, sample), place
        return
    same(row["state"], "ok", f"state of {place}")
    same(row["n"], wanted.n, f"n of {place}")
    same(row["value"], wanted.value, place)
    # the product takes its Wilson interval from a library, the reference from the formula
    same(row["low"], wanted.low, f"lower bound of {place}")
    same(row["high"], wanted.high, f"upper bound of {place}")


def assert_cpq(report: Report, requests: Sequence[Request], pinned: Pinned) -> None:
    rows = rows_of(report, requests)
    for task, mine in by_task(requests).items():
        row, detail, wanted = rows[task], rows[task]["detail"], cpq(mine, pinned.get(task))
        assert row["state"] in states(wanted), f"state of {task}"
        if wanted is None:
            assert row["value"] is None, task
            continue
        same(detail["baseline_kind"], wanted.baseline_kind, f"baseline of {task}")
        same(row["n"], wanted.n, f"labelled of {task}")
        same(detail["requests"], wanted.population, f"population of {task}")
        same(detail["thinking_cost_usd"], wanted.thinking_cost_usd, f"thinking cost of {task}")
        same(detail["cost_per_request_usd"], wanted.cost_per_request_usd, f"cost per request of {task}")
        same(detail["accuracy"], wanted.accuracy, f"accuracy of {task}")
        same(detail["baseline"], wanted.baseline, f"baseline of {task}")
        same(detail["improvement_pp"], 100 * wanted.improvement, f"improvement of {task}")
        low, high = (Band(100 * band.least, 100 * band.most) for band in (wanted.low, wanted.high))
        assert detail["improvement_low_pp"] in low, f"{task}: {detail['improvement_low_pp']} not in {low}"
        assert detail["improvement_high_pp"] in high, f"{task}: {detail['improvement_high_pp']} not in {high}"
        if row["state"] not in ("ok", "inconclusive"):
            assert (row["value"], row["low"], row["high"]) == (None, None, None), task
            continue
        same(row["value"], wanted.value, f"CPQ of {task}")
        same(detail["cost_per_extra_correct_usd"], wanted.per_extra_correct_usd, f"per extra correct of {task}")
        # the interval of the value is its cost over the bounds of the improvement, the other way round
        same(row["low"], wanted.thinking_cost_usd / detail["improvement_high_pp"], f"lower bound of {task}")
        if row["state"] == "inconclusive":
            assert row["high"] is None, task
        else:
            same(row["high"], wanted.thinking_cost_usd / detail["improvement_low_pp"], f"upper bound of {task}")


def assert_reports(reports: Mapping[str, Report], requests: Sequence[Request], pinned: Pinned) -> None:
    """All four metrics and cost, by task."""
    assert_cost(reports["cost"], requests)
    assert_ttr(reports["ttr"], requests)
    assert_escr(reports["escr"], requests)
    assert_vrate(reports["vrate"], requests)
    assert_cpq(reports["cpq"], requests, pinned)


def changed(requests: Sequence[Request], **call: Any) -> list[Request]:
    """The requests with something else said of their first call, to see that the comparison sees it."""
    first, *others = requests
    attempt = first.attempts[0]
    calls = (dataclasses.replace(attempt.calls[0], **call), *attempt.calls[1:])
    attempts = (dataclasses.replace(attempt, calls=calls), *first.attempts[1:])
    return [dataclasses.replace(first, attempts=attempts), *others]
