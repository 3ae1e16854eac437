"""What the pages ask the query layer for, and how they hold on to its connections."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, Row, insert, label, span, verdict
from thinkmeter.dashboards import store
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.query import Filters, Reader, Runaway, Runaways
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.embedded import EmbeddedStore

DAY = dt.timedelta(days=1)


@pytest.fixture
def reader(database: StoreAddress) -> Iterator[Reader]:
    with Reader(database) as connected:
        yield connected


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """Nothing is read any more after the test."""
    yield
    store.read_from(Path("/nowhere"))


def test_what_can_be_chosen_is_what_occurs_in_the_window(client: Client, reader: Reader) -> None:
    seen: dict[str, Any] = {"task": "sql", "environment": "prod", "response_model": "m-1"}
    insert(client, "spans", [span(**seen), span(**{**seen, "project": "shop"}), span(**seen, time=START - 2 * DAY)])
    insert(client, "spans", [span(task="old", time=START - 2 * DAY)])
    assert reader.values(START - DAY, START + DAY) == {
        "project": ["default", "shop"],
        "environment": ["prod"],
        "task": ["sql"],
        "model": ["m-1"],
    }
    assert reader.values(START + DAY, START + 2 * DAY)["task"] == []


def test_requests_are_found_by_what_came_of_them(client: Client, reader: Reader) -> None:
    insert(client, "verdicts", [verdict("a", passed=True), verdict("b", passed=True), verdict("c", passed=False)])
    insert(client, "labels", [label("a", True), label("b", False)])
    insert(client, "spans", [span(request_id=name, attempt=1, tier=1) for name in "abc"])
    insert(client, "spans", [span(request_id="d", attempt=n, tier=n, at_s=n) for n in (1, 2)])

    def found(**where: int) -> set[str]:
        rows = reader.requests(Filters(START - DAY, START + DAY, None, where))
        return {row["request_id"] for row in rows}

    assert found() == {"a", "b", "c", "d"}
    assert found(escalated=1) == {"d"}
    assert found(verdict=0) == {"c"}
    assert found(correct=0) == {"b"}
    assert found(verdict=1, correct=1) == {"a"}


def fired(request_id: str, state: str, value: float, *, at_s: float = 0.0, **columns: Any) -> Row:
    """An event of the alert engine, of a request that began at START."""
    return {
        "project": "default",
        "rule": "runaway",
        "key": request_id,
        "state": state,
        "time": START + dt.timedelta(seconds=at_s),
        "event": f"{request_id} {state}",
        "task": "sql",
        "request_id": request_id,
        "model": "m-1",
        "began": START,
        "cost_usd": value / 1e6,
        "value": value,
        "threshold": 2000.0,
        "baseline_task": "sql",
        "baseline_n": 300,
        "baseline_p95": 1000.0,
        **columns,
    }


def test_a_runaway_is_one_row_as_it_was_last_known_and_by_the_limit_of_when_it_fired(
    client: Client, reader: Reader
) -> None:
    assert reader.runaways(Filters(START - DAY, START + DAY, None)) == Runaways([], None)
    insert(client, "spans", [span(request_id="a", environment="prod"), span(request_id="b", environment="test")])
    events = [
        fired("a", "firing", 3000),
        fired("a", "resolved", 9000, at_s=400, threshold=0.0, baseline_n=0),
        fired("b", "firing", 5000, at_s=60, began=START + dt.timedelta(seconds=60), task="law"),
        fired("c", "firing", 1, rule="other"),
    ]
    insert(client, "alert_events", events)
    insert(client, "watermarks", [{"job": "alerts", "settled_until": START, "rows": 1, "duration_ms": 1.0}])

    def found(**where: str) -> list[str]:
        return [one.request_id for one in reader.runaways(Filters(START - DAY, START + DAY, None, where)).found]

    assert (found(), found(task="law"), found(environment="prod")) == (["b", "a"], ["b"], ["a"])
    assert reader.runaways(Filters(START + DAY, START + 2 * DAY, None)).found == []
    runaways = reader.runaways(Filters(START - DAY, START + DAY), limit=5)
    assert runaways.judged_until == START
    assert runaways.found[1] == Runaway("default", "a", "sql", "m-1", START, 9000.0, 0.009, 2000.0, "sql", 300, 1000.0)


def test_a_store_is_behind_by_its_oldest_waiting_span_and_not_by_how_long_nothing_came(
    client: Client, reader: Reader
) -> None:
    insert(client, "spans", [span()])
    earlier = "ALTER TABLE watermarks UPDATE settled_until = settled_until - INTERVAL 1 HOUR WHERE true"
    client.command(earlier, settings={"mutations_sync": 1})
    client.command("TRUNCATE TABLE spans")
    row = {**span(), "inserted": dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)}
    client.insert("spans", [list(row.values())], column_names=list(row))
    waiting = reader.freshness()
    assert waiting.waiting_spans == 1
    assert 120 <= waiting.lag_s < 180


@pytest.mark.usefixtures("_forgotten")
def test_a_connection_is_kept_until_it_fails(database: StoreAddress) -> None:
    store.read_from(database)
    first = store.ask(lambda reader: reader)
    assert store.ask(lambda reader: reader) is first
    with pytest.raises(ZeroDivisionError):
        store.ask(lambda reader: 1 // 0)
    assert store.ask(lambda reader: reader) is not first


@pytest.mark.usefixtures("_forgotten")
def test_a_store_that_moved_is_found_again_by_its_data_directory(laid_data: Path) -> None:
    store.read_from(laid_data)
    with pytest.raises(ThinkmeterError, match="no store is running"):
        store.ask(lambda reader: reader.freshness())
    for _ in range(2):
        with EmbeddedStore(laid_data, port=0) as running:
            assert store.ask(lambda reader: reader.freshness()).newest_inserted is None
            kept = running.address
    with pytest.raises(ThinkmeterError):
        store.ask(lambda reader: reader.freshness())
    store.read_from(kept)
    with pytest.raises(RetryableError, match="does not answer"):
        store.ask(lambda reader: reader.freshness())
