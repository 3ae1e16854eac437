"""Runaways, quotas, the forecast of the month and latency, against plain Python."""

import calendar
import datetime as dt
import random
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from tests.metrics import reference
from tests.metrics.traffic import SINCE, UNTIL, answered, climbed, insert_traffic
from tests.schema.rows import START, Row, insert, price, span
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.limits import Budgets, Quotas
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.forecast import forecast
from thinkmeter.schema.policy import Policy
from thinkmeter.schema.query import Reader
from thinkmeter.schema.rules import limit_rules, policy_rules, store_rules, timezone_rules
from thinkmeter.schema.store.client import StoreAddress


def alert(request_id: str, *, value: float, state: str = "firing", at_s: float = 60, **columns: Any) -> Row:
    """A runaway of the class sql, as the alert engine stores it."""
    time = START + dt.timedelta(seconds=at_s)
    return {
        "project": "default",
        "rule": "runaway",
        "key": request_id,
        "state": state,
        "time": time,
        "event": f"{request_id} {state} {at_s}",
        "task": "sql",
        "request_id": request_id,
        "model": "acme-think-1",
        "began": START,
        "cost_usd": value * 4e-6,
        "value": value,
        "threshold": 2400.0,
        "p95_factor": 2.0,
        "floor_tokens": 1000,
        "cap_tokens": None,
        "baseline_task": "sql",
        "baseline_since": START - dt.timedelta(days=7),
        "baseline_until": START,
        "baseline_n": 250,
        "baseline_p95": 1200.0,
        "baseline_bound": 1200.0,
        **columns,
    }


def test_runaways_come_with_the_baseline_they_were_judged_by(database: StoreAddress, client: Client) -> None:
    insert_traffic(
        client,
        [
            answered("calm", thinking=90),
            answered("wild", thinking=3000, user="ann"),
            answered("capped", thinking=9000, task="mail"),
        ],
    )
    capped: Row = {"task": "mail", "threshold": 8000.0, "cap_tokens": 8000, "baseline_task": "", "baseline_n": 12}
    insert(
        client,
        "alert_events",
        [
            alert("wild", value=2500.0),
            # what the request did after it had fired does not change what it was judged by
            alert("wild", value=3000.0, state="resolved", at_s=900, threshold=2600.0),
            alert("capped", value=9000.0, baseline_p95=None, baseline_bound=None, **capped),
            alert("elsewhere", value=5000.0),
        ],
    )
    with Reader(database) as reader:
        report = reader.report("runaways", since=SINCE, until=UNTIL)
        assert [(row.key, row.value, row.n, row.state) for row in report.rows] == [
            ({"task": "mail", "request": "capped"}, 9000.0, 12, "ok"),
            ({"task": "sql", "request": "wild"}, 3000.0, 250, "ok"),
        ]
        capped_detail, wild = (row.detail for row in report.rows)
        assert (wild["threshold_tokens"], wild["p95_factor"], wild["floor_tokens"]) == (2400.0, 2.0, 1000)
        assert wild["threshold_tokens"] == max(wild["p95_factor"] * wild["baseline_bound"], wild["floor_tokens"])
        assert (wild["baseline_task"], wild["baseline_p95"], wild["cap_tokens"]) == ("sql", 1200.0, None)
        assert (wild["baseline_since"], wild["baseline_until"]) == ("2026-10-25 12:00:00", "2026-11-01 12:00:00")
        assert (wild["alert_state"], wild["requests"], wild["times_threshold"]) == ("resolved", 2, 3000 / 2400)
        assert (capped_detail["baseline_task"], capped_detail["baseline_p95"]) == (None, None)
        assert capped_detail["cap_tokens"] == capped_detail["threshold_tokens"] == 8000
        assert report.note.startswith("No alert engine has run")
        [row] = reader.report("runaways", since=SINCE, until=UNTIL, by="user", task="sql").rows
        assert row.key == {"user": "ann", "request": "wild"}
        assert reader.report("runaways", since=UNTIL, until=UNTIL + dt.timedelta(days=1)).rows == ()


def test_daily_thinking_is_held_against_quotas(database: StoreAddress, client: Client) -> None:
    chance = random.Random(4)
    spans, used, unknown = [], defaultdict[Any, int](int), defaultdict[Any, int](int)
    for n in range(200):
        at_s = chance.uniform(0, 3 * 86_400)
        user, session = chance.choice(["ann", "bob", ""]), chance.choice(["s1", "s2"])
        request, thinking = f"r{n}", chance.choice([10, 200, 3000, None])
        # only one call of each request says whose it is
        said: Row = {"user_id": user, "session_id": session}
        columns: Row = {"request_id": request, "task": "sql", "output_tokens": 5000}
        spans += [
            span(at_s=at_s, thinking_tokens=thinking, **columns, **(said if n % 2 else {})),
            span(at_s=at_s + 1, thinking_tokens=7, **columns, **({} if n % 2 else said)),
            span(at_s=at_s + 2, thinking_tokens=9999, role="verifier", **columns),
        ]
        for name, owner in (("user", user), ("session", session)):
            for offset_s, count in ((0, thinking), (1, 7)):
                moment = START + dt.timedelta(seconds=at_s + offset_s)
                day = (moment + dt.timedelta(hours=5, minutes=30)).date().isoformat()
                if owner:
                    used[name, owner, day] += count or 0
                    unknown[name, owner, day] += count is None
    insert(client, "spans", spans)
    limits = Quotas(user_daily_thinking_tokens=15_000).model_dump(exclude_none=True)
    store_rules(client, "quota", limit_rules(limits))
    store_rules(client, "timezone", timezone_rules("Asia/Kolkata"))
    with Reader(database) as reader:
        rows = reader.report("quota", since=SINCE, until=UNTIL).rows
        found = {
            ("user" if row.key["user"] else "session", row.key["user"] or row.key["session"], row.key["day"]): row
            for row in rows
        }
        assert {key: row.value for key, row in found.items()} == used
        assert {key: row.detail["unknown_calls"] for key, row in found.items()} == unknown
        for (name, _, _), row in found.items():
            limit = 15_000 if name == "user" else None
            assert row.detail["limit_tokens"] == limit
            assert row.value is not None
            over = None if limit is None else row.value > limit or (None if row.detail["at_least"] else False)
            assert row.detail["over"] is over
            assert row.detail["used_share"] == (None if limit is None else pytest.approx(row.value / limit))
        assert any(row.detail["over"] for row in rows)
        mine = reader.report("quota", since=SINCE, until=UNTIL, by="session").rows
        assert {row.key["user"] for row in mine} == {None}
        assert {row.key["session"] for row in mine} == {"s1", "s2"}
        with pytest.raises(ThinkmeterError, match="quota is of all that a user thinks"):
            reader.report("quota", since=SINCE, until=UNTIL, task="sql")


def test_of_many_users_those_have_a_row_that_thought_most_or_come_near_the_limit(
    database: StoreAddress, client: Client
) -> None:
    insert_traffic(client, [answered(f"r{n}", thinking=n, user=f"u{n:03}") for n in range(1, 261)])

    def told() -> tuple[set[float | None], set[tuple[int, int]]]:
        with Reader(database) as reader:
            rows = reader.report("quota", since=SINCE, until=UNTIL, by="user").rows
        return {row.value for row in rows}, {(row.detail["owners"], row.detail["owners_over"]) for row in rows}

    assert told() == (set(range(61, 261)), {(260, 0)})
    limits = Quotas(user_daily_thinking_tokens=30).model_dump(exclude_none=True)
    store_rules(client, "quota", limit_rules(limits))
    assert told() == (set(range(16, 261)), {(260, 230)})


def test_unknown_thinking_is_no_use_of_zero(database: StoreAddress, client: Client) -> None:
    insert_traffic(client, [answered("r", thinking=None, user="ann")])
    with Reader(database) as reader:
        [row] = reader.report("quota", since=SINCE, until=UNTIL).rows
    assert (row.value, row.state, row.n) == (None, "insufficient_data", 1)
    assert row.detail["reason"] == "thinking is unknown: 1 of 1 calls"


def usual(history: list[float], first_weekday: int, horizon: int) -> list[float]:
    """For each day to come the mean of its weekday in the last 28 days."""
    told = []
    for ahead in range(horizon):
        weekday = (first_weekday + len(history) + ahead) % 7
        recent = list(enumerate(history))[-28:]
        told.append(
            reference.mean(
                [usd for day, usd in recent if (first_weekday + day) % 7 == weekday],
                [1.0 for day, _ in recent if (first_weekday + day) % 7 == weekday],
            )
        )
    return told


def test_the_month_is_forecast_with_a_band_that_was_tried(database: StoreAddress, client: Client) -> None:
    chance = random.Random(9)
    begin, end = dt.datetime(2026, 8, 1, tzinfo=dt.UTC), dt.datetime(2026, 10, 20, 18, tzinfo=dt.UTC)
    spans, costs = [], defaultdict[dt.date, float](float)
    day = begin
    while day < end:
        for _ in range(chance.randint(3, 6) if day.weekday() < 5 else 1):
            tokens = chance.randint(500_000, 1_500_000)
            moment = day + dt.timedelta(hours=chance.uniform(0, 17))
            if chance.random() < 0.9 or day == begin:
                spans.append(span(time=moment, input_tokens=tokens, output_tokens=0, thinking_tokens=0))
                costs[day.date()] += tokens / 1e6
        day += dt.timedelta(days=1)
    insert(client, "prices", [price()])
    insert(client, "spans", spans)
    store_rules(client, "budget", limit_rules(Budgets(monthly_usd=90).model_dump(exclude_none=True)))
    with Reader(database) as reader:
        [row] = reader.report("forecast", since=end - dt.timedelta(days=90), until=end).rows
        [split] = reader.report("forecast", since=end - dt.timedelta(days=90), until=end, by="task").rows
        [late] = reader.report("forecast", since=end - dt.timedelta(days=7), until=end).rows
    # the day on which traffic began is left out: it may be half a day
    days = [dt.date(2026, 8, 2) + dt.timedelta(days=n) for n in range((end.date() - dt.date(2026, 8, 2)).days)]
    history = [costs[one] for one in days]
    horizon = calendar.monthrange(2026, 10)[1] - 20 + 1
    told = usual(history, days[0].weekday(), horizon)
    rest = told[0] * 0.25 + sum(told[1:])
    so_far = sum(usd for one, usd in costs.items() if one.month == 10)
    errors = []
    for origin in range(14, len(history) - horizon + 1):
        then = sum(usual(history[:origin], days[0].weekday(), horizon))
        errors.append(abs(sum(history[origin : origin + horizon]) - then) / then)
    error = sorted(errors)[int(np.ceil(0.95 * (len(errors) + 1))) - 1]
    assert (row.state, row.n, row.detail["backtests"]) == ("ok", len(history), len(errors))
    assert row.detail["month_to_date_usd"] == pytest.approx(so_far)
    assert row.value == pytest.approx(so_far + rest)
    assert (row.low, row.high) == pytest.approx((so_far + rest * (1 - error), so_far + rest * (1 + error)))
    assert row.detail["backtest_median_error"] == pytest.approx(float(np.median(errors)))
    assert (row.detail["budget_usd"], row.detail["over_budget"]) == (90.0, _over(row.low, row.value, row.high, 90.0))
    assert split.value == pytest.approx(row.value)
    assert split.detail["budget_usd"] is None
    assert (late.value, late.state) == (None, "insufficient_data")
    assert late.detail["reason"] == "the window begins after 2026-10-01, as the month did"


def _over(low: float | None, value: float | None, high: float | None, budget: float) -> str:
    assert low is not None
    assert value is not None
    assert high is not None
    return "certain" if low > budget else "likely" if value > budget else "possible" if high > budget else "no"


def days(costs: list[float], *, last: dt.date, first: dt.date | None = None) -> Cells:
    """One row a day with cost, up to the day before `last`."""
    dates = [last - dt.timedelta(days=n) for n in range(len(costs), 0, -1)]
    ones = np.ones(len(costs), int)
    return Cells.of(
        day=[one.isoformat() for one in dates],
        usd=np.array(costs),
        seen_usd=np.array(costs),
        sampled_calls=0 * ones,
        last_day=[last.isoformat()] * len(costs),
        last_day_share=0 * ones,
        first_day=[(first or dates[0]).isoformat()] * len(costs),
        budget_usd=-1.0 * ones,
        calls=ones,
        uncosted_calls=0 * ones,
    )


def test_a_short_history_has_no_forecast() -> None:
    estimate = forecast(days([5.0] * 10, last=dt.date(2026, 10, 20), first=dt.date(2026, 9, 1)), Policy())
    assert (estimate.value, estimate.detail["reason"]) == (None, "9 of 14 whole days of history")
    estimate = forecast(days([5.0] * 40, last=dt.date(2026, 10, 20), first=dt.date(2026, 9, 1)), Policy())
    assert (estimate.state, estimate.value) == ("insufficient_data", None)
    assert estimate.detail["reason"] == "39 of 44 whole days of history, to try forecasts over 12 days"
    estimate = forecast(days([5.0] * 45, last=dt.date(2026, 10, 20), first=dt.date(2026, 9, 1)), Policy())
    assert (estimate.state, estimate.value, estimate.low, estimate.high) == ("ok", 155.0, 155.0, 155.0)


def test_a_month_without_any_cost_is_unknown_and_not_free() -> None:
    unknown = days([5.0] * 45 + [0.0] * 19, last=dt.date(2026, 10, 20), first=dt.date(2026, 8, 1))
    estimate = forecast(unknown, Policy())
    assert estimate.detail["month_to_date_usd"] == 0  # nothing was billed
    unknown.columns["uncosted_calls"][-1] = 1
    estimate = forecast(unknown, Policy())
    assert (estimate.value, estimate.state) == (None, State.INSUFFICIENT_DATA)
    assert estimate.detail["reason"] == "no call of the month has a cost"
    assert (estimate.detail["month_to_date_usd"], estimate.detail["month_to_date_seen_usd"]) == (None, None)


def test_the_band_holds_what_comes_as_often_as_it_says() -> None:
    held = trials = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        weekly = np.where(np.arange(200) % 7 < 5, 10.0, 3.0)
        costs = weekly * chance.lognormal(0, 0.4, 200)
        last = dt.date(2026, 10, 12)
        estimate = forecast(days(list(costs[:110]), last=last), Policy())
        truth = costs[110 - 11 : 110].sum() + costs[110 : 110 + 20].sum()
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= truth <= estimate.high
        trials += 1
    assert held / trials >= 0.85  # back-tests overlap, so the band is a little narrower than its name
    assert held < trials


def test_latency_is_told_for_each_wait(database: StoreAddress, client: Client) -> None:
    chance = random.Random(2)
    spans, waits = [], defaultdict[str, list[float]](list)
    for n in range(150):
        whole, first = chance.lognormvariate(8, 1), chance.lognormvariate(6, 1) if n % 3 else None
        spans.append(
            span(at_s=n, task="chat", duration_ns=int(whole * 1e6), time_to_first_chunk_ms=first, request_id=f"r{n}")
        )
        waits["end"].append(whole)
        if first is not None:
            waits["first chunk"].append(first)
    spans.append(span(task="chat", request_id="failed", duration_ns=10**15, error_type="timeout"))
    spans.append(span(task="chat", request_id="r1", role="verifier", duration_ns=10**15))
    insert(client, "spans", spans)
    policy = Policy(ttft_target_ms=1500)
    store_rules(client, "policy", policy_rules({"chat": policy.model_dump_json()}))
    with Reader(database) as reader:
        rows = {row.key["until"]: row for row in reader.report("latency", since=SINCE, until=UNTIL).rows}
    for until, values in waits.items():
        row = rows[until]
        assert (row.state, row.n) == ("ok", len(values))
        # values are told to three digits
        assert row.value == pytest.approx(reference.percentile(values, 95), rel=0.006)
        assert row.detail["p50"] == pytest.approx(reference.percentile(values, 50), rel=0.006)
        assert (row.low, row.high) == pytest.approx(reference.order_statistics(values, 0.95), rel=0.006)
    assert not rows["end"].detail["estimated"]
    chunk = rows["first chunk"]
    within = sum(wait <= 1500 for wait in waits["first chunk"]) / len(waits["first chunk"])
    assert (chunk.detail["target_ms"], rows["end"].detail["target_ms"]) == (1500, None)
    assert chunk.detail["within_target"] == pytest.approx(within, abs=0.011)
    assert rows["first answer token"].detail["reason"] == "0 of 20 calls that tell it"


def test_a_cascade_is_no_runaway_by_itself(database: StoreAddress, client: Client) -> None:
    insert_traffic(client, [climbed(f"r{n}", was=False, became=True) for n in range(5)])
    with Reader(database) as reader:
        assert reader.report("runaways", since=SINCE, until=UNTIL).rows == ()


def test_latency_of_sampled_calls_stands_for_more(database: StoreAddress, client: Client) -> None:
    # of the fast calls every tenth was kept
    kept = [(100.0, 0.1)] * 20 + [(5_000.0, 1.0)] * 20
    insert(
        client,
        "spans",
        [
            span(at_s=n, task="chat", request_id=f"r{n}", duration_ns=int(ms * 1e6), sampling_probability=probability)
            for n, (ms, probability) in enumerate(kept)
        ],
    )
    with Reader(database) as reader:
        rows = {row.key["until"]: row for row in reader.report("latency", since=SINCE, until=UNTIL).rows}
    assert (rows["end"].n, rows["end"].detail["estimated"]) == (40, True)
    # 20 of 220: the p95 is among the slow ones, the median among the fast ones
    assert (rows["end"].value, rows["end"].detail["p50"]) == (5_000.0, 100.0)
