"""`thinkmeter forget`: what is asked for is gone from every table, and nothing else is."""

import datetime as dt
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run
from tests.schema.rows import insert, label, price, select, span, verdict
from thinkmeter.schema.store import erasure

TRACE, OTHER, SHARED = "a" * 32, "b" * 32, "c" * 32
ID = "u-ada@example.com"


@pytest.fixture
def _traffic(client: Client) -> None:
    insert(client, "prices", [price()])
    insert(client, "verdicts", [verdict("mine"), verdict("theirs"), {**verdict(""), "response_id": "resp-mine"}])
    insert(client, "labels", [label("mine", True), label("theirs", True)])
    insert(
        client,
        "spans",
        [
            span(trace_id=TRACE, request_id="mine", user_id=ID, session_id="s-1", response_id="resp-mine"),
            # without an id of its own: it belongs to its trace
            span(trace_id=TRACE, span_class="other", attributes={"gen_ai.input.messages": "secret"}),
            span(trace_id=OTHER, request_id="theirs", user_id="u-bob", session_id="s-2"),
            # two requests in one trace
            span(trace_id=SHARED, request_id="mine too", user_id=ID),
            span(trace_id=SHARED, request_id="theirs too", user_id="u-bob"),
            span(trace_id=SHARED, span_class="other"),
        ],
    )
    record = {"project": "default", "trace_id": TRACE}
    insert(client, "log_records", [record, {**record, "trace_id": OTHER}])
    event = {"project": "default", "rule": "runaway", "state": "firing"}
    events = [{**event, "key": of, "request_id": of, "event": of} for of in ("mine", "theirs")]
    events += [
        {
            **event,
            "rule": "over quota",
            "key": f"quota user={who} day=2026-11-01 2026-11-01T12:00:00.000Z",
            "event": who,
        }
        for who in (ID, "u-bob")
    ]
    for row in events:
        row.setdefault("request_id", "")
    insert(client, "alert_events", events)
    insert(client, "alert_attempts", [{"project": "default", "event": row["event"]} for row in events])
    seen = {"project": "default", "rule": "over quota", "time": dt.datetime.now(dt.UTC)}
    insert(client, "alert_readings", [{**seen, "key": f"quota user={who}", "user_id": who} for who in (ID, "u-bob")])


def left(client: Client) -> dict[str, int]:
    tables = ("spans", "call_facts", "verdicts", "labels", "log_records", "alert_events", "alert_attempts",
        "alert_readings")  # fmt: skip
    counted = ", ".join(f"(SELECT count() FROM {table}) AS {table}" for table in tables)
    return {table: int(count) for table, count in select(client, f"SELECT {counted}")[0].items()}


def naming_requests(client: Client) -> list[str]:
    """Every table that names requests, those that a later version added included."""
    sql = (
        "SELECT DISTINCT table FROM system.columns AS c JOIN system.tables AS t ON t.database = c.database"
        " AND t.name = c.table"
        " WHERE c.database = currentDatabase() AND c.name = 'request_id' AND engine LIKE '%MergeTree'"
    )
    return [row["table"] for row in select(client, sql)]


@pytest.mark.usefixtures("_traffic")
def test_a_user_is_forgotten_everywhere(client: Client, run: Run, store_url: str, tmp_path: Path) -> None:
    kept = tmp_path / "quarantine" / "x.pb"
    kept.parent.mkdir()
    kept.write_bytes(b"..." + ID.encode())
    kept.with_suffix(".json").write_text("{}")
    (kept.parent / "y.pb").write_bytes(b"of others")
    before = left(client)
    asked = ("forget", "--user", ID, "--store-url", store_url, "--data", str(tmp_path))
    told = run(*asked, "--dry-run")
    assert told.code == 0, told.err
    assert told.out.startswith(f"2 requests of user {ID}: ")
    assert "1 files" in told.out
    assert (left(client), kept.exists()) == (before, True)
    told = run(*asked, "--yes")
    assert told.code == 0, told.err
    assert "erased\n1 traces hold requests of others, too" in told.out
    assert left(client) == {
        "spans": 3, "call_facts": 2, "verdicts": 1, "labels": 1, "log_records": 1, "alert_events": 2,
        "alert_attempts": 2, "alert_readings": 1,
    }  # fmt: skip
    keys = [row["key"] for row in select(client, "SELECT key FROM alert_events")]
    assert not any(ID in key for key in keys)
    assert {row["request_id"] for row in select(client, "SELECT request_id FROM calls")} == {"theirs", "theirs too"}
    for table in naming_requests(client):
        found = select(client, f"SELECT DISTINCT request_id FROM {table} WHERE request_id LIKE 'mine%'")
        assert found == [], table
    assert sorted(file.name for file in kept.parent.iterdir()) == ["y.pb"]
    assert select(client, "SELECT count() AS n FROM system.tables WHERE name LIKE 'forgotten%'") == [{"n": 0}]
    assert run(*asked, "--yes").out == f"0 requests of user {ID}: no rows\n"


@pytest.mark.usefixtures("_traffic")
@pytest.mark.parametrize(("option", "name"), [("--session", "s-1"), ("--request", "mine")])
def test_a_session_or_a_request_is_forgotten(
    option: str, name: str, client: Client, run: Run, store_url: str, tmp_path: Path
) -> None:
    told = run("forget", option, name, "--yes", "--store-url", store_url, "--data", str(tmp_path))
    assert told.code == 0, told.err
    requests = {row["request_id"] for row in select(client, "SELECT request_id FROM calls")}
    assert requests == {"theirs", "mine too", "theirs too"}
    assert left(client)["spans"] == 4


def test_what_waits_in_the_spool_is_said(client: Client, run: Run, store_url: str, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "x.segment").write_bytes(ID.encode())
    told = run("forget", "--user", ID, "--yes", "--store-url", store_url, "--data", str(tmp_path))
    assert told.code == 1
    assert "1 files of the spool hold it and are not in the store yet" in told.err


def test_one_thing_is_forgotten_at_a_time(run: Run, store_url: str) -> None:
    for options in ((), ("--user", "a", "--session", "b")):
        told = run("forget", *options, "--store-url", store_url)
        assert told.code == 2
        assert "say one of --user, --session and --request" in " ".join(told.err.replace("│", " ").split())


@pytest.mark.usefixtures("_traffic")
def test_a_table_whose_merges_are_stopped_is_told_and_not_waited_for(
    client: Client, run: Run, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = ("forget", "--user", ID, "--yes", "--data", str(tmp_path), "--store-url", store_url)
    client.command("SYSTEM STOP MERGES spans")
    try:
        with monkeypatch.context() as impatient:
            impatient.setattr(erasure, "STUCK_S", 0.3)
            told = run(*forget)
    finally:
        client.command("SYSTEM START MERGES spans")
    assert told.code == 1
    assert "the table spans has not worked on what is to be erased for 0 s" in told.err
    assert "SYSTEM START MERGES spans" in told.err
    ordered = "SELECT count() AS n FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
    assert select(client, ordered) == [{"n": 0}]
    assert run(*forget).code == 0
    assert select(client, "SELECT count() AS n FROM spans WHERE user_id = {id:String}", id=ID) == [{"n": 0}]
