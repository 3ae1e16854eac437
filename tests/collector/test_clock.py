"""The store's clock goes back, as after a wrong time at boot: nothing that comes then is missed or held to be old.

The store asks the kernel, whose clock cannot be moved here: what was written while it went ahead is laid as it would
lie there. What a process of ours asks can be moved.
"""

import dataclasses
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.test_settling import put
from tests.collector.trial import COMPILER, ENVIRONMENT, LONGEST_JUMP_S, Clock
from tests.schema.rows import START, Row, insert, label, select, span
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.lease import Lease, holder

WRITTEN: Final = {
    "spans": ("inserted",),
    "call_facts": ("inserted", "version"),
    "request_facts": ("version",),
    "request_progress": ("recorded", "settled_until"),
    "watermarks": ("recorded", "settled_until"),
}
"""Table -> what the store's clock said when a row was written."""


def lay_ahead(client: Client) -> None:
    """Everything that is there was written by a clock that goes forty days ahead."""
    for table, columns in WRITTEN.items():
        later = ", ".join(f"{column} + INTERVAL 40 DAY AS {column}" for column in columns)
        client.command(f"CREATE TABLE {table}_ahead AS {table}")
        client.command(f"INSERT INTO {table}_ahead SELECT * REPLACE ({later}) FROM {table}")
        client.command(f"EXCHANGE TABLES {table} AND {table}_ahead")
        client.command(f"DROP TABLE {table}_ahead SYNC")


def run_jobs(client: Client) -> None:
    settle_calls(client)
    refresh_requests(client)


def requests(client: Client) -> dict[str, int]:
    """Request -> calls of it, as reports read it."""
    rows = select(client, "SELECT request_id, length(calls) AS calls FROM request_facts FINAL")
    return {row["request_id"]: row["calls"] for row in rows}


def called(client: Client) -> dict[str, tuple[str, int]]:
    """Span -> request that its call belongs to, and how many spans were one call."""
    rows = select(client, "SELECT span_id, request_id, merged_spans FROM calls")
    return {row["span_id"]: (row["request_id"], row["merged_spans"]) for row in rows}


def test_what_comes_after_the_clock_went_back_is_settled_and_holds(client: Client) -> None:
    usage: Row = {"input_tokens": 10, "output_tokens": 5}
    ours, gone = span(request_id="early", **usage), span(request_id="gone", **usage)
    put(client, [ours, gone])
    run_jobs(client)
    assert requests(client) == {"early": 1, "gone": 1}
    put(client, [span(request_id="unsettled")])
    lay_ahead(client)

    # what is said later of calls that were settled by the clock before takes the place of what was known then
    native = span(trace_id=ours["trace_id"], parent_span_id=ours["span_id"], scope_name="x", **usage)
    moved = {**gone, "request_id": "moved", "received": START + dt.timedelta(hours=1)}
    put(client, [span(request_id="late"), native, moved])
    run_jobs(client)
    assert requests(client) == {"early": 1, "late": 1, "moved": 1, "unsettled": 1}
    assert called(client)[native["span_id"]] == ("early", 2)
    assert ours["span_id"] not in called(client)

    assert settle_calls(client) == 0  # spans of a time to come are not settled again and again
    put(client, [span(request_id="later")])
    insert(client, "labels", [label("later", True)])
    run_jobs(client)
    assert requests(client).keys() == {"early", "late", "later", "moved", "unsettled"}
    ahead = "SELECT max(settled_until) > now() + 1 AS ahead FROM watermarks"
    assert select(client, ahead) == [{"ahead": 0}]


def test_a_lease_of_a_time_to_come_is_free(client: Client) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=40)
    insert(client, "leases", [{"name": "jobs", "term": 1, "owner": "who is gone", "until": until}])
    assert holder(client, "jobs") == ""
    taken = Lease("jobs", 6.0)
    assert taken.acquire(client)
    assert holder(client, "jobs") == taken.owner
    assert not Lease("jobs", 6.0).acquire(client)


RUNS_JOBS: Final = """
import contextlib, json, sys, time
from thinkmeter.collector.jobs.schedule import Schedule
from thinkmeter.schema.prices import PriceSettings
from thinkmeter.schema.store.client import StoreAddress
with contextlib.closing(Schedule(StoreAddress(**json.loads(sys.argv[1])), PriceSettings())) as schedule:
    schedule.start()
    before = 0
    while True:
        if (runs := schedule.states["settling"].runs) != before:
            print(time.time(), flush=True)
        before = runs
        time.sleep(0.05)
"""
"""Prints the time whenever calls were settled."""


@pytest.mark.skipif(COMPILER is None, reason="a C compiler makes the library that moves clocks")
def test_jobs_go_on_where_the_clock_of_their_process_goes_back(tmp_path: Path, database: StoreAddress) -> None:
    clock = Clock(tmp_path)
    command = [sys.executable, "-P", "-c", RUNS_JOBS, json.dumps(dataclasses.asdict(database))]
    with subprocess.Popen(command, env=ENVIRONMENT | clock.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            began = [float(process.stdout.readline()) for _ in range(2)][-1]
            clock.set_ahead(-LONGEST_JUMP_S)
            times = [float(process.stdout.readline()) for _ in range(4)]
        finally:
            process.kill()
    assert [ran < began - LONGEST_JUMP_S / 2 for ran in times][-2:] == [True, True]
