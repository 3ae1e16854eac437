"""The routing counterfactual and the router's calibration, against plain Python."""

import math
import random
from collections.abc import Sequence

import pytest
from clickhouse_connect.driver.client import Client

from tests.metrics import reference
from tests.metrics.traffic import SINCE, UNTIL, Attempt, Request, insert_traffic
from tests.schema.rows import insert, price
from thinkmeter.schema.query import Reader
from thinkmeter.schema.store.client import StoreAddress


def traffic() -> list[Request]:
    chance = random.Random(21)
    requests = []
    for n in range(300):
        entry = chance.choices([1, 2, 3], [7, 2, 1])[0]
        attempts = []
        for tier in range(entry, 4):
            right = chance.random() < 0.5 + 0.15 * tier
            thinking = None if chance.random() < 0.02 else round(chance.lognormvariate(4 + tier, 0.6))
            attempts.append(
                Attempt(
                    tier,
                    thinking,
                    1000 + (thinking or 0),
                    correct=right if chance.random() < 0.7 else None,
                    label_probability=0.5 if chance.random() < 0.2 else None,
                )
            )
            if right or chance.random() < 0.2:
                break
        requests.append(Request(f"r{n}", tuple(attempts), probability=0.5 if n % 5 == 0 else None, at_s=n))
    return requests


def mean_and_error(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Weighted mean and the squared standard error of it."""
    costs, weights = [value for value, _ in values], [weight for _, weight in values]
    mean = reference.mean(costs, weights)
    variance = reference.mean([(cost - mean) ** 2 for cost in costs], weights)
    return mean, variance / (reference.size(weights) - 1)


def needed(request: Request) -> int | None:
    """The tier that a request turned out to need; 0 where no answer was right, None where that is not known."""
    first, last = request.attempts[0], request.attempts[-1]
    if first.correct is None:
        return None
    if first.correct:
        return first.tier
    right = [attempt.tier for attempt in request.attempts if attempt.correct and attempt.tier]
    return min(right) if right else 0 if last.correct is False else None


def test_routing_against_all_at_one_tier(database: StoreAddress, client: Client) -> None:
    requests = traffic()
    insert(client, "prices", [price()])
    insert_traffic(client, requests)
    with Reader(database) as reader:
        report = reader.report("routing", since=SINCE, until=UNTIL)
    [row] = report.rows
    assert "all at tier 3 would cost less than is said" in report.note
    whole = []
    by_tier: dict[int, list[tuple[float, float]]] = {1: [], 2: [], 3: []}
    for request in requests:
        costs = [reference.cost_usd(attempt) for attempt in request.attempts]
        for attempt, cost in zip(request.attempts, costs, strict=True):
            if cost is not None and attempt.tier is not None:
                by_tier[attempt.tier].append((cost, reference.weight(request)))
        if None not in costs:
            whole.append((sum(cost for cost in costs if cost is not None), reference.weight(request)))
    actual, actual_error = mean_and_error(whole)
    top, top_error = mean_and_error(by_tier[3])
    half = 1.959963985 * math.sqrt(actual_error + top_error)
    assert (row.state, row.n, row.detail["uncosted_requests"]) == ("ok", len(whole), len(requests) - len(whole))
    assert row.value == pytest.approx(top - actual)
    assert (row.low, row.high) == pytest.approx((top - actual - half, top - actual + half))
    mass = sum(weight for _, weight in whole)
    assert row.detail["cost_usd"] == pytest.approx(actual * mass)
    for tier, values in by_tier.items():
        assert row.detail[f"all_tier_{tier}_usd"] == pytest.approx(mean_and_error(values)[0] * mass)
    assert row.detail["saved_usd"] == pytest.approx(row.detail["all_tier_3_usd"] - row.detail["cost_usd"])
    assert row.detail["estimated"]


def test_the_tier_that_requests_needed(database: StoreAddress, client: Client) -> None:
    requests = traffic()
    insert_traffic(client, requests)
    with Reader(database) as reader:
        [row] = reader.report("routing", since=SINCE, until=UNTIL).rows
    told = {one["entry_tier"]: one for one in row.detail["calibration"]}
    for entry in (1, 2, 3):
        mine = [one for one in requests if one.attempts[0].tier == entry and needed(one) is not None]
        weights = [reference.label_weight(one, one.attempts[0], one.attempts[-1]) for one in mine]
        assert told[entry]["n"] == len(mine)
        tiers = [needed(one) or 0 for one in mine]
        right = reference.mean([float(tier == entry) for tier in tiers], weights)
        assert told[entry]["right_there"] == pytest.approx(right)
        assert told[entry]["needed_higher"] == pytest.approx(
            reference.mean([float(tier > entry) for tier in tiers], weights)
        )
        assert told[entry]["right_nowhere"] == pytest.approx(
            reference.mean([float(tier == 0) for tier in tiers], weights)
        )
        n = reference.size(weights)
        assert (told[entry]["low"], told[entry]["high"]) == pytest.approx(reference.wilson(right * n, n))
    by_tier = {one["tier"]: one for one in row.detail["accuracy_by_tier"]}
    for tier in (1, 2, 3):
        judged = [(one, a) for one in requests for a in one.attempts if a.tier == tier and a.correct is not None]
        weights = [reference.label_weight(one, attempt) for one, attempt in judged]
        assert by_tier[tier]["n"] == len(judged)
        assert by_tier[tier]["correct"] == pytest.approx(
            reference.mean([float(bool(a.correct)) for _, a in judged], weights)
        )
    # nothing has a price there
    assert (row.value, row.state, row.detail["all_tier_3_usd"]) == (None, "insufficient_data", None)
    assert row.detail["reason"] == "0 of 20 requests whose cost is known"
