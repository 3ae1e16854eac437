"""A store of any earlier schema, with data in it, answers after an upgrade as one that was made today."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, Row, insert, label, price, rule, select, span, verdict
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import available, migrate

USAGE: Final = {"input_tokens": 100, "output_tokens": 50, "thinking_tokens": 30}
WRAPPED = span(request_id="r3", response_id="x", **USAGE)
FACTS: Final[dict[str, list[Row]]] = {
    "spans": [
        span(request_id="r1", tier=1, task="sql", **USAGE),
        span(request_id="r1", tier=3, task="sql", at_s=5.0, **USAGE),
        span(request_id="r2", tier=1, task="sql", input_tokens=10, output_tokens=5),
        WRAPPED,
        # told by another instrumentation as well
        span(trace_id=WRAPPED["trace_id"], response_id="x", scope_name="other", **USAGE),
    ],
    "verdicts": [
        verdict("r1", attempt=1, score=0.2, threshold=0.7, passed=False),
        verdict("r2", score=0.9, passed=True),
    ],
    "labels": [label("r1", True), label("r2", False)],
    "prices": [price()],
    "rules": [rule("tier", "acme-think", "1")],
}
ANSWERS: Final = {
    "calls": "SELECT * EXCEPT (inserted) FROM calls ORDER BY project, request_id, time, span_id",
    "attempts": "SELECT * FROM attempts ORDER BY project, request_id, attempt",
    "requests": "SELECT * FROM requests ORDER BY project, request_id",
}


def answers(client: Client) -> dict[str, list[Row]]:
    return {name: select(client, sql) for name, sql in ANSWERS.items()}


def laid(address: StoreAddress, folder: Path, number: int) -> None:
    """The schema as it was with so many migrations."""
    for migration in available()[:number]:
        name = f"{migration.number:04}_{migration.name}.sql"
        (folder / name).write_text(migration.sql)
    migrate(address, folder)


@pytest.fixture(scope="module")
def expected(store: EmbeddedStore) -> Iterator[dict[str, list[Row]]]:
    """What a new store answers."""
    address = store.address.with_database("test_upgrade_expected")
    migrate(address)
    with connect(address) as client:
        for table, rows in FACTS.items():
            insert(client, table, rows)
        settle_calls(client)
        yield answers(client)
        client.command("DROP DATABASE test_upgrade_expected")


@pytest.mark.parametrize("number", [migration.number for migration in available()][:-1])
def test_an_older_store_with_data_answers_after_an_upgrade_as_a_new_one(
    empty_database: StoreAddress, tmp_path: Path, expected: dict[str, list[Row]], number: int
) -> None:
    laid(empty_database, tmp_path, number)
    with connect(empty_database) as client:
        for table, rows in FACTS.items():
            for row in rows:
                client.insert(table, [list(row.values())], column_names=list(row))
        assert [m.number for m in migrate(empty_database)] == [m.number for m in available()][number:]
        settle_calls(client)
        assert answers(client) == expected
        assert all(expected.values())


def test_rollups_made_before_they_had_amounts_by_rate_answer_no_amounts(
    empty_database: StoreAddress, tmp_path: Path
) -> None:
    laid(empty_database, tmp_path, 12)
    with connect(empty_database) as client:
        changed = START.replace(minute=0, second=0)
        client.insert("rollup_changes", [[changed, changed]], column_names=["time", "changed"])
        # of calls without a book, of which no rate can tell
        client.command(
            "INSERT INTO rollup_stretches SELECT 900, {time:DateTime('UTC')}, toUnixTimestamp64Micro(now64(6)), 0, 0,"
            " [7], cityHash64(arrayMap(key ->"
            " arrayMap(rate -> (rate.1, rate.2, rate.3), r.rates[indexOf(r.books, key)]), [7]))"
            " FROM price_hashes AS r",
            parameters={"time": changed},
        )
        coverage = "SELECT fresh, priced FROM rollup_coverage"
        assert select(client, coverage) == [{"fresh": 1, "priced": 1}]
        migrate(empty_database)
        assert select(client, coverage) == [{"fresh": 1, "priced": 0}]
