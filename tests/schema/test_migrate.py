"""Migrations are applied once, in order, and never change after that."""

import datetime as dt
from pathlib import Path

import pytest

from tests.schema.rows import START, label, price, span, verdict
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.query import Filters, Reader
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import available, migrate


def test_all_are_applied_once(empty_database: StoreAddress) -> None:
    assert [m.number for m in migrate(empty_database)] == [m.number for m in available()]
    assert migrate(empty_database) == []


@pytest.mark.parametrize("version", range(1, len(available())))
def test_a_store_of_any_earlier_version_is_brought_up_with_what_is_in_it(
    empty_database: StoreAddress, tmp_path: Path, version: int
) -> None:
    for migration in available()[:version]:
        write(tmp_path, f"{migration.number:04}_{migration.name}.sql", migration.sql)
    migrate(empty_database, tmp_path)
    with connect(empty_database) as client:
        for table, rows in {
            "spans": [span(request_id="r", tier=1, output_tokens=9, thinking_tokens=4)],
            "verdicts": [verdict("r", attempt=1, passed=True)],
            "labels": [label("r", True)],
            "prices": [price()],
        }.items():
            for row in rows:
                client.insert(table, [list(row.values())], column_names=list(row))
        assert [m.number for m in migrate(empty_database)] == [m.number for m in available()[version:]]
        settle_calls(client)
        assert refresh_requests(client, budget_s=None) == 1
        with Reader(empty_database) as reader:
            [row] = reader.requests(Filters(START - dt.timedelta(days=1), START + dt.timedelta(days=1)))
            told = reader.report("ttr", since=START - dt.timedelta(days=1), until=START + dt.timedelta(days=1))
        assert (row["thinking_tokens"], row["verdict_passed"], row["correct"]) == (4, True, True)
        assert [one.n for one in told.rows] == [1]


def write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql)


def test_an_edited_file_is_refused(empty_database: StoreAddress, tmp_path: Path) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = MergeTree ORDER BY x;\n")
    migrate(empty_database, tmp_path)
    write(tmp_path, "0001_first.sql", "CREATE TABLE IF NOT EXISTS a (x Int16) ENGINE = MergeTree ORDER BY x;\n")
    with pytest.raises(ThinkmeterError, match=r"migration 1 \(first\) was changed after it was applied"):
        migrate(empty_database, tmp_path)


def test_a_failing_statement_leaves_its_migration_pending(empty_database: StoreAddress, tmp_path: Path) -> None:
    good = "CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = MergeTree ORDER BY x;\n"
    write(tmp_path, "0001_first.sql", good + "CREATE TABLE nonsense;\n")
    with pytest.raises(ThinkmeterError, match=r"migration 1 \(first\), statement 2"):
        migrate(empty_database, tmp_path)
    write(tmp_path, "0001_first.sql", good)
    assert [m.name for m in migrate(empty_database, tmp_path)] == ["first"]


def test_a_newer_database_is_refused(empty_database: StoreAddress, tmp_path: Path) -> None:
    write(tmp_path, "0001_first.sql", "SELECT 1;\n")
    write(tmp_path, "0002_second.sql", "SELECT 1;\n")
    migrate(empty_database, tmp_path)
    (tmp_path / "0002_second.sql").unlink()
    with pytest.raises(ThinkmeterError, match=r"migration 2 \(second\), which this version does not know"):
        migrate(empty_database, tmp_path)


@pytest.mark.parametrize("names", [["0002_gap.sql"], ["0001_a.sql", "0001_b.sql"], ["first.sql"]])
def test_misnumbered_files_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write(tmp_path, name, "SELECT 1;\n")
    with pytest.raises(ThinkmeterError, match="migration"):
        available(tmp_path)


@pytest.mark.parametrize("name", ["t", "s", "c", "lost", "tier"])
def test_a_name_that_the_schema_uses_is_refused_before_anything_is_made(store: EmbeddedStore, name: str) -> None:
    address = store.address.with_database(name)
    with pytest.raises(ThinkmeterError, match=f"the database cannot be called {name}"):
        migrate(address)
    with connect(address, database="") as client:
        assert client.command("SELECT count() FROM system.databases WHERE name = {name:String}", {"name": name}) == 0


def test_money_and_tokens_have_their_unit_in_the_name(database: StoreAddress) -> None:
    with connect(database) as client:
        names = {
            row[0]
            for row in client.query(
                "SELECT name FROM system.columns WHERE table = 'spans' AND database = currentDatabase()"
            ).result_rows
        }
    assert {"thinking_tokens", "output_tokens", "reported_cost_usd", "duration_ns"} <= names
