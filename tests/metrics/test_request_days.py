"""What a request is made of is found wherever in time it lies, without looking through what lies elsewhere."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.databases import Databases
from tests.metrics.test_request_facts import assert_same
from tests.schema.rows import START, Row, insert, label, select, span, verdict
from thinkmeter.collector.jobs import requests as job
from thinkmeter.collector.jobs.requests import rebuild_requests, refresh_requests
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.migrate import available, migrate

DAY_S = 86_400
TO_MIDNIGHT_S = 12 * 3_600
TO_DECEMBER_S = 30 * DAY_S + TO_MIDNIGHT_S - DAY_S
ANSWER = {"input_tokens": 100, "output_tokens": 50, "thinking_tokens": 10}


def call(name: str, at_s: float, n: int | None = 1, **columns: object) -> Row:
    return span(request_id=name, task="sql", tier=n or 1, attempt=n, at_s=at_s, **{**ANSWER, **columns})


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Client]:
    """A store whose requests are made; after all tests, all of them are held against the views."""
    address = databases.take()
    with connect(address) as client:
        insert(client, "spans", [call(f"other{n}", n * DAY_S) for n in range(40)])
        refresh_requests(client, budget_s=None)
        yield client
        assert_same(client)
    databases.give_back(address)


@pytest.fixture
def made(shared: Client) -> Iterator[Client]:
    """That store; nothing is left to be made by a test."""
    yield shared
    assert refresh_requests(shared) == 0


def facts(client: Client, name: str) -> Row:
    [row] = select(client, "SELECT * FROM request_facts FINAL WHERE request_id = {name:String}", name=name)
    return row


def test_a_label_holds_that_comes_months_after_the_request(made: Client) -> None:
    insert(made, "spans", [call("r1", 0.0)])
    assert refresh_requests(made) == 1
    insert(made, "labels", [label("r1", True, at_s=100 * DAY_S)])
    assert refresh_requests(made) == 1
    assert facts(made, "r1")["attempts.correct"] == [True]
    # and stays, when the request is made anew for another reason: a later call, which leaves what is said of the first
    insert(made, "spans", [call("r1", 50 * DAY_S, 2)])
    assert refresh_requests(made) == 1
    insert(made, "labels", [label("r1", False, at_s=200 * DAY_S, attempt=1)])
    assert refresh_requests(made) == 1
    assert facts(made, "r1")["attempts.correct"] == [False, True]


def test_a_verdict_holds_that_was_given_before_its_call(made: Client) -> None:
    insert(made, "verdicts", [verdict("r2", at_s=-70 * DAY_S, attempt=1, passed=True)])
    assert refresh_requests(made) == 1
    assert select(made, "SELECT 1 FROM request_facts FINAL WHERE request_id = 'r2'") == []
    insert(made, "spans", [call("r2", 0.0)])
    assert refresh_requests(made) == 1
    assert facts(made, "r2")["attempts.verdict_passed"] == [True]


@pytest.mark.parametrize("boundary_s", [TO_MIDNIGHT_S, TO_DECEMBER_S])
@pytest.mark.parametrize("numbered", [True, False])
def test_a_request_that_spans_midnight_or_months_is_whole(made: Client, boundary_s: float, numbered: bool) -> None:
    name = f"r3 {boundary_s} {numbered}"
    calls = [
        {**call(name, boundary_s + at_s, n), "attempt": n if numbered else None}
        for n, at_s in enumerate((-5.0, 5.0, 40 * DAY_S), 1)
    ]
    for one in reversed(calls):  # each time it begins earlier, on another day
        insert(made, "spans", [one])
        assert refresh_requests(made) == 1
    row = facts(made, name)
    assert row["attempts.attempt"] == [1, 2, 3]
    assert row["time"].replace(tzinfo=dt.UTC) == START + dt.timedelta(seconds=boundary_s - 5.0)


def test_a_call_that_moves_to_another_day_leaves_nothing_behind(made: Client) -> None:
    first = call("r4", 0.0)
    insert(made, "spans", [first, call("r4", 10 * DAY_S, 2)])
    assert refresh_requests(made) == 1
    later = {**first, "time": START + dt.timedelta(days=3), "received": START + dt.timedelta(days=1)}
    insert(made, "spans", [later])
    made.command("OPTIMIZE TABLE spans FINAL")
    assert refresh_requests(made) == 1
    assert facts(made, "r4")["time"].replace(tzinfo=dt.UTC) == START + dt.timedelta(days=3)


def test_requests_that_come_to_begin_in_another_quarter_leave_nothing_behind_in_any_piece(
    made: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "PIECE", 1)
    names = [f"earlier{n}" for n in range(3)]
    insert(made, "spans", [call(name, 3_600.0, 2) for name in names])
    assert refresh_requests(made) == 3
    insert(made, "spans", [call(name, 600.0) for name in names])
    assert refresh_requests(made) == 3
    for name in names:
        assert facts(made, name)["time"].replace(tzinfo=dt.UTC) == START + dt.timedelta(seconds=600)


@pytest.mark.parametrize(("requests", "sizes"), [(2, [2]), (5, [2, 1, 1, 1]), (8, [2, 2, 2, 2])])
def test_pieces_are_of_one_size_and_none_is_made_alone(
    made: Client, monkeypatch: pytest.MonkeyPatch, requests: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(job, "PIECE", 2)
    insert(made, "spans", [call(f"piece {requests} {n}", n * DAY_S) for n in range(requests)])
    assert refresh_requests(made) == requests
    newest = "SELECT count() AS size FROM changed_requests WHERE run = (SELECT max(run) FROM changed_requests)"
    assert [row["size"] for row in select(made, f"{newest} GROUP BY piece ORDER BY piece")] == sizes


def test_calls_of_attempts_that_overlap_stand_in_the_order_of_their_begin(made: Client) -> None:
    insert(made, "spans", [call("overlap", at_s, n) for at_s, n in ((0.0, 2), (1.0, 1), (2.0, 2), (3.0, 1))])
    assert refresh_requests(made) == 1
    row = facts(made, "overlap")
    assert row["calls.attempt"] == [2, 1, 2, 1]
    assert row["attempts.attempt"] == [1, 2]
    assert [begun.second - START.second for begun in row["attempts.time"]] == [1, 0]
    assert row["attempts.calls"] == [2, 2]


def test_a_label_of_a_span_is_found_far_from_its_call(made: Client) -> None:
    one = call("r5", 0.0)
    insert(made, "spans", [one])
    assert refresh_requests(made) == 1
    told = {"request_id": "", "trace_id": one["trace_id"], "span_id": one["span_id"]}
    insert(made, "labels", [{**label("", False, at_s=80 * DAY_S), **told}])
    assert refresh_requests(made) >= 1
    assert facts(made, "r5")["attempts.correct"] == [False]


def test_only_what_may_be_of_the_requests_at_hand_is_looked_up(made: Client) -> None:
    others = [call(f"o{n}", n * 60.0, response_id=f"resp-{n}") for n in range(200)]
    insert(made, "spans", others)
    of_spans = [{"trace_id": one["trace_id"], "span_id": one["span_id"]} for one in others]
    insert(made, "labels", [{**label("", True), **told} for told in of_spans])
    insert(made, "verdicts", [{**verdict("", passed=True), "response_id": one["response_id"]} for one in others])
    refresh_requests(made)
    step = span(request_id="r9", span_class="agent", attempt=2, trace_id="feed", at_s=1.0)
    insert(made, "spans", [call("r9", 0.0, response_id="resp-r9"), call("r9", 2.0, 2), step])
    told = [{"response_id": "resp-r9"}, {"trace_id": "feed", "span_id": step["span_id"]}]
    insert(made, "labels", [{**label("", correct), **one} for correct, one in zip((False, True), told, strict=True)])
    refresh_requests(made)
    assert facts(made, "r9")["attempts.correct"] == [False, True]
    found = "SELECT response_id, span_id FROM near_evaluations WHERE run = (SELECT max(run) FROM near_evaluations)"
    assert sorted(map(tuple, made.query(found).result_rows)) == sorted([("resp-r9", ""), ("", step["span_id"])])
    # and where the request is made anew for another reason
    insert(made, "spans", [call("r9", 40 * DAY_S, 3)])
    assert refresh_requests(made) == 1
    assert facts(made, "r9")["attempts.correct"] == [False, True, None]


def test_a_run_that_is_cut_off_leaves_nothing_unseen(made: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(made, "spans", [call("r6", 0.0), call("r6", 70 * DAY_S, 2)])
    insert(made, "labels", [label("r6", True, at_s=140 * DAY_S)])
    whole = job._Run._do

    for name in ("requests_days", "requests_changed", "requests_asked", "requests_build", "requests_removed"):

        def cut(self: job._Run, sql: str, cut_before: str = name, **values: object) -> None:
            if sql == cut_before:
                raise ConnectionError(sql)
            whole(self, sql, **values)

        monkeypatch.setattr(job._Run, "_do", cut)
        with pytest.raises(ConnectionError, match=name):
            refresh_requests(made)
    monkeypatch.setattr(job._Run, "_do", whole)
    assert refresh_requests(made) == 1
    assert facts(made, "r6")["attempts.correct"] == [None, True]


def test_requests_are_asked_for_by_the_days_of_all_that_they_are_made_of(made: Client) -> None:
    insert(made, "spans", [call("r7", 0.0), call("r7", 3 * DAY_S, 2)])
    insert(made, "verdicts", [verdict("r7", at_s=DAY_S, passed=True)])
    insert(made, "labels", [label("r7", True, at_s=90 * DAY_S)])
    refresh_requests(made)
    days = "call_days, verdict_days, label_days"
    sql = f"SELECT {days} FROM changed_requests WHERE request_id = 'r7' ORDER BY run DESC LIMIT 1"
    [asked] = select(made, sql)
    day = START.date()
    assert asked == {
        "call_days": [day, day + dt.timedelta(days=3)],
        "verdict_days": [day + dt.timedelta(days=1)],
        "label_days": [day + dt.timedelta(days=90)],
    }


def test_all_history_is_made_anew_in_stretches_of_days(made: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "STRETCH", 12)
    insert(made, "spans", [call("r8", -DAY_S), call("r8", 45 * DAY_S, 2), call("s8", 400 * DAY_S)])
    insert(made, "labels", [label("r8", True, at_s=200 * DAY_S)])
    made.command("TRUNCATE TABLE request_progress")
    made.command("TRUNCATE TABLE request_facts")
    made.command("TRUNCATE TABLE request_days")
    refresh_requests(made, budget_s=None)
    assert facts(made, "r8")["attempts.correct"] == [None, True]
    assert rebuild_requests(made, START + dt.timedelta(days=390), lambda *_: None) == 1


def test_the_move_to_days_can_be_cut_off_and_loses_nothing(empty_database: StoreAddress, tmp_path: Path) -> None:
    move = next(one for one in available() if one.name == "requests_by_day")
    for one in available()[: move.number - 1]:
        (tmp_path / f"{one.number:04}_{one.name}.sql").write_text(one.sql)
    migrate(empty_database, tmp_path)
    tables = ("call_facts", "verdicts", "labels")
    with connect(empty_database) as client:
        insert(client, "spans", [call("r", 0.0), call("r", 40 * DAY_S, 2)])
        insert(client, "verdicts", [verdict("r", passed=True), verdict("r", at_s=60 * DAY_S, attempt=1, passed=False)])
        insert(client, "labels", [label("r", True, at_s=100 * DAY_S), label("", True, trace_id="t")])

        def rows() -> dict[str, list[Row]]:
            # `inserted` is no part of *: by it the job sees what is new
            kept = {"call_facts": "*", "verdicts": "*, inserted", "labels": "*, inserted"}
            return {name: select(client, f"SELECT {kept[name]} FROM {name} FINAL ORDER BY time") for name in tables}

        before = rows()
        for n in [n for n, sql in enumerate(move.statements) if sql.startswith("EXCHANGE")]:
            for some in (move.statements[:n], move.statements[: n + 1]):  # cut off before it, then after it
                for sql in some:
                    client.command(sql)
        migrate(empty_database)
        settle_calls(client)
        assert rows() == before
        keys = select(client, "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase()")
        of = {row["name"]: row["sorting_key"] for row in keys}
        assert all(of[name].startswith("project, toDate(time), request_id") for name in tables)
        refresh_requests(client, budget_s=None)
        assert facts(client, "r")["attempts.correct"] == [None, True]
        assert_same(client)
