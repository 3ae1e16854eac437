"""Baselines in the store against a plain reading of METRICS, Runaway."""

import datetime as dt
import itertools
import math
from fractions import Fraction
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.alerts.traffic import insert_settled, request
from tests.schema.rows import insert, select, span
from thinkmeter.collector.jobs.baselines import refresh_baselines
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.schema.alerting.baselines import bounding_ranks, make_baselines, minute_of, read_baselines
from thinkmeter.schema.rules import Rule, store_rules

MINUTE = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)
SETTLING = dt.timedelta(minutes=5)
_projects = (f"project-{n}" for n in itertools.count())


def put(client: Client, project: str, requests: list[tuple[str, int | None, dt.datetime]]) -> None:
    """Requests of one call: task class, thinking tokens, when they settled."""
    columns = ["project", "request_id", "time", "duration_ns", "stated_task", "told_thinking_tokens", "output_tokens"]
    rows = [
        [project, f"r{n}", settled - SETTLING - dt.timedelta(seconds=1), 10**9, task, tokens, 10**6]
        for n, (task, tokens, settled) in enumerate(requests)
    ]
    if rows:
        client.insert("call_facts", rows, column_names=columns)


def quantile(ordered: list[int], q: float) -> float:
    """Linear interpolation between closest ranks."""
    position = q * (len(ordered) - 1)
    below, above = math.floor(position), math.ceil(position)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def bounding_rank(n: int) -> int:
    """The smallest k with P(Bin(n, 0.95) < k) >= 0.95, in fractions."""
    q, below = Fraction(95, 100), Fraction(0)
    for k in range(n + 1):
        if below >= q:
            return k
        below += math.comb(n, k) * q**k * (1 - q) ** (n - k)
    raise AssertionError(f"no order statistic of {n} bounds the p95")


def expected(tokens: list[int]) -> tuple[int, float, float | None]:
    """n, p95 and bound."""
    ordered = sorted(tokens)
    n, p95 = len(ordered), quantile(ordered, 0.95)
    if n >= 200:
        return n, p95, p95
    return n, p95, ordered[bounding_rank(n) - 1] if n >= 59 else None


def this_minute() -> list[dt.datetime]:
    """The minute that just was now: this one, or the one before where it has just begun."""
    now = minute_of(dt.datetime.now(dt.UTC))
    return [now - dt.timedelta(minutes=1), now]


def test_the_ranks_are_those_of_the_binomial() -> None:
    assert bounding_ranks() == [bounding_rank(n) for n in range(59, 200)]
    with pytest.raises(AssertionError):
        bounding_rank(58)


@examples(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    sizes=st.dictionaries(st.sampled_from(["sql", "chat", ""]), st.sampled_from([1, 58, 59, 60, 130, 199, 200, 260])),
    unknown_share=st.sampled_from([0.0, 0.1]),
    spread=st.sampled_from([1, 10, 100_000]),
    random=st.randoms(use_true_random=False),
)
def test_baselines_are_what_a_plain_reading_gives(
    client: Client, sizes: dict[str, int], unknown_share: float, spread: int, random: Any
) -> None:
    project = next(_projects)
    requests = [
        (
            task,
            None if random.random() < unknown_share else random.randrange(spread),
            MINUTE - dt.timedelta(seconds=random.randint(-600, 8 * 86400)),
        )
        for task, size in sizes.items()
        for _ in range(size)
    ]
    put(client, project, requests)
    make_baselines(client, [MINUTE], [project])
    known = {
        task: [
            tokens
            for of, tokens, settled in requests
            if tokens is not None and MINUTE - WEEK <= settled < MINUTE and task in (of or "unknown", "default")
        ]
        for task in ("sql", "chat", "unknown", "default")
    }
    found = {b.task: b for baselines in read_baselines(client, project, [MINUTE]).values() for b in baselines}
    assert found.keys() == {task for task, tokens in known.items() if tokens}
    for task, baseline in found.items():
        n, p95, bound = expected(known[task])
        assert baseline.n == n
        assert baseline.p95 == pytest.approx(p95, rel=1e-12)
        assert baseline.bound == (None if bound is None else pytest.approx(bound, rel=1e-12))
        assert (baseline.since, baseline.until) == (MINUTE - WEEK, MINUTE)


def test_the_window_takes_its_beginning_and_not_its_end(client: Client) -> None:
    instant = dt.timedelta(seconds=1)
    put(
        client,
        "edges",
        [
            ("a", 1, MINUTE - WEEK - instant),
            ("a", 2, MINUTE - WEEK),
            ("a", 4, MINUTE - instant),
            ("a", 8, MINUTE),
        ],
    )
    make_baselines(client, [MINUTE])
    [baselines] = read_baselines(client, "edges", [MINUTE]).values()
    assert {(b.task, b.n, b.p95) for b in baselines} == {("a", 2, 3.9), ("default", 2, 3.9)}


def test_what_came_since_requests_were_made_counts_as_if_they_were_made_anew(client: Client) -> None:
    """Requests are made by a job of its own, every two seconds, and after other rules all anew."""

    def made(minute: dt.datetime) -> dict[str, tuple[int, float, float | None]]:
        make_baselines(client, [minute])
        [baselines] = read_baselines(client, "late", [minute]).values()
        return {b.task: (b.n, b.p95, b.bound) for b in baselines}

    settled = [MINUTE - dt.timedelta(hours=1 + n) for n in range(100)]
    put(client, "late", [*(("a", n, at) for n, at in enumerate(settled)), ("a", None, settled[0])])
    refresh_requests(client, budget_s=None)
    assert made(MINUTE) == {"a": expected([*range(100)]), "default": expected([*range(100)])}
    columns = "project, request_id, time, duration_ns, stated_task, told_thinking_tokens, output_tokens, version"
    later = "SELECT {}, now64(6){} FROM call_facts WHERE project = 'late' AND request_id = {{name:String}}"
    for name, change in {
        "r0": "project, request_id, time, duration_ns, stated_task, 5000, output_tokens",  # another count
        "r1": "project, request_id, time + INTERVAL 200 HOUR, duration_ns, stated_task, 7, output_tokens",  # goes on
        "r2": "project, request_id, time + INTERVAL 1 SECOND, duration_ns, 'b', 8, output_tokens",  # another class
    }.items():
        client.command(f"INSERT INTO call_facts ({columns}) {later.format(change, '')}", {"name": name})
    gone = later.format(columns.removesuffix(", version"), ", 1")
    client.command(f"INSERT INTO call_facts ({columns}, is_deleted) {gone}", {"name": "r3"})
    new = MINUTE - dt.timedelta(minutes=1)
    client.insert(
        "call_facts",
        [["late", "r101", new - SETTLING - dt.timedelta(seconds=1), 10**9, "a", 600, 10**6]],
        column_names=columns.split(", ")[:-1],
    )
    mine = [5000, *range(4, 100), 600]
    wanted = {"a": expected(mine), "b": expected([2 + 8]), "default": expected([*mine, 2 + 8])}
    before = MINUTE - dt.timedelta(seconds=30)  # any moment will do: of this one there are no baselines yet
    assert made(before) == wanted
    refresh_requests(client, budget_s=None)
    assert made(before - dt.timedelta(seconds=10)) == wanted
    # by other rules what was made before says nothing
    store_rules(client, "never_thinks", [Rule("", "^$", "")])
    wanted |= {"a": expected([*mine, 0]), "default": expected([*mine, 2 + 8, 0])}
    assert made(before - dt.timedelta(seconds=20)) == wanted


def test_many_minutes_at_once_are_each_as_if_made_alone(client: Client) -> None:
    put(client, "one", [("a", n, MINUTE - dt.timedelta(hours=n)) for n in range(300)])
    put(client, "two", [("a", n, MINUTE - dt.timedelta(hours=n)) for n in range(300)])
    minutes = [MINUTE - dt.timedelta(minutes=37 * n) for n in range(12)]
    make_baselines(client, minutes, ["one"])
    for minute in minutes:
        make_baselines(client, [minute], ["two"])
    assert read_baselines(client, "one", minutes) == read_baselines(client, "two", minutes) != {}


def test_a_request_counts_as_the_view_of_requests_counts_it(client: Client) -> None:
    ago_s = 3600.0
    insert(
        client,
        "spans",
        [
            request("two-calls", 100, ago_s=ago_s),
            request("two-calls", 50, ago_s=ago_s - 20),
            request("judged", 30, ago_s=ago_s),
            request("judged", 7000, ago_s=ago_s, role="verifier"),
            request("half-known", 10, ago_s=ago_s),
            request("half-known", None, ago_s=ago_s),
            request("failed", 20, ago_s=ago_s),
            span(request_id="failed", time=dt.datetime.now(dt.UTC), error_type="timeout", task="sql"),
            request("open", 5, ago_s=200),
        ],
    )
    # a failed call that was never billed leaves no doubt, but its request is not settled yet
    assert refresh_baselines(client) == 2
    [baselines] = read_baselines(client, "default", this_minute()).values()
    wanted = select(
        client,
        "SELECT count() AS n, quantileExactInclusive(0.95)(thinking_tokens) AS p95 FROM requests"
        " WHERE settled AND thinking_tokens IS NOT NULL",
    )
    assert [{"n": b.n, "p95": b.p95} for b in baselines] == wanted * 2
    assert wanted[0]["n"] == 2


def test_a_minute_is_made_once(client: Client) -> None:
    insert_settled(client, range(70), task="sql")
    assert refresh_baselines(client) == 2
    [minute] = before = read_baselines(client, "default", this_minute())
    insert_settled(client, range(1000, 1100), task="sql", service_name="late")
    assert make_baselines(client, [minute]) == 0
    assert read_baselines(client, "default", [minute]) == before
