"""What a reader reads: windows, splits, filters, single requests, curves, and nothing that it could change."""

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.metrics.traffic import SINCE, UNTIL, Attempt, Request, Verdict, answered, climbed, insert_traffic
from tests.schema.rows import START, Row, insert, label, price, select, span, verdict
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.query import Filters, Known, Reader, Report
from thinkmeter.schema.query.questions import Questions
from thinkmeter.schema.query.settings import PriceState
from thinkmeter.schema.rules import store_rules, timezone_rules
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate
from thinkmeter.schema.tables import TABLES

WEEK = Filters(SINCE, UNTIL)


SHOP = [
    Request(
        "r1",
        (
            Attempt(1, 0, model="acme-mini", strategy="greedy", verdicts=(Verdict(False, 0.2),), correct=False),
            Attempt(2, 100, strategy="best_of_n", verdicts=(Verdict(True, 0.9),), correct=True),
        ),
        user="ann",
        attributes=(("prompt", "p1"),),
    ),
    answered("r2", thinking=20, user="ann", at_s=3_600),
    answered("r3", thinking=30, user="bob", at_s=86_400, attributes=(("prompt", "p2"),)),
    answered("r4", thinking=None, task="mail", at_s=86_500),
    climbed("r5", was=None, became=None, task="mail", at_s=90_000),
]
"""Five requests of two task classes."""


@pytest.fixture(scope="module")
def shop(store: EmbeddedStore) -> Iterator[Reader]:
    """They, priced; another project has one of its own."""
    address = store.address.with_database(f"test_{uuid.uuid4().hex}")
    migrate(address)
    with connect(address) as client, Reader(address) as reader:
        insert(client, "prices", [price(), price(model="acme-mini")])
        insert_traffic(client, SHOP)
        other = span(project="other", request_id="r1", task="sql", thinking_tokens=7, output_tokens=9)
        insert(client, "spans", [other])
        insert(client, "labels", [label("r1", True, source="test", labeler="ci")])
        refresh_requests(client, budget_s=None)
        yield reader
        client.command("DROP DATABASE {name:Identifier}", {"name": address.database})


def values(report: Report) -> dict[Any, Any]:
    return {tuple(row.key.values()): row.value for row in report.rows}


def ns(report: Report) -> dict[Any, int]:
    return {tuple(row.key.values()): row.n for row in report.rows}


def test_the_tables_are_those_of_the_database(client: Client) -> None:
    for table in TABLES:
        described = {
            row["name"]: " ".join(row["type"].split()) for row in select(client, f"DESCRIBE TABLE {table.name}")
        }
        ours = {column.name: str(column.type) for column in table.columns}
        if table.name in ("spans", "alert_events"):
            described = {name: kind for name, kind in described.items() if name in ours}
        described = {name: kind.replace("Tuple( ", "Tuple(") for name, kind in described.items()}
        assert described == {name: kind.replace("`", "") for name, kind in ours.items()}, table.name


def test_a_report_is_json_in_the_agreed_form(shop: Reader) -> None:
    report = shop.report("ttr", since=SINCE, until=UNTIL, task="sql").as_json()
    assert list(report) == ["metric", "unit", "since", "until", "as_of", "rows"]
    assert (report["metric"], report["unit"]) == ("ttr", "thinking tokens per request")
    assert (report["since"], report["until"]) == ("2026-11-01T12:00:00Z", "2026-11-08T12:00:00Z")
    assert dt.datetime.fromisoformat(report["as_of"]).tzinfo is dt.UTC
    [row] = report["rows"]
    assert list(row) == ["key", "value", "low", "high", "n", "state", "detail"]
    assert (row["key"], row["state"], row["n"]) == ({"task": "sql"}, "insufficient_data", 3)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.parametrize(
    ("by", "counts"),
    [
        (None, {("mail",): 1, ("sql",): 3}),
        ("task", {("mail",): 1, ("sql",): 3}),
        ("user", {("ann",): 2, ("bob",): 1, (None,): 1}),
        ("tier", {(1,): 2, (2,): 2}),
        ("model", {("acme-think-1",): 4}),
        ("strategy", {("best_of_n",): 1, (None,): 3}),
        ("day", {("2026-11-01",): 2, ("2026-11-02",): 2}),
        (
            "hour",
            {
                ("2026-11-01T12:00:00Z",): 1,
                ("2026-11-01T13:00:00Z",): 1,
                ("2026-11-02T12:00:00Z",): 1,
                ("2026-11-02T13:00:00Z",): 1,
            },
        ),
        ("attr:prompt", {("p1",): 1, ("p2",): 1, (None,): 2}),
        (("task", "tier"), {("mail", 1): 0, ("mail", 2): 1, ("sql", 1): 2, ("sql", 2): 1}),
        ((), {(): 4}),
    ],
)
def test_thinking_is_split_by_the_final_attempt(shop: Reader, by: Any, counts: dict[Any, int]) -> None:
    assert ns(shop.report("ttr", since=SINCE, until=UNTIL, by=by)) == counts


def test_cost_is_split_by_call(shop: Reader) -> None:
    tiers = values(shop.report("cost", since=SINCE, until=UNTIL, by="tier", task="sql"))
    plain, thinking = 3e-3, {20: 3e-3 + 40e-6, 30: 3e-3 + 60e-6, 100: 3e-3 + 200e-6}
    assert tiers == pytest.approx({(1,): plain + thinking[20] + thinking[30], (2,): thinking[100]})
    models = values(shop.report("cost", since=SINCE, until=UNTIL, by="model", task="sql"))
    assert models == pytest.approx({("acme-mini",): plain, ("acme-think-1",): sum(thinking.values())})
    prompts = values(shop.report("cost", since=SINCE, until=UNTIL, by="attr:prompt", task="sql"))
    assert prompts == pytest.approx({("p1",): plain + thinking[100], ("p2",): thinking[30], (None,): thinking[20]})


def test_a_requests_cost_is_its_users_whichever_call_says_so(database: StoreAddress, client: Client) -> None:
    insert(client, "prices", [price()])
    tokens: Row = {"input_tokens": 1000, "output_tokens": 0, "thinking_tokens": 0, "request_id": "r"}
    insert(client, "spans", [span(**tokens), span(at_s=1, user_id="ann", **tokens)])
    with Reader(database) as reader:
        assert values(reader.report("cost", since=SINCE, until=UNTIL, by="user")) == pytest.approx({("ann",): 2e-3})


def test_verdicts_are_split_by_the_attempt_that_was_judged(shop: Reader) -> None:
    rows = shop.report("vrate", since=SINCE, until=UNTIL, by="tier", task="sql").rows
    assert [(row.key["tier"], row.detail["passed"], row.detail["failed"]) for row in rows] == [(1, 0, 1), (2, 1, 0)]
    [row] = shop.report("vrate", since=SINCE, until=UNTIL, by="verifier", task="sql").rows
    assert row.key == {"verifier": "orm", "version": None}


@pytest.mark.parametrize("by", ["tier", "model", "provider", "strategy", "effort"])
def test_escalation_is_not_split_by_what_escalating_changes(shop: Reader, by: str) -> None:
    with pytest.raises(ThinkmeterError, match=f"escr cannot be split by {by}, only by task, user, session"):
        shop.report("escr", since=SINCE, until=UNTIL, by=by)


@pytest.mark.parametrize(
    ("metric", "by", "message"),
    [
        ("speed", None, "there is no metric 'speed', only cpq, ttr"),
        ("ttr", "modell", "ttr cannot be split by modell, .*; did you mean model?"),
        ("ttr", "phase", "ttr cannot be split by phase"),
        ("cpq", "verifier", "cpq cannot be split by verifier"),
        ("ttr", "attr:", "needs the name of an attribute"),
    ],
)
def test_what_cannot_be_asked_is_said(shop: Reader, metric: str, by: str | None, message: str) -> None:
    with pytest.raises(ThinkmeterError, match=message):
        shop.report(metric, since=SINCE, until=UNTIL, by=by)


def test_a_window_has_a_time_zone_and_a_length() -> None:
    with pytest.raises(ThinkmeterError, match=r"since: .* has no time zone"):
        Filters(dt.datetime(2026, 11, 1), UNTIL)
    with pytest.raises(ThinkmeterError, match="is not before until"):
        Filters(UNTIL, SINCE)


def test_filters_narrow_a_report(shop: Reader) -> None:
    def narrowed(**where: str | int) -> dict[Any, int]:
        names = {name.replace("__", ":"): value for name, value in where.items()}
        return ns(shop.report("ttr", since=SINCE, until=UNTIL, where=names))

    assert narrowed(user="ann") == {("sql",): 2}
    assert narrowed(tier=2) == {("mail",): 1, ("sql",): 1}
    assert narrowed(attr__prompt="p2") == {("sql",): 1}
    assert narrowed(user="ann", tier=1) == {("sql",): 1}
    with pytest.raises(ThinkmeterError, match="requests have no colour, only task"):
        narrowed(colour="red")


def test_values_are_bound_and_never_part_of_the_query(shop: Reader) -> None:
    evil = "x' OR 1=1 -- \\`"
    assert shop.report("ttr", since=SINCE, until=UNTIL, task=evil).rows == ()
    assert ns(shop.report("ttr", since=SINCE, until=UNTIL, by=f"attr:{evil}")) == {(None,): 4}
    assert shop.request(evil) is None


def test_a_request_belongs_to_the_window_of_its_first_call(database: StoreAddress, client: Client) -> None:
    # begins a second before midnight and goes on after it
    request = climbed("r", was=None, became=None, at_s=12 * 3600 - 1)
    insert_traffic(client, [request])
    midnight = START + dt.timedelta(hours=12)
    with Reader(database) as reader:
        before = reader.report("ttr", since=midnight - dt.timedelta(hours=1), until=midnight)
        after = reader.report("ttr", since=midnight, until=midnight + dt.timedelta(hours=1))
        calls = reader.report("cost", since=midnight, until=midnight + dt.timedelta(hours=1))
    assert (ns(before), ns(after)) == ({("sql",): 1}, {})
    assert [row.n for row in calls.rows] == [1]


def test_the_end_of_a_window_is_not_in_it(shop: Reader) -> None:
    assert ns(shop.report("ttr", since=SINCE, until=SINCE + dt.timedelta(hours=1))) == {("sql",): 1}
    moment = dt.timedelta(microseconds=1)
    assert ns(shop.report("ttr", since=SINCE, until=SINCE + dt.timedelta(hours=1) + moment)) == {("sql",): 2}
    assert ns(shop.report("ttr", since=SINCE + moment, until=SINCE + dt.timedelta(hours=2))) == {("sql",): 1}


def test_open_requests_are_counted_apart(database: StoreAddress, client: Client) -> None:
    now = dt.datetime.now(dt.UTC)
    spans = [
        span(request_id="open", task="sql", thinking_tokens=5, output_tokens=9, time=now),
        span(request_id="settled", task="sql", thinking_tokens=5, output_tokens=9, time=now - dt.timedelta(minutes=6)),
    ]
    insert(client, "spans", spans)
    window: Row = {"since": now - dt.timedelta(hours=1), "until": now + dt.timedelta(hours=1)}
    with Reader(database) as reader:
        for metric in ("cpq", "ttr", "escr"):
            [row] = reader.report(metric, **window).rows
            assert (row.detail["requests"], row.detail["open_requests"]) == (1, 1), metric
        [row] = reader.report("cost", **window).rows
        assert row.n == 2


def test_days_begin_in_the_projects_time_zone(database: StoreAddress, client: Client) -> None:
    insert_traffic(client, SHOP)
    with Reader(database) as reader:
        store_rules(client, "timezone", timezone_rules("Asia/Kolkata"))
        days = ns(reader.report("ttr", since=SINCE, until=UNTIL, by="day", task="sql"))
        assert days == {("2026-11-01",): 2, ("2026-11-02",): 1}
        hours = ns(reader.report("ttr", since=SINCE, until=UNTIL, by="hour", task="mail"))
        assert list(hours) == [("2026-11-02T17:00:00+05:30",), ("2026-11-02T18:00:00+05:30",)]
        store_rules(client, "timezone", timezone_rules("Pacific/Auckland"))
        days = ns(reader.report("ttr", since=SINCE, until=UNTIL, by="day"))
        assert list(days) == [("2026-11-02",), ("2026-11-03",)]
        assert reader.timezone().key == "Pacific/Auckland"


def test_projects_are_kept_apart(shop: Reader) -> None:
    assert ns(shop.report("ttr", since=SINCE, until=UNTIL, task="sql")) == {("sql",): 3}
    assert ns(shop.report("ttr", since=SINCE, until=UNTIL, task="sql", project="other")) == {("sql",): 1}
    assert ns(shop.report("ttr", since=SINCE, until=UNTIL, task="sql", project=None)) == {("sql",): 4}


def test_calls_and_requests_are_listed(shop: Reader) -> None:
    calls = shop.calls(WEEK, limit=3)
    assert [call["request_id"] for call in calls] == ["r5", "r5", "r4"]
    assert calls[0]["time"] == START + dt.timedelta(seconds=90_010)
    assert [row["request_id"] for row in shop.requests(WEEK)] == ["r5", "r4", "r3", "r2", "r1"]
    assert [row["request_id"] for row in shop.requests(WEEK, order="thinking_tokens")] == ["r1", "r5", "r3", "r2", "r4"]
    narrow = Filters(SINCE, UNTIL, where={"task": "sql", "user": "ann"})
    assert [row["request_id"] for row in shop.requests(narrow, limit=1, order="cost_usd")] == ["r1"]


def test_one_request_with_everything_that_is_known_of_it(shop: Reader) -> None:
    record = shop.request("r1")
    assert record is not None
    assert (record.request["task"], record.request["escalated"], record.request["correct"]) == ("sql", 1, True)
    assert [(row["attempt"], row["tier"], row["verdict_passed"]) for row in record.attempts] == [
        (1, 1, False),
        (2, 2, True),
    ]
    assert [call["thinking_tokens"] for call in record.calls] == [0, 100]
    assert [(row["attempt"], row["name"], row["outcome"]) for row in record.verdicts] == [
        (1, "orm", False),
        (2, "orm", True),
    ]
    assert {(row["attempt"], row["source"], row["outcome"]) for row in record.labels} == {
        (1, "human", False),
        (2, "human", True),
        (0, "test", True),
    }
    assert [row["span_id"] for row in record.spans] == [call["span_id"] for call in record.calls]
    other = shop.request("r1", project="other")
    assert other is not None
    assert (other.request["thinking_tokens"], len(other.calls), other.labels) == (7, 1, [])
    assert shop.request("r2", project="other") is None


def test_curves(shop: Reader) -> None:
    points = shop.thinking_quantiles_over_time(WEEK, step_s=86_400)
    assert [(point.time.date().isoformat(), point.n, point.mean, point.p50) for point in points] == [
        ("2026-11-01", 2, 60.0, 60.0),
        ("2026-11-02", 2, 40.0, 40.0),
    ]
    assert all(point.complete for point in points)
    by_task = shop.thinking_quantiles_over_time(WEEK, by="task", step_s=86_400)
    assert [point.key for point in by_task] == [{"task": "sql"}, {"task": "mail"}, {"task": "sql"}]
    costs = shop.cost_over_time(Filters(SINCE, UNTIL, where={"task": "sql"}), step_s=3_600)
    assert [point.cost_usd for point in costs] == pytest.approx([6e-3 + 200e-6, 3e-3 + 40e-6, 3e-3 + 60e-6])
    assert costs[0].detail["thinking_usd"] == pytest.approx(400e-6)
    assert len(shop.cost_over_time(WEEK)) == 2  # in stretches of three hours, by the length of the window


def test_the_stretch_that_is_not_over_is_marked(database: StoreAddress, client: Client) -> None:
    now = dt.datetime.now(dt.UTC)
    insert(client, "spans", [span(time=now), span(time=now - dt.timedelta(days=2))])
    with Reader(database) as reader:
        points = reader.cost_over_time(Filters(now - dt.timedelta(days=3), now + dt.timedelta(hours=1)), step_s=86_400)
    assert [point.complete for point in points] == [True, False]


def test_freshness_tells_what_waits(database: StoreAddress, client: Client) -> None:
    with Reader(database) as reader:
        assert (reader.freshness().newest_inserted, reader.freshness().lag_s) == (None, 0.0)
        insert(client, "spans", [span()])
        settled = reader.freshness()
        assert (settled.waiting_spans, settled.lag_s) == (0, 0.0)
        assert settled.newest_inserted is not None
        row = span()
        client.insert("spans", [list(row.values())], column_names=list(row))
        waiting = reader.freshness()
        assert waiting.waiting_spans == 1
        assert waiting.lag_s > 0


def test_a_call_that_is_settled_waits_until_its_request_is_made_anew(database: StoreAddress, client: Client) -> None:
    with Reader(database) as reader:
        insert(client, "spans", [span(request_id="r")])
        refresh_requests(client)
        late = span(request_id="r")
        client.insert("spans", [list(late.values())], column_names=list(late))
        said = label("r", True)
        client.insert("labels", [list(said.values())], column_names=list(said))
        # the jobs take turns: requests are made anew, for the label, between the arrival of the span and its settling
        refresh_requests(client)
        settle_calls(client)
        assert reader.freshness().waiting_spans == 0
        assert reader.freshness().lag_s > 0
        refresh_requests(client)
        assert reader.freshness().lag_s == 0


@pytest.mark.parametrize(("table", "row"), [("labels", label("r", True)), ("verdicts", verdict("r"))])
def test_a_label_or_verdict_that_comes_alone_waits_too(
    table: str, row: Row, database: StoreAddress, client: Client
) -> None:
    with Reader(database) as reader:
        insert(client, "spans", [span()])
        refresh_requests(client)
        assert reader.freshness().lag_s == 0
        client.insert(table, [list(row.values())], column_names=list(row))
        assert reader.freshness().lag_s > 0
        refresh_requests(client)
        assert reader.freshness().lag_s == 0


def test_a_reader_cannot_write(shop: Reader) -> None:
    with pytest.raises(DatabaseError, match="readonly"):
        shop._questions.client.command("TRUNCATE TABLE spans")


def test_prices_go_along_with_a_question_and_are_those_of_now(database: StoreAddress, client: Client) -> None:
    insert(client, "prices", [price()])
    insert(client, "spans", [span(time=SINCE, input_tokens=1, output_tokens=9_000_000, thinking_tokens=4_000_000)])
    refresh_requests(client)
    with Reader(database) as reader, Reader(database) as fresh:

        def thinking_usd(one: Reader) -> float:
            [row] = one.report("cost", since=SINCE, until=UNTIL, by=()).rows
            assert isinstance(row.detail["thinking_usd"], float)
            return row.detail["thinking_usd"]

        before = thinking_usd(reader)
        insert(client, "prices", [price(recorded=START + dt.timedelta(days=9), thinking_per_mtok_usd=17.0)])
        assert before != pytest.approx(4 * 17.0)
        assert thinking_usd(reader) == thinking_usd(fresh) == pytest.approx(4 * 17.0)
        questions, known = Questions(database, Known()), (1, 1)

        def thinking_rates(prices: PriceState | None) -> list[float]:
            [column] = questions.ask("SELECT thinking FROM price_arrays", {}, prices).result_columns
            return list(column[0])

        assert thinking_rates(known)[1:] == thinking_rates(None)[1:] == [17.0]
        insert(client, "prices", [price(model="acme-mini", thinking_per_mtok_usd=3.0)])
        assert thinking_rates(known)[1:] == [17.0]  # as it was sent, and not as the view says
        assert sorted(thinking_rates((2, 1))[1:]) == sorted(thinking_rates(None)[1:]) == [3.0, 17.0]
        questions.client.close()


def test_readers_of_one_page_read_once_what_they_have_in_common(
    database: StoreAddress, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thinkmeter.schema.query.known.KNOWN_S", 600.0)
    known = Known()
    with Reader(database, known=known) as one, Reader(database, known=known) as other, Reader(database) as alone:
        assert str(one.timezone()) == "UTC"
        store_rules(client, "timezone", timezone_rules("Asia/Kolkata"))
        assert [str(reader.timezone()) for reader in (one, other, alone)] == ["UTC", "UTC", "Asia/Kolkata"]
        asked = [reader.report("cost", since=SINCE, until=UNTIL, by=()).as_of for reader in (other, other, alone)]
        assert asked[0] < asked[1] < asked[2]  # the time goes on nevertheless
    with Reader(database, known=Known()) as later:
        assert str(later.timezone()) == "Asia/Kolkata"
    told = iter((RetryableError("away"), 7))

    def read() -> int:
        answer = next(told)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(RetryableError):
        known.told("seven", read)
    assert known.told("seven", read)[0] == 7
    assert known.told("seven", read)[0] == 7
