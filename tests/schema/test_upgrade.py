"""A store of any earlier schema, with data in it, answers after an upgrade as one that was made today."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from tests.databases import Databases, drop, new_address
from tests.schema.rows import START, Row, label, price, put, rule, select, span, verdict
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import available, migrate

USAGE: Final = {"input_tokens": 100, "output_tokens": 50, "thinking_tokens": 30}
WRAPPED: Final = span(request_id="r3", response_id="x", **USAGE)
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
VERSIONS: Final = [migration.number for migration in available()]
ANSWERS: Final = {
    "calls": "SELECT * EXCEPT inserted FROM calls ORDER BY project, request_id, time, span_id",
    "attempts": "SELECT * FROM attempts ORDER BY project, request_id, attempt",
    "requests": "SELECT * FROM requests ORDER BY project, request_id",
}
Answers = dict[str, list[Row]]


def insert_facts(client: Client, project: str, version: int = 0) -> None:
    """Rows of every kind, as whoever had that version had them; prices and rules, which are everybody's, once more."""
    now = START + dt.timedelta(days=version)
    for table, rows in FACTS.items():
        own = {"prices": {"recorded": now}, "rules": {"revision": now}}.get(table, {"project": project})
        put(client, table, [{**row, **own} for row in rows])


def answers(client: Client) -> dict[str, Answers]:
    """What is said of each project."""
    told: dict[str, Answers] = {}
    for name, sql in ANSWERS.items():
        for row in select(client, sql):
            told.setdefault(row.pop("project"), {}).setdefault(name, []).append(row)
    return told


def laid(address: StoreAddress, folder: Path, number: int) -> list[int]:
    """Bring the schema to what it was with so many migrations; those that it lacked."""
    for migration in available()[:number]:
        name = f"{migration.number:04}_{migration.name}.sql"
        (folder / name).write_text(migration.sql)
    return [migration.number for migration in migrate(address, folder)]


@pytest.fixture(scope="module")
def expected(databases: Databases) -> Iterator[Answers]:
    """What a new store answers."""
    address = databases.take()
    with connect(address) as client:
        insert_facts(client, "new")
        settle_calls(client)
        yield answers(client)["new"]
    databases.give_back(address)


@pytest.fixture(scope="module")
def upgraded(store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answers]]:
    """What a store answers that went through every version, and in each of them took the facts of a project."""
    address, folder = new_address(store.address), tmp_path_factory.mktemp("migrations")
    assert laid(address, folder, 1) == [1]
    with connect(address) as client:
        for version in VERSIONS[:-1]:
            insert_facts(client, f"since {version}", version)
            assert laid(address, folder, version + 1) == [version + 1]
        settle_calls(client)
        yield answers(client)
    drop(address)


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_an_older_store_with_data_answers_after_an_upgrade_as_a_new_one(
    upgraded: dict[str, Answers], expected: Answers, version: int
) -> None:
    assert upgraded[f"since {version}"] == expected
    assert set(expected) == set(ANSWERS)


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
        laid(empty_database, tmp_path, 13)
        assert select(client, coverage) == [{"fresh": 1, "priced": 0}]


def test_cells_with_a_row_for_each_value_become_arrays(empty_database: StoreAddress, tmp_path: Path) -> None:
    laid(empty_database, tmp_path, 18)
    place: Row = {"step": 900, "time": START, "build": 1, "project": "default", "quarter": START, "environment": "prod"}
    place |= {"model": "m", "tier": None, "provider": "p", "task": "sql", "weight": 1.0}
    verdicts: Row = {**place, "settled": 1, "verifier": "v", "version": "1", "passed": 1, "is_correct": -1}
    verdicts |= {"label_probability": None, "in_tier_1": 1}
    ends: Row = {**place, "until": "end", "measure_name": "end"}
    older = {
        "ttr_cells": [{**place, "settled": 1, "tokens": tokens, "requests": n} for tokens, n in ((7, 2), (-1, 3))]
        + [{**place, "settled": 0, "tokens": 7, "requests": 1}, {**place, "settled": 1, "step": 86_400, "tokens": 7}],
        "vrate_cells": [
            {**verdicts, "score": score, "attempts": n, "score_sum": n * 0.5}
            for score, n in ((0.9, 2), (float("nan"), 1), (0.1, 4))
        ],
        "latency_cells": [{**ends, "ms": ms, "calls": n} for ms, n in ((123.0, 1), (-1.0, 2), (4.56, 3))],
    }
    arrays = {
        "ttr_cells": "SELECT step, settled, tier, weight, tokens, requests FROM ttr_cells ORDER BY step, settled",
        "vrate_cells": "SELECT passed, label_probability, toString(score) AS scores, attempts, score_sum"
        " FROM vrate_cells",
        "latency_cells": "SELECT quarter, until, ms, weight, calls FROM latency_cells",
    }
    with connect(empty_database) as client:
        for table, rows in older.items():
            for row in rows:
                client.insert(table, [list(row.values())], column_names=list(row))
        migrate(empty_database)
        once = {table: select(client, sql) for table, sql in arrays.items()}
        # a migration that was cut off is applied again
        for statement in available()[18].statements:
            client.command(statement)
        assert {table: select(client, sql) for table, sql in arrays.items()} == once
    kinds = {"tier": None, "weight": 1.0}
    assert once["ttr_cells"] == [
        {"step": 900, "settled": 0, **kinds, "tokens": [7], "requests": [1]},
        {"step": 900, "settled": 1, **kinds, "tokens": [-1, 7], "requests": [3, 2]},
        {"step": 86_400, "settled": 1, **kinds, "tokens": [7], "requests": [0]},
    ]
    [judged], [told] = once["vrate_cells"], once["latency_cells"]
    assert (judged["scores"], judged["attempts"], judged["score_sum"]) == ("[0.1,0.9,nan]", [4, 2, 1], [2.0, 1.0, 0.5])
    assert (judged["passed"], judged["label_probability"]) == (1, None)
    assert (told["until"], told["ms"], told["weight"], told["calls"]) == ("end", [-1.0, 4.56, 123.0], 1.0, [2, 3, 1])
