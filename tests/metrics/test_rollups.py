"""What rollups say is what facts and views say, cell for cell, whatever came in whichever order."""

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.metrics.test_request_facts import DAY_S, MODELS, NOW, History, same
from tests.schema.rows import insert, label, price, select, span
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.collector.jobs.rollups import refresh_rollups
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query import Filters, Reader, RollupState
from thinkmeter.schema.query.coverage import Covered, Stretch
from thinkmeter.schema.query.population import BUCKET, asked
from thinkmeter.schema.query.rollups import AMOUNTS, PLACES, Outline, may_use_days, rolled
from thinkmeter.schema.query.sent import divided
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.erasure import erase
from thinkmeter.schema.store.retention import RetentionSettings, apply_retention
from thinkmeter.schema.store.statement import statement
from thinkmeter.schema.tables import CELLS, ROLLED

STATE = ("rollup_changes", "rollup_stretches", *CELLS)
OLD = (NOW - dt.timedelta(days=2)).replace(hour=12, minute=34)
"""Around noon: what comes a quarter of an hour before it belongs to the same day."""
SPLITS = (
    (),
    ("task",),
    ("model",),
    ("tier", "environment"),
    ("day",),
    (f"{BUCKET}900",),
    (f"{BUCKET}10800", "task"),
    ("provider",),
)
WHERE: tuple[Mapping[str, str | int], ...] = (
    {},
    {},
    {"task": "sql"},
    {"environment": "prod"},
    {"model": "acme-mini", "tier": 1},
)


def covered(
    client: Client, metric: str, filters: Filters, by: tuple[str, ...], timezone: str = "UTC"
) -> Covered | None:
    window = {"since": filters.since, "until": filters.until, "days": may_use_days(by, timezone)}
    found = client.query(statement("thinkmeter.schema.query", "covered"), parameters=window)
    stretches = [Stretch(*row) for row in found.result_rows]
    return Covered.by(stretches, amounts=metric in AMOUNTS, calls=METRICS[metric].source == "calls")


def cells(client: Client, sql: str, values: Mapping[str, Any], outline: Outline) -> dict[Any, dict[str, Any]]:
    found = {}
    bound, sent = divided(values)
    for whole in client.query(sql, parameters=bound, external_data=sent).named_results():
        for row in each(whole):
            key = tuple(repr(row.pop(name)) for name in ("key", *outline.groups))
            assert key not in found
            found[key] = row
    return found


def each(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row, or those that stand in its arrays."""
    arrays = {name: value for name, value in row.items() if isinstance(value, list)}
    if not arrays:
        yield row
    for values in zip(*arrays.values(), strict=True):
        yield {**row, **dict(zip(arrays, values, strict=True))}


def assert_same(
    client: Client, metric: str, filters: Filters, by: tuple[str, ...], timezone: str = "UTC", *, views: bool = False
) -> int:
    """Cells of rollups and facts, and of the views, which take long; how many stretches rollups answered."""
    chosen, outline = METRICS[metric], Outline.of(METRICS[metric])
    facts = cells(client, *asked(chosen.source, filters, by, timezone, chosen.sql, facts=True), outline)
    said = (metric, filters, by, timezone)
    if views:
        wanted = cells(client, *asked(chosen.source, filters, by, timezone, chosen.sql, facts=False), outline)
        assert facts.keys() == wanted.keys(), said
        assert all(same(facts[key], wanted[key]) for key in facts), said
    parts = covered(client, metric, filters, by, timezone)
    if parts is None:
        return 0
    rollups = cells(client, *rolled(chosen, filters, by, timezone, parts), outline)
    assert rollups.keys() == facts.keys(), (said, parts)
    for key in facts:
        assert same(rollups[key], facts[key]), (said, parts, key, rollups[key], facts[key])
    return len(parts.used)


def windows(chance: random.Random) -> tuple[dt.datetime, dt.datetime]:
    """On the boundaries of quarters and days, off them, and so wide that all lies in it."""
    quarter = NOW - (NOW - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) % dt.timedelta(minutes=15)
    kind = chance.randint(0, 2)
    if kind == 0:
        return NOW - dt.timedelta(days=40), NOW + dt.timedelta(days=3)
    since = (NOW if kind == 1 else quarter) - dt.timedelta(minutes=15 * chance.randint(1, 400))
    return since, since + dt.timedelta(minutes=15 * chance.randint(1, 200), microseconds=chance.choice((0, 1, -1)))


def check(client: Client, chance: random.Random, count: int) -> int:
    used = 0
    for metric in chance.sample(ROLLED, count):
        allowed = [by for by in SPLITS if all(name.startswith(BUCKET) or name in METRICS[metric].by for name in by)]
        timezone = chance.choice(("UTC", "Asia/Kathmandu", "America/New_York"))
        filters = Filters(*windows(chance), chance.choice(("default", None)), chance.choice(WHERE))
        views = chance.random() < 0.3
        used += assert_same(client, metric, filters, chance.choice(allowed), timezone, views=views)
    return used


def corrected(client: Client, chance: random.Random, history: History) -> int:
    """Correct rates of past calls: cells answer on, but where the rates are no more the same ones; how many do."""
    sql = (
        "SELECT step, time, first_call_ns, last_call_ns, fixed_keys, price_keys, fresh"
        " FROM rollup_coverage WHERE priced"
    )
    before = {(row["step"], row["time"]): row for row in select(client, sql)}
    [keys] = select(
        client, "SELECT " + ", ".join(f"cityHash64('acme', '{name}', 'standard') AS `{name}`" for name in MODELS)
    )
    in_use = {key for row in before.values() for key in set(row["price_keys"]) - set(row["fixed_keys"])}
    known = history.correction([name for name, key in keys.items() if key in in_use])
    if known is None:
        return 0
    model, middle = known
    key = keys[model]
    cut_ns = None if middle is None else int(middle.timestamp()) * 10**9
    wanted = {
        place
        for place, row in before.items()
        if key not in row["price_keys"]
        or (
            (key not in row["fixed_keys"] or (cut_ns is not None and row["last_call_ns"] < cut_ns))
            and (cut_ns is None or not row["first_call_ns"] < cut_ns <= row["last_call_ns"])
        )
    }
    after = {(row["step"], row["time"]): row for row in select(client, sql)}
    # a book may have had no rate in the time of a stretch
    assert wanted <= after.keys() <= before.keys()
    answering = [
        place for place in wanted if place[0] == 900 and key in before[place]["price_keys"] and after[place]["fresh"]
    ]
    everything = Filters(NOW - dt.timedelta(days=40), NOW + dt.timedelta(days=3), None)
    for metric in chance.sample(sorted(AMOUNTS), 2):
        assert assert_same(client, metric, everything, ("task",)) >= bool(answering)
    return len(answering)


def run(client: Client, seed: int, steps: int, count: int) -> tuple[int, int]:
    """Any history, with questions in between, since readers must not see what is stale; how much rollups answered.

    Returns:
        How often stretches were read, and how many answered by prices that were corrected after they were made.
    """
    for table in ("spans", "call_facts", "verdicts", "labels", "prices", "request_facts", "request_progress", *STATE):
        client.command(f"TRUNCATE TABLE {table}")
    apply_retention(client, RetentionSettings())
    chance, used, repriced = random.Random(seed), 0, 0
    history = History(client, chance)
    for _ in range(3):
        history.calls()
        history.prices()
    for _ in range(steps):
        history.anything()()
        settle_calls(client)
        refresh_requests(client, budget_s=None)
        if chance.random() < 0.6:
            refresh_rollups(client, rollups_from=0, budget_s=None, kept_s=chance.choice((0, 600)))
        if chance.random() < 0.1:
            erase(client, "request", f"r{chance.randint(1, 12)}", project="default")
            refresh_requests(client, budget_s=None)
        if chance.random() < 0.3:
            repriced += corrected(client, chance, history)
        used += check(client, chance, 1)
    refresh_rollups(client, rollups_from=0, budget_s=None, kept_s=0)
    repriced += corrected(client, chance, history)
    if steps > 2:  # what was summed up before and after is right together
        refresh_rollups(client, rollups_from=0, budget_s=None, kept_s=0)
        repriced += corrected(client, chance, history)
    used += check(client, chance, count)
    if chance.random() < 0.3:
        cut = history.retention()
        for table in STATE:
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        if not cut:
            used += check(client, chance, 2)
    return used, repriced


# a history is not made smaller: each takes long, and its seed says all
@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_rollups_say_what_facts_and_views_say_after_any_history(client: Client, seed: int) -> None:
    assert all(run(client, seed, steps=2, count=3))


@pytest.mark.stress
def test_rollups_say_what_facts_and_views_say_after_many_histories(client: Client) -> None:
    first = random.SystemRandom().randrange(2**32)
    print(f"seed {first}")
    done = [run(client, seed, steps=6, count=4) for seed in range(first, first + 100)]
    assert sum(used for used, _ in done) > 1000
    assert sum(repriced for _, repriced in done) > 1000


def test_cells_have_the_columns_of_their_metrics(client: Client) -> None:
    sql = (
        "SELECT table, groupArray(name) AS names FROM system.columns WHERE database = currentDatabase() GROUP BY table"
    )
    found = {row["table"]: row["names"] for row in select(client, sql)}
    for name in ROLLED:
        outline = Outline.of(METRICS[name])
        own = [
            column
            for column in found[f"{name}_cells"]
            if column not in ("step", "time", "build", "project", "quarter", *PLACES)
        ]
        parts = ["parts"] if outline.amounts else []
        assert own == [*(column for column in outline.columns if column != outline.distinct), *parts]


def test_a_stretch_is_read_only_while_nothing_came_to_its_requests(client: Client) -> None:
    calls = [span(time=OLD, request_id="a", tier=1, input_tokens=9, output_tokens=9, thinking_tokens=4)]
    insert(client, "spans", calls)
    insert(client, "prices", [price()])
    refresh_requests(client, budget_s=None)
    filters = Filters(OLD - dt.timedelta(days=3), NOW)

    def used(metric: str) -> int:
        return assert_same(client, metric, filters, ("task",))

    assert [used("ttr"), used("cost")] == [0, 0]
    assert refresh_rollups(client, rollups_from=0) == 2  # a quarter and its day
    assert refresh_rollups(client, rollups_from=0) == 0
    assert [used("ttr"), used("cost")] == [1, 1]
    # rates are corrected: cells go on with those of now
    insert(client, "prices", [price(recorded=NOW, thinking_per_mtok_usd=9.0)])
    assert [used("ttr"), used("cost")] == [1, 1]
    # and know of rates of another time
    later = {"recorded": NOW + dt.timedelta(seconds=1), "thinking_per_mtok_usd": 9.0}
    change = OLD + dt.timedelta(days=1)
    dearer = {"valid_from": change, "thinking_per_mtok_usd": 99.0}
    insert(client, "prices", [price(**later, valid_until=change), price(**{**later, **dearer})])
    assert [used("ttr"), used("cost")] == [1, 1]
    assert refresh_rollups(client, rollups_from=0) == 0
    # rates for which calls would have to be told apart otherwise change amounts and nothing else
    longer = {"recorded": NOW + dt.timedelta(seconds=2), "input_per_mtok_usd": 7.0, "above_input_tokens": 5}
    insert(client, "prices", [price(recorded=NOW + dt.timedelta(seconds=2)), price(**longer)])
    assert [used("ttr"), used("cost")] == [1, 0]
    assert refresh_rollups(client, rollups_from=0) == 2
    assert [used("ttr"), used("cost")] == [1, 1]
    insert(client, "labels", [label("a", True)])
    refresh_requests(client, budget_s=None)
    assert [used("ttr"), used("cpq")] == [0, 0]
    assert refresh_rollups(client, rollups_from=0) == 2
    assert [used("ttr"), used("cpq")] == [1, 1]
    # a late call lets the request begin a quarter of an hour earlier
    earlier = OLD - dt.timedelta(minutes=15)
    insert(client, "spans", [span(time=earlier, request_id="a", tier=1, output_tokens=9, thinking_tokens=7)])
    refresh_requests(client, budget_s=None)
    assert [used("ttr"), used("cost")] == [0, 0]
    assert refresh_rollups(client, rollups_from=0, kept_s=0) >= 3
    assert [used("ttr"), used("cost")] == [1, 1]
    erase(client, "request", "a", project="default")
    assert [used("ttr"), used("cost")] == [0, 0]
    refresh_rollups(client, rollups_from=0, kept_s=0)
    assert select(client, "SELECT count() AS cells FROM ttr_cells") == [{"cells": 0}]


def test_a_day_is_summed_up_right_when_a_price_begins_in_it_after_its_quarters_were_counted(client: Client) -> None:
    day = OLD.replace(hour=0, minute=0)
    calls = [
        span(time=day + dt.timedelta(hours=hour), request_id=f"r{hour}", tier=1, **usage)
        for hour, usage in (
            (2, {"input_tokens": 9, "output_tokens": 9, "thinking_tokens": 4}),
            (22, {"input_tokens": 5, "output_tokens": 30, "thinking_tokens": 30}),
        )
    ]
    insert(client, "spans", calls)
    insert(client, "prices", [price()])
    refresh_requests(client, budget_s=None)
    assert refresh_rollups(client, rollups_from=0) == 3  # two quarters and their day
    filters, noon = Filters(day - dt.timedelta(days=3), NOW), day + dt.timedelta(hours=12)

    def used() -> set[int]:
        return {assert_same(client, metric, filters, ("task",)) for metric in ("cost", "routing")}

    for number, thinking_usd in enumerate((9.0, 11.0)):
        told = {"recorded": NOW + dt.timedelta(seconds=number), "thinking_per_mtok_usd": thinking_usd}
        insert(
            client,
            "prices",
            [price(**{**told, "valid_until": noon}), price(**told, input_per_mtok_usd=5.0, valid_from=noon)],
        )
        # at first the quarters answer alone, then the day, which is all that is made anew
        assert used() == ({2} if number == 0 else {1})
        assert refresh_rollups(client, rollups_from=0) == (1 if number == 0 else 0)
        assert used() == {1}


def test_what_a_provider_reports_holds_and_is_counted_anew_where_the_rates_of_its_parts_change(client: Client) -> None:
    usage: dict[str, Any] = {"input_tokens": 9, "output_tokens": 9, "thinking_tokens": 4}
    other = {**usage, "request_model": "acme-mini", "reported_cost_usd": 0.5}
    insert(client, "spans", [span(time=OLD, request_id="a", **usage), span(time=OLD, request_id="b", **other)])
    insert(client, "prices", [price(), price(model="acme-mini")])
    refresh_requests(client, budget_s=None)
    assert refresh_rollups(client, rollups_from=0) == 2
    filters = Filters(OLD - dt.timedelta(days=3), NOW)
    for model, answered in (("acme-think-1", 1), ("acme-mini", 0)):
        insert(client, "prices", [price(model=model, recorded=NOW, thinking_per_mtok_usd=9.0)])
        assert {assert_same(client, metric, filters, ("task",)) for metric in ("cost", "cpq")} == {answered}


def test_a_day_is_not_read_once_a_rate_begins_between_its_begin_and_its_first_call(client: Client) -> None:
    day = OLD.replace(hour=0, minute=0, second=0)
    insert(client, "prices", [price(input_per_mtok_usd=0.0)])
    late = span(time=day + dt.timedelta(hours=22), input_tokens=0, output_tokens=90, thinking_tokens=80)
    insert(client, "spans", [late])
    refresh_requests(client, budget_s=None)
    assert refresh_rollups(client, rollups_from=0, budget_s=None) == 2
    everything, cut = Filters(NOW - dt.timedelta(days=40), NOW), day + dt.timedelta(hours=2)
    told: dict[str, Any] = {"input_per_mtok_usd": 0.0, "recorded": NOW}
    rates = [price(**told, valid_until=cut), price(**told, valid_from=cut, thinking_per_mtok_usd=9.0)]
    insert(client, "prices", rates)
    for metric in ("cpq", "cost"):
        assert assert_same(client, metric, everything, ("task",)) == 1
        parts = covered(client, metric, everything, ("task",))
        assert parts is not None
        assert [one.step for one in parts.used] == [900]


def test_a_day_goes_before_its_quarters_where_it_may_be_used() -> None:
    day, next_day = 20_000 * 86_400, 20_001 * 86_400
    stretches = [
        Stretch(86_400, day, 3, False, True, True),
        Stretch(900, day, 5, True, True, False),
        Stretch(900, day + 1_800, 6, True, True, True),
        Stretch(86_400, next_day, 4, True, True, False),
    ]
    without = Covered.by(stretches, amounts=False, calls=False)
    priced = Covered.by(stretches, amounts=True, calls=False)
    of_calls = Covered.by(stretches, amounts=True, calls=True)
    assert without is not None
    assert list(without.used) == [stretches[0], stretches[3]]
    assert priced is not None
    assert list(priced.used) == stretches[1:]
    assert list(priced.rest.inside) == [day + 900, *range(day + 2_700, next_day, 900)]
    assert of_calls is not None
    assert list(of_calls.used) == [stretches[2]]
    assert of_calls.rest.outside == (day + 1_800, day + 2_700)
    assert Covered.by(stretches[:1], amounts=True, calls=False) is None


def test_a_quarter_with_an_open_request_is_not_counted_yet(client: Client) -> None:
    long_ns = 3 * DAY_S * 10**9
    insert(
        client,
        "spans",
        [span(time=OLD, request_id="a", tier=1, output_tokens=9, thinking_tokens=4, duration_ns=long_ns)],
    )
    refresh_requests(client, budget_s=None)
    assert refresh_rollups(client, rollups_from=0) == 0
    assert assert_same(client, "ttr", Filters(OLD - dt.timedelta(days=3), NOW), ()) == 0


def test_rollups_are_for_stores_and_windows_with_many_requests(database: StoreAddress, client: Client) -> None:
    insert(client, "spans", [span(time=OLD, request_id="a", tier=1, output_tokens=9, thinking_tokens=4)])
    refresh_requests(client, budget_s=None)

    def state(rollups_from: int) -> RollupState:
        with Reader(database, rollups_from=rollups_from) as reader:
            return reader.rollups()

    assert refresh_rollups(client) == 0
    waiting = state(1)
    assert (waiting.in_use, waiting.requests, waiting.quarters, waiting.waiting) == (True, 1, 1, 1)
    assert waiting.waiting_since is not None
    assert waiting.waiting_since <= dt.datetime.now(dt.UTC)
    assert refresh_rollups(client, rollups_from=1) == 2
    assert state(2) == RollupState(False, 1, 1, 0, None)
    client.command("TRUNCATE TABLE request_facts")  # so that it shows who answers

    def requests(rollups_from: int) -> int:
        with Reader(database, rollups_from=rollups_from) as reader:
            report = reader.report("ttr", since=OLD - dt.timedelta(days=1), until=NOW)
            return sum(row.detail["requests"] for row in report.rows)

    assert (requests(0), requests(1)) == (1, 0)


_VAGUE = dict.fromkeys(("month_to_date_usd", "month_to_date_seen_usd", "days_left"))


def test_what_is_reckoned_from_rollups_is_what_facts_say(database: StoreAddress, client: Client) -> None:
    insert(client, "prices", [price()])
    insert(
        client,
        "spans",
        [
            span(
                time=OLD - dt.timedelta(hours=7 * n),
                request_id=f"r{n}",
                task=("sql", "mail")[n % 2],
                output_tokens=100 + n,
                thinking_tokens=None if n % 9 == 0 else n * n % 97,
                sampling_probability=0.5 if n % 5 == 0 and n > 30 else None,
                input_tokens=n,
            )
            for n in range(40)
        ],
    )
    refresh_requests(client, budget_s=None)
    assert refresh_rollups(client, rollups_from=0, budget_s=None) > 40
    window = Filters(NOW - dt.timedelta(days=60), NOW)
    with Reader(database, rollups_from=0) as rolled, Reader(database) as counted:
        one, other = (
            reader.report("forecast", since=window.since, until=window.until, by="task").rows
            for reader in (rolled, counted)
        )
        assert [row.key for row in one] == [row.key for row in other] == [{"task": "mail"}, {"task": "sql"}]
        for row, same_row in zip(one, other, strict=True):
            assert row.detail["month_to_date_usd"] == pytest.approx(same_row.detail["month_to_date_usd"])
            assert {**row.detail, **_VAGUE} == {**same_row.detail, **_VAGUE}
        # a runaway is a row of its own, and stands beside all requests of its group
        alert = {"rule": "runaway", "key": "r7", "state": "firing", "request_id": "r7", "task": "mail", "time": NOW}
        alert |= {"project": "default", "began": OLD - dt.timedelta(hours=7 * 7), "value": 9.0, "threshold": 5.0}
        insert(client, "alert_events", [alert])
        for by in ("task", "model", "day"):
            one, other = (
                reader.report("runaways", since=window.since, until=window.until, by=by).rows
                for reader in (rolled, counted)
            )
            assert [row.key["request"] for row in one] == ["r7"]
            assert one == other
            assert one[0].detail["requests"] in {"task": (20,), "model": (40,), "day": (3, 4)}[by]
        # with requests that weigh differently, and without
        for since in (window.since, OLD - dt.timedelta(days=8)):
            points, same_points = (
                reader.thinking_quantiles_over_time(Filters(since, NOW), by="task", step_s=86_400)
                for reader in (rolled, counted)
            )
            assert len(points) > 12
            assert points == same_points
