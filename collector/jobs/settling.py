"""Settles which spans are one call: rebuilds `call_facts` for every trace that was touched."""

import datetime as dt
import time
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.summary import QuerySummary

from thinkmeter.collector.jobs.clock import bring_back, forget_marks, went_back
from thinkmeter.schema.store.statement import statement

NEVER: Final = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)
OVERLAP: Final = dt.timedelta(minutes=10)
"""Where the store's clock went back, how long ago at most, by the clock that holds now, before the job saw it."""


def settle_calls(client: Client) -> int:
    """Rebuild the calls of all traces with spans that arrived since the last run; how many spans those were.

    Can be repeated and cut off anywhere: the watermark moves last, and a row is replaced by a newer version of
    itself. Readers see a trace as it was or as it is; where a repeat is being taken out, for an instant both.
    """
    started = time.monotonic()
    ahead = NEVER
    since, settled_until, waiting, now = _until(client, NEVER, ahead)
    if turned := went_back(since, now):
        bring_back(client, "call_facts", now)
        ahead = since
        since, settled_until, waiting, now = _until(client, now - OVERLAP, ahead)
    if not waiting and not turned:
        return 0
    run = {"run": time.time_ns()}
    client.command(statement(__package__, "settle_start"), parameters={**run, "since": since, "ahead": ahead})
    while _inserted(client, "settle_spread", run):
        pass  # what was found may share responses with yet others; nearly always nothing does
    [(tangled, lacking)] = client.query(statement(__package__, "settle_ways"), parameters=run).result_rows
    version = {"version": now}  # by the clock of the store, as other jobs look for it
    ways = {
        "identities": "call_identities" if tangled else "lone_identities",
        # whether two spans are one call depends on who is whose ancestor
        "lineage": "span_lineage" if tangled or lacking else "no_lineage",
    }
    client.command(statement(__package__, "settle_calls"), parameters={**version, **ways})
    client.command(statement(__package__, "settle_removals"), parameters=version)
    if turned:
        forget_marks(client, "watermarks", "settled_until", now)
    client.command(
        statement(__package__, "settle_mark"),
        parameters={
            "settled_until": settled_until,
            "rows": waiting,
            "duration_ms": (time.monotonic() - started) * 1e3,
        },
    )
    return int(waiting)


def _until(client: Client, newest: dt.datetime, ahead: dt.datetime) -> tuple[Any, ...]:
    """The row of `settle_until`."""
    parameters = {"newest": newest, "ahead": ahead}
    rows = client.query(statement(__package__, "settle_until"), parameters=parameters, tz_mode="aware").result_rows
    return tuple(rows[0])


def _inserted(client: Client, name: str, run: dict[str, int]) -> int:
    summary = client.command(statement(__package__, name), parameters=run)
    assert isinstance(summary, QuerySummary)  # what an insert answers
    return summary.written_rows
