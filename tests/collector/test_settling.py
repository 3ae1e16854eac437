"""The settling job: every trace as its spans say, whatever arrived when, and nothing missed or left behind."""

import datetime as dt
import random
import threading

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, Row, insert, select, span
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.client import StoreAddress, connect


def put(client: Client, rows: list[Row]) -> None:
    """Insert spans without settling them."""
    for row in rows:
        client.insert("spans", [list(row.values())], column_names=list(row))


def test_nothing_new_is_nothing_to_do(client: Client) -> None:
    assert settle_calls(client) == 0
    put(client, [span(), span()])
    assert settle_calls(client) == 2
    assert settle_calls(client) == 0
    assert select(client, "SELECT count() AS n FROM watermarks") == [{"n": 1}]


def test_how_far_it_came_is_known_however_long_nothing_came(client: Client) -> None:
    row = "'settle', now64(6) - INTERVAL {0} DAY, now64(6) - INTERVAL {0} DAY, 1, 1"
    for days in (40, 30, 20):
        client.command(
            f"INSERT INTO watermarks (job, recorded, settled_until, rows, duration_ms) SELECT {row.format(days)}"
        )
    insert(client, "watermarks", [{"job": "alerts", "settled_until": START, "rows": 1, "duration_ms": 1.0}])
    client.command("OPTIMIZE TABLE watermarks FINAL")
    said = "SELECT job, rows, dateDiff('day', settled_until, now()) = 20 AS newest FROM watermarks ORDER BY job"
    assert select(client, said) == [
        {"job": "alerts", "rows": 1, "newest": 0},
        {"job": "settle", "rows": 3, "newest": 1},
    ]


def test_what_turns_out_to_be_a_repeat_is_taken_out(client: Client) -> None:
    ours = span(request_id="r", input_tokens=10, output_tokens=5)
    native = span(
        trace_id=ours["trace_id"], parent_span_id=ours["span_id"], scope_name="x", input_tokens=10, output_tokens=5
    )
    insert(client, "spans", [ours])
    assert select(client, "SELECT span_id FROM calls") == [{"span_id": ours["span_id"]}]
    insert(client, "spans", [native])
    assert select(client, "SELECT span_id, request_id FROM calls") == [
        {"span_id": native["span_id"], "request_id": "r"}
    ]


def test_a_late_ancestor_moves_the_call_to_its_request(client: Client) -> None:
    root = span(span_class="request", request_id="r", task="sql")
    insert(client, "spans", [span(trace_id=root["trace_id"], parent_span_id=root["span_id"])])
    insert(client, "spans", [root])
    assert select(client, "SELECT request_id, task FROM calls") == [{"request_id": "r", "task": "sql"}]


def test_a_late_repeat_in_another_trace_is_folded_in(client: Client) -> None:
    usage: Row = {"response_id": "resp-1", "input_tokens": 10, "output_tokens": 5}
    insert(client, "spans", [span(scope_name="gateway", thinking_tokens=3, **usage)])
    insert(client, "spans", [span(request_id="r", **usage)])
    assert select(client, "SELECT request_id, thinking_tokens, merged_spans FROM calls") == [
        {"request_id": "r", "thinking_tokens": 3, "merged_spans": 2}
    ]


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_batching_gives_the_same(client: Client, seed: int) -> None:
    rng = random.Random(seed)
    rows: list[Row] = []
    for n in range(12):
        root = span(span_class="request", request_id=f"r{n}", task="sql")
        usage: Row = {"input_tokens": 10 + n, "output_tokens": 5, "response_id": f"resp-{n}"}
        ours = span(trace_id=root["trace_id"], parent_span_id=root["span_id"], tier=1 + n % 3, at_s=n, **usage)
        native = span(trace_id=root["trace_id"], parent_span_id=ours["span_id"], scope_name="x", at_s=n, **usage)
        gateway = span(scope_name="gateway", thinking_tokens=n % 5, at_s=n, **usage)
        rows += [root, ours, native, gateway]
    rng.shuffle(rows)
    for row in rows:
        put(client, [row])
        if rng.random() < 0.2:
            settle_calls(client, most=rng.randint(1, 5))
    while settle_calls(client, most=10):
        pass
    piecewise = select(client, "SELECT * FROM calls ORDER BY time, span_id")
    client.command("TRUNCATE TABLE call_facts")
    client.command("TRUNCATE TABLE watermarks")
    settle_calls(client)
    assert select(client, "SELECT * FROM calls ORDER BY time, span_id") == piecewise
    assert [(c["request_id"], c["thinking_tokens"]) for c in piecewise] == [(f"r{n}", n % 5) for n in range(12)]


def test_a_backlog_is_settled_in_slices_the_oldest_first(client: Client) -> None:
    settle_calls(client)
    batches = [[span(request_id=f"r{batch}", at_s=batch) for _ in range(3)] for batch in range(4)]
    for rows in batches:
        client.insert("spans", [list(row.values()) for row in rows], column_names=list(rows[0]))
    done = []
    while settled := settle_calls(client, most=4):
        done.append((settled, select(client, "SELECT max(request_id) AS newest FROM calls")[0]["newest"]))
    assert done == [(6, "r1"), (6, "r3")]  # an insert stays whole
    assert select(client, "SELECT count() AS n FROM calls") == [{"n": 12}]


def test_spans_that_arrive_while_it_works_are_not_missed(database: StoreAddress) -> None:
    done = threading.Event()
    settled = 0

    def keep_settling() -> None:
        nonlocal settled
        with connect(database) as own:
            while not done.is_set():
                settled += settle_calls(own)

    job = threading.Thread(target=keep_settling)
    job.start()
    try:
        with connect(database) as client:
            for _ in range(60):
                put(client, [span(), span()])
    finally:
        done.set()
        job.join()
    with connect(database) as client:
        settle_calls(client)
        assert select(client, "SELECT count() AS n FROM calls") == [{"n": 120}]
    assert settled >= 1


def test_a_run_that_was_cut_off_is_repeated(client: Client) -> None:
    put(client, [span(request_id="r", input_tokens=1, output_tokens=1, thinking_tokens=0)])
    settle_calls(client)
    # as if the run had ended before it wrote its mark
    client.command("TRUNCATE TABLE watermarks")
    assert settle_calls(client) == 1
    assert select(client, "SELECT request_id FROM calls") == [{"request_id": "r"}]


def test_the_watermark_says_how_far(client: Client) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    insert(client, "spans", [span()])
    [mark] = select(client, "SELECT settled_until, rows FROM watermarks")
    assert before < mark["settled_until"].replace(tzinfo=dt.UTC) <= dt.datetime.now(dt.UTC)
    assert mark["rows"] == 1
