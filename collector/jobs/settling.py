"""Settles which spans are one call: rebuilds `call_facts` for every trace that was touched."""

import datetime as dt
import time
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.summary import QuerySummary

from thinkmeter.collector.jobs.clock import bring_back, forget_marks, went_back
from thinkmeter.schema.store.statement import statement

NEVER: Final = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)
SLICE: Final = 250_000
"""About how many spans one run settles: two or three seconds, and some 500 MB in the store. More waits for the next."""
OVERLAP: Final = dt.timedelta(minutes=10)
"""Where the store's clock went back, how long ago at most, by the clock that holds now, before the job saw it."""


def settle_calls(client: Client, *, most: int = SLICE) -> int:
    """Rebuild the calls of traces with spans that arrived since the last run, the oldest first.

    Can be repeated and cut off anywhere: the watermark moves last, and a row is replaced by a newer version of
    itself. Readers see a trace as it was or as it is; where a repeat is being taken out, for an instant both.

    Args:
        client: of the store.
        most: spans of one run; those of one insert stay together, and so do those of one trace.

    Returns:
        How many spans were new; 0: none is left.
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
    until = NEVER
    if waiting > most and not turned:  # once the clock went back, what follows which is known in this run alone
        sliced = {"since": since, "most": most}
        found = client.query(statement(__package__, "settle_slice"), parameters=sliced, tz_mode="aware")
        [(until, waiting)] = found.result_rows
        settled_until = min(settled_until, until)
    run = {"run": time.time_ns()}
    window = {"since": since, "until": until, "ahead": ahead}
    client.command(statement(__package__, "settle_start"), parameters={**run, **window})
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
