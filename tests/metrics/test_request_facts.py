"""What `request_facts` says is what the views say of the facts themselves, whatever came in whichever order."""

import dataclasses
import datetime as dt
import math
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metrics.traffic import SINCE, UNTIL, answered, insert_traffic
from tests.schema.rows import START, Row, insert, label, price, select, span, verdict
from thinkmeter.collector.jobs.requests import rebuild_requests, refresh_requests
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.attributes import REFLECTION_RATIO
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query import Reader
from thinkmeter.schema.query.facts import Columns, columns, selected
from thinkmeter.schema.query.population import FACTS
from thinkmeter.schema.rules import Rule, policy_rules, store_rules, task_rules, tier_rules
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.retention import RetentionSettings, apply_retention
from thinkmeter.schema.store.statement import statement

KEYS = {
    "calls": "project, request_id, time, attempt, model, role, input_tokens, output_tokens, inserted",
    "attempts": "project, request_id, attempt",
    "requests": "project, request_id",
}
OWNERS = ("request_user", "request_session")
MODELS = ("acme-think-1", "acme-mini", "acme-dated", "acme-unpriced")
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY_S = 86_400


def assert_same(client: Client, without: Collection[str] = ()) -> None:
    """Each view, and the same out of facts; of all requests but these."""
    kept = {"without": list(without)}
    for source, facts in FACTS.items():
        # calls of one request may name several users here, of which either is the first
        names = sorted({column.name for column in facts.columns} - {"first_call", "last_call", "request_time", *OWNERS})
        rest = f"WHERE request_id NOT IN {{without:Array(String)}} ORDER BY {KEYS[source]}"
        view = source if source == "requests" else f"({statement('thinkmeter.schema.query', f'whole_{source}')})"
        wanted = select(client, f"SELECT {', '.join(names)} FROM {view} {rest}", **kept)
        found = select(client, f"SELECT {', '.join(names)} FROM ({selected(source, columns(source))}) {rest}", **kept)
        assert len(found) == len(wanted)
        for mine, theirs in zip(found, wanted, strict=True):
            for name in names:
                assert same(mine[name], theirs[name]), f"{source}.{name}: {mine} is not {theirs}"


def same(one: Any, other: Any) -> bool:
    """Whether they are equal, amounts up to rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-15)
    return bool(one == other)


class History:
    """What may happen to a store, drawn by chance."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self._client = client
        self._chance = chance
        self._spans: list[Row] = []
        self._prices = 0

    def calls(self) -> None:
        """New requests, and new calls of old ones, earlier ones too; some by other instrumentations, some twice."""
        chance = self._chance
        rows = []
        for _ in range(chance.randint(1, 8)):
            name = f"r{chance.randint(1, 12)}"
            begun_s = chance.choice((0, 0, 0, -3 * DAY_S, -30 * DAY_S)) + chance.randint(-DAY_S, DAY_S)
            trace = {"trace_id": f"{chance.randint(1, 30):032x}"} if chance.random() < 0.3 else {}
            rows += [self._call(name, begun_s + 20 * n, trace) for n in range(chance.choice((1, 1, 1, 2, 4)))]
        rows += chance.sample(self._spans, min(len(self._spans), chance.randint(0, 2)))
        self._spans += rows
        insert(self._client, "spans", rows)

    def _call(self, name: str, at_s: float, trace: Mapping[str, Any]) -> Row:
        chance = self._chance
        read, written = chance.choice((None, 0, 40)), chance.choice((None, 0, 50))
        output = chance.choice((None, 100, 900, 900))
        return span(
            time=NOW + dt.timedelta(seconds=at_s),
            request_id=chance.choice((name, name, name, "")),
            task=chance.choice(("", "sql", "code")),
            tier=chance.choice((None, 1, 1, 2, 3)),
            attempt=chance.choice((None, None, 1, 2)),
            role=chance.choice(("", "", "", "answer", "verifier", "router")),
            strategy=chance.choice(("", "best_of_n")),
            effort=chance.choice(("", "high")),
            phase=chance.choice(("", "plan")),
            environment=chance.choice(("", "prod", "test")),
            service_tier=chance.choice(("", "batch")),
            request_model=chance.choice(MODELS),
            response_id=chance.choice(("", f"resp{chance.random()}")),
            input_tokens=chance.choice((None, 90, 500, 300_000, 300_000)),
            cache_read_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=chance.choice((None, 20)),
            output_tokens=output,
            thinking_tokens=chance.choice((None, 0, 50, 80)) if output else None,
            reported_cost_usd=chance.choice((None, None, None, 0.02)),
            budget_tokens=chance.choice((None, 80)),
            duration_ns=chance.choice((0, 5_000_000, 2_345_678_901)),
            time_to_first_chunk_ms=chance.choice((None, 12.5)),
            error_type=chance.choice(("", "", "", "timeout")),
            sampling_probability=chance.choice((None, None, 0.25)),
            user_id=chance.choice(("", f"u{name}")),
            attributes=chance.choice(({}, *({REFLECTION_RATIO: told} for told in ("0.2", "0.8", "1.5", "much")))),
            **trace,
        )

    def evaluations(self) -> None:
        """Verdicts and labels by request and attempt, by request alone, by span, response or trace."""
        chance = self._chance
        verdicts, labels = [], []
        for _ in range(chance.randint(1, 8)):
            told: dict[str, Any] = {"request_id": f"r{chance.randint(1, 12)}"}
            if self._spans and chance.random() < 0.5:
                one = chance.choice(self._spans)
                told = chance.choice(
                    (
                        {"request_id": "", "trace_id": one["trace_id"], "span_id": one["span_id"]},
                        {"request_id": "", "response_id": one["response_id"], "trace_id": one["trace_id"]},
                        {"request_id": "", "trace_id": one["trace_id"]},
                    )
                )
            else:
                told["attempt"] = chance.choice((None, 1, 2))
            # never two at one time, of which either could be the newest
            time = NOW + dt.timedelta(seconds=chance.randint(-DAY_S, DAY_S), microseconds=chance.randint(1, 999_999))
            if chance.random() < 0.5:
                passed, score = chance.choice(((True, 0.9), (False, 0.2), (None, None)))
                verdicts.append(
                    {
                        **verdict("", time=time, verifier=chance.choice(("orm", "judge")), passed=passed, score=score),
                        "sample": chance.choice((None, None, 1)),
                        **told,
                    }
                )
            else:
                source = chance.choice(("human", "test", "reference"))
                share = chance.choice((None, None, 0.1, 0.5))
                one_label = label("", chance.random() < 0.5, time=time, source=source, sampling_probability=share)
                labels.append({**one_label, **told})
        insert(self._client, "verdicts", verdicts)
        insert(self._client, "labels", labels)

    def prices(self) -> None:
        """Another book: by length, by day and hour, or with rates that are not known."""
        self._prices += 1
        recorded = START + dt.timedelta(seconds=self._prices)
        model = self._chance.choice(MODELS[:3])
        middle = NOW - dt.timedelta(days=self._chance.randint(0, 3))
        day, night = {"daily_from_s": 3_600}, {"daily_until_s": 3_600}
        books: list[list[Row]] = [
            [{}],
            [{"thinking_per_mtok_usd": 2.0}],
            [{"cache_read_per_mtok_usd": None, "thinking_per_mtok_usd": None}],
            [{}, {"above_input_tokens": 200_000, "input_per_mtok_usd": 2.0}],
            [{"valid_until": middle}, {"valid_from": middle, "answer_per_mtok_usd": 7.0}],
            [{"daily_until_s": 50_000, **day}, {"daily_from_s": 50_000, "input_per_mtok_usd": 9.0, **night}],
            [{"valid_from": middle}],
        ]
        book = self._chance.choice(books)
        insert(self._client, "prices", [price(model=model, recorded=recorded, **one) for one in book])

    def correction(self, rather: Collection[str]) -> tuple[str, dt.datetime | None] | None:
        """Other rates of one model, from an instant on or for all of history; which model, and the instant.

        Args:
            rather: models of which one is taken where there are any.
        """
        found = select(
            self._client, "SELECT * FROM prices WHERE recorded IN (SELECT max(recorded) FROM prices GROUP BY model)"
        )
        if not found:
            return None
        self._prices += 1
        known = {row["model"] for row in found}
        model = self._chance.choice(sorted(known & set(rather) or known))
        factors = {name: self._chance.choice((0.5, 3.0)) for name in found[0] if name.endswith("_per_mtok_usd")}
        middle = self._chance.choice((None, NOW - dt.timedelta(days=2, hours=self._chance.randint(0, 60))))
        book = []
        for row in (row for row in found if row["model"] == model):
            row["recorded"] = START + dt.timedelta(seconds=self._prices)
            equal = row["thinking_per_mtok_usd"] == row["answer_per_mtok_usd"]
            more = {
                # with a remainder, so that none comes to cost what another does
                name: None if row[name] is None else row[name] * factor + (0 if equal else len(name) / 1e4)
                for name, factor in (
                    {**factors, "answer_per_mtok_usd": 2.0, "thinking_per_mtok_usd": 2.0} if equal else factors
                ).items()
            }
            begin = row["valid_from"].replace(tzinfo=dt.UTC)
            if middle is not None and begin < middle < row["valid_until"].replace(tzinfo=dt.UTC):
                book += [{**row, "valid_until": middle}, {**row, **more, "valid_from": middle}]
            else:
                book.append({**row, **(more if middle is None or begin >= middle else {})})
        insert(self._client, "prices", book)
        return model, middle

    def rules(self) -> None:
        """Other tiers, task classes, or verifiers that decide."""
        chance = self._chance
        kind, rules = chance.choice(
            (
                ("tier", tier_rules({"*-mini": chance.choice((1, 2))})),
                ("task", task_rules([({"gen_ai.request.model": "*-mini"}, chance.choice(("mail", "sql")))])),
                ("never_thinks", chance.choice(([], [Rule("", "^acme-dated$", "")]))),
                ("policy", policy_rules({"sql": f'{{"verifier": "{chance.choice(("orm", "judge", ""))}"}}'})),
            )
        )
        store_rules(self._client, kind, rules)

    def retention(self) -> list[str]:
        """What is older than twenty days goes; the requests with calls on both sides, which go whole or in part."""
        [cut] = select(
            self._client,
            "SELECT groupArray(request_id) AS names FROM (SELECT request_id FROM call_facts FINAL GROUP BY request_id"
            " HAVING min(time) < now() - INTERVAL 19 DAY AND max(time) > now() - INTERVAL 21 DAY)",
        )
        apply_retention(self._client, RetentionSettings(spans_days=20, calls_days=20))
        for table in ("spans", "call_facts", "request_facts"):
            self._client.command(f"OPTIMIZE TABLE {table} FINAL")
        return list(cut["names"])

    def anything(self) -> Callable[[], None]:
        """One of all that."""
        return self._chance.choice(
            (self.calls, self.calls, self.calls, self.evaluations, self.evaluations, self.prices, self.rules)
        )


def run(client: Client, seed: int, steps: int) -> None:
    for table in ("spans", "call_facts", "verdicts", "labels", "prices", "request_facts", "request_progress"):
        client.command(f"TRUNCATE TABLE {table}")
    apply_retention(client, RetentionSettings())
    chance = random.Random(seed)
    history = History(client, chance)
    history.calls()
    for _ in range(steps):
        history.anything()()
        if chance.random() < 0.4:
            settle_calls(client)
            refresh_requests(client, budget_s=None)
    settle_calls(client)
    refresh_requests(client, budget_s=None)
    assert refresh_requests(client) == 0
    assert_same(client, without=history.retention() if chance.random() < 0.5 else ())


@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_facts_say_what_the_views_say_after_any_history(client: Client, seed: int) -> None:
    run(client, seed, steps=6)


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "quota"])
def test_a_report_from_facts_is_the_report_from_the_views(reader: Reader, metric: str) -> None:
    # attributes are in the views alone, and none of that name is in them
    views = reader.report(metric, since=SINCE, until=UNTIL, where={"attr:none": ""})
    facts = reader.report(metric, since=SINCE, until=UNTIL)
    assert len(facts.rows) == len(views.rows)
    assert facts.rows or metric in ("runaways", "reflection")  # the scenarios have neither
    for mine, theirs in zip(facts.rows, views.rows, strict=True):
        assert same(dataclasses.asdict(mine), dataclasses.asdict(theirs)), (mine, theirs)


def is_whole(client: Client) -> bool:
    [(year,)] = client.query("SELECT toYear(argMax(whole_from, recorded)) FROM request_progress").result_rows
    return bool(year == 1970)


def test_reports_are_right_while_requests_are_made_anew_piece_by_piece(
    database: StoreAddress, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in ("PIECE", "LARGE_PIECE"):
        monkeypatch.setattr(f"thinkmeter.collector.jobs.requests.{size}", 1)
    insert_traffic(client, [answered(f"r{n}", thinking=n, at_s=-20 * DAY_S * (n // 3)) for n in range(5)])
    with Reader(database) as reader:

        def told() -> dict[str, Any]:
            [row] = reader.report("escr", since=START - dt.timedelta(days=90), until=UNTIL, by=()).rows
            return row.detail

        steps = 0
        while refresh_requests(client, budget_s=0) or steps == 0 or not is_whole(client):
            steps += 1  # each goes on where the last one was cut off
            assert told()["requests"] == 5
        assert steps > 4
        assert told()["tier_mix"] == [1.0, 0.0, 0.0]
        client.command("ALTER TABLE call_facts UPDATE stated_tier = NULL WHERE true", settings={"mutations_sync": 1})
        store_rules(client, "tier", tier_rules({"acme-*": 2}))
        # other rules hold at once
        assert told()["tier_mix"] == [0.0, 1.0, 0.0]
        assert refresh_requests(client, budget_s=None) == 5
        assert told()["tier_mix"] == [0.0, 1.0, 0.0]
        done: list[tuple[int, int]] = []
        assert rebuild_requests(client, START - dt.timedelta(days=10), lambda *of: done.append(of)) == 3
        assert done == [(1, 3), (2, 3), (3, 3)]  # told in order, though some are made side by side
    assert_same(client)


@pytest.mark.stress
def test_facts_say_what_the_views_say_after_many_histories(client: Client) -> None:
    first = random.SystemRandom().randrange(2**32)
    print(f"seed {first}")
    for seed in range(first, first + 100):
        run(client, seed, steps=12)


def test_what_is_used_once_or_is_short_is_planned_where_it_is_used() -> None:
    long = "arrayMap(x -> x + 1, f.calls.attempt)" * 3
    one = Columns(
        {
            "once": "f.calls.time",
            "short": "f.calls.tier",
            "long": long,
            "a": "g(once, short)",
            "b": "h(short, long, long)",
        }
    )
    assert one.written_out(["a", "b"]).expressions == {
        "long": long,
        "a": "g((f.calls.time), (f.calls.tier))",
        "b": "h((f.calls.tier), long, long)",
    }
    assert one.written_out(["a", "once"]).expressions == {"once": "f.calls.time", "a": "g(once, (f.calls.tier))"}
