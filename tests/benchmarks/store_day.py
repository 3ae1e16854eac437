"""A store of any size: one day of traffic goes the way that all does, and stands for the ninety before it.

What its copies hold is what the jobs would have made of such days: `same` compares a piece of one of them, out of
rollups, facts and the views.
"""

import contextlib
import datetime as dt
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client

from tests.schema.rows import insert, price
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.collector.jobs.rollups import refresh_rollups
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.query import Reader
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.tables import CELLS

HERE: Final = Path(__file__).parent
DAYS: Final = 91
CALLS_PER_REQUEST: Final = 1.596
"""Of `store_spans.sql`: 1.4 attempts, of one in fifty eight times as many calls."""
MODELS: Final = ("acme-mini", "acme-think-1", "acme-think-2")
SETTLED_AT_ONCE: Final = 150_000
COPIED_AT_ONCE: Final = 500_000
CELLS_AT_ONCE: Final = 15
"""Days."""
TOLD_EVERY_S: Final = 10.0
"""How often it is printed how far copies have come."""

VERDICTS: Final = """
INSERT INTO verdicts (project, received, time, request_id, attempt, verifier, score, threshold, passed)
SELECT DISTINCT ON (request_id, stated_attempt) project, time, time, request_id, stated_attempt, 'orm',
  sipHash64(request_id, stated_attempt) % 1000 / 1000 AS told, 0.7, told >= 0.7
FROM call_facts
"""
LABELS: Final = """
INSERT INTO labels (project, received, time, request_id, attempt, correct, source)
SELECT DISTINCT ON (request_id, stated_attempt) project, time, time, request_id, stated_attempt,
  sipHash64(request_id, stated_attempt, 1) % 100 < 60 + 15 * stated_attempt, 'human'
FROM call_facts WHERE sipHash64(request_id) % 20 = 0
"""
DAYS_OF_ALL: Final = """
INSERT INTO request_days (request, day, kinds)
SELECT cityHash64(toString(project), concat(substring(request_id, 3), hex(earlier))), toDate(time) - earlier, kinds
FROM (
  SELECT project, request_id, time, groupBitOr(kind) AS kinds FROM (
    SELECT project, request_id, toDate(c.time) AS time, 1 AS kind FROM day_call_facts AS c
    UNION ALL SELECT project, request_id, toDate(v.time) AS time, 2 AS kind FROM day_verdicts AS v
    UNION ALL SELECT project, request_id, toDate(l.time) AS time, 4 AS kind FROM day_labels AS l
  ) GROUP BY project, request_id, time
)
ARRAY JOIN {days:Array(UInt8)} AS earlier
"""
NAMES: Final = ("request_id", "trace_id", "span_id", "response_id")
TIMES: Final = ("time", "received", "end_time", "first_call", "last_call", "inserted", "attempts.time",
    "attempts.end_time", "attempts.label_time", "calls.time", "calls.inserted")  # fmt: skip
COPIED: Final = ("call_facts", "verdicts", "labels", "request_facts")


class Fill:
    """Fills a store.

    Attributes:
        address: of the store.
        client: of the same.
        clock: is told what is done, and does it.
    """

    def __init__(
        self, address: StoreAddress, client: Client, clock: Callable[[str, Callable[[], object]], None]
    ) -> None:
        """Fill nothing yet."""
        self.address = address
        self.client = client
        self.clock = clock

    def facts(self, calls: int, until: dt.datetime) -> None:
        """Make so many calls over `DAYS` days until then."""
        client, clock = self.client, self.clock
        insert(client, "prices", [price(model=model, recorded=until - dt.timedelta(days=99)) for model in MODELS])
        requests = round(calls / CALLS_PER_REQUEST / DAYS)
        clock("spans of a day, settled", lambda: _spans(client, requests, until))
        clock("its verdicts and labels", lambda: [client.command(sql) for sql in (VERDICTS, LABELS)])
        clock("its requests, by the job", lambda: refresh_requests(client, budget_s=None))
        clock(f"{DAYS - 1} days more", lambda: self._copies(requests, until))
        client.insert("watermarks", [["benchmark", until, calls]], column_names=["job", "settled_until", "rows"])

    def _copies(self, requests: int, until: dt.datetime) -> None:
        columns = {table: _columns(self.client, table) for table in COPIED}
        for table in COPIED:
            self.client.command(f"DROP TABLE IF EXISTS day_{table}")
            self.client.command(
                f"CREATE TABLE day_{table} ORDER BY tuple() AS SELECT {', '.join(columns[table])} FROM {table}\n"
                f"ORDER BY {_order(self.client, table)}"
            )
        self._beside(
            (_copying(table, columns[table]), {"days": days, "month": month})
            for month, days in batches(until, max(1, COPIED_AT_ONCE // requests))
            for table in COPIED
        )
        self.client.command(DAYS_OF_ALL, parameters={"days": list(range(1, DAYS))})
        for table in COPIED:
            self.client.command(f"DROP TABLE day_{table}")

    def cells(self, until: dt.datetime) -> None:
        """Make rollups: of the newest days by the job, of those before as copies, and of the rest by the job."""
        client, clock = self.client, self.clock
        day = until.replace(hour=0, minute=0, second=0) - dt.timedelta(days=1)  # the newest that is over
        earlier = (day - (until - dt.timedelta(days=DAYS))).days

        def made() -> int:
            sql = "SELECT count() FROM rollup_coverage WHERE step = 86400 AND time < {day:DateTime('UTC')}"
            return int(client.query(sql, parameters={"day": day}).result_rows[0][0])

        def newest() -> None:
            sql = "SELECT count() FROM rollup_coverage WHERE step = 86400 AND time = {day:DateTime('UTC')}"
            while not client.query(sql, parameters={"day": day}).result_rows[0][0]:
                assert refresh_rollups(client, rollups_from=0, budget_s=0.0), (
                    "the newest day is not over for long enough"
                )

        if made() < earlier:
            clock("rollups of the newest days, by the job", newest)
            clock(f"copies of them, {earlier} days", lambda: self._copied_cells(day, earlier))
        clock("rollups of the rest, by the job", lambda: refresh_rollups(client, rollups_from=0, budget_s=None))

    def _copied_cells(self, day: dt.datetime, earlier: int) -> None:
        [(build,)] = self.client.query("SELECT toUInt64(toUnixTimestamp64Micro(now64(6)))").result_rows
        months = groupby(range(1, earlier + 1), lambda back: _month(day - dt.timedelta(days=back)))
        days = [list(found) for _, found in months]
        self._beside(
            (sql, {"day": day, "days": some[first : first + CELLS_AT_ONCE], "build": build})
            for sql in [_copying_cells(self.client, table) for table in CELLS]
            for some in days
            for first in range(0, len(some), CELLS_AT_ONCE)
        )
        # what is written down here is taken for made
        told = {"day": day, "days": list(range(1, earlier + 1)), "build": build}
        self.client.command(_copying_cells(self.client, "rollup_stretches"), parameters=told)

    def _beside(self, statements: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Statements on all cores, each of which takes one; how many are done is printed now and then."""
        waiting = list(statements)
        clients: SimpleQueue[Client] = SimpleQueue()
        began = told = time.monotonic()

        def done(asked: tuple[str, dict[str, Any]]) -> None:
            client = clients.get()
            try:
                client.command(asked[0], parameters=asked[1], settings=_AS_THEY_ARE)
            finally:
                clients.put(client)

        with contextlib.ExitStack() as stack:
            for _ in range(os.cpu_count() or 1):
                clients.put(stack.enter_context(connect(self.address)))
            pool = stack.enter_context(ThreadPoolExecutor(clients.qsize()))
            for number, _ in enumerate(pool.map(done, waiting), start=1):
                if time.monotonic() > told + TOLD_EVERY_S:
                    told = time.monotonic()
                    print(f"  {number} of {len(waiting)} copies after {told - began:.0f} s", flush=True)


def _spans(client: Client, requests: int, until: dt.datetime) -> None:
    text = (HERE / "store_spans.sql").read_text()
    step = round(SETTLED_AT_ONCE / CALLS_PER_REQUEST)
    for first in range(0, requests, step):
        piece = {"first": first, "last": min(first + step, requests), "requests": requests, "until": until}
        client.command(text, parameters=piece)
        settle_calls(client)


_AS_THEY_ARE: Final[dict[str, Any]] = {
    "optimize_on_insert": 0,
    "insert_allow_materialized_columns": 1,
    "max_insert_threads": 1,
    "max_threads": 1,
}


def batches(until: dt.datetime, size: int) -> Iterator[tuple[int, list[int]]]:
    """Months and days back of which copies lie there, in whole or in part.

    The store divides what it inserts by month, row by row: nine times as much work for rows of many arrays as all the
    rest, where they are of several.
    """
    lie: dict[int, list[int]] = {}
    for day in range(1, DAYS):
        ends = until + dt.timedelta(minutes=1) - dt.timedelta(days=day)  # those that begin last go on for some seconds
        begins = until - dt.timedelta(days=day + 1)
        for month in dict.fromkeys((_month(ends), _month(begins))):
            lie.setdefault(month, []).append(day)
    for month, days in lie.items():
        for first in range(0, len(days), size):
            yield month, days[first : first + size]


def _month(moment: dt.datetime) -> int:
    return moment.year * 100 + moment.month


def _order(client: Client, table: str) -> str:
    """What a copy of a day is sorted by, before it has names of its own."""
    [(key,)] = client.query(
        "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
        parameters={"table": table},
    ).result_rows
    return re.sub(rf"\b({'|'.join(NAMES)})\b", r"substring(\1, 3)", key)


def _columns(client: Client, table: str) -> dict[str, str]:
    """Columns of a table that tell what came, `inserted` among them, each as a copy has it."""
    sql = (
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
        " AND (default_kind != 'MATERIALIZED' OR name = 'inserted')"
    )
    found = {}
    for name, kind in client.query(sql, parameters={"table": table}).result_rows:
        found[f"`{name}`"] = f"`{name}`"
        if name in NAMES:
            found[f"`{name}`"] = f"if(`{name}` = '', '', concat(substring(`{name}`, 3), hex(day)))"
        elif name in TIMES:
            earlier = "{} - toIntervalDay(day)"
            whole = earlier.format(f"`{name}`")
            found[f"`{name}`"] = (
                f"arrayMap(t -> {earlier.format('t')}, `{name}`)" if kind.startswith("Array") else whole
            )
    return found


def _copying(table: str, columns: dict[str, str]) -> str:
    """The rows of the day once more, `days` earlier, under other names, as far as they lie in `month`."""
    return (
        f"INSERT INTO {table} ({', '.join(columns)})\nSELECT {', '.join(columns.values())}\nFROM day_{table} AS d\n"
        "ARRAY JOIN {days:Array(UInt8)} AS day\nWHERE toYYYYMM(d.time - toIntervalDay(day)) = {month:UInt32}"
    )


def _copying_cells(client: Client, table: str) -> str:
    """The cells of `day` once more, `days` earlier."""
    columns = [
        name
        for (name,) in client.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}",
            parameters={"table": table},
        ).result_rows
    ]
    told = {name: name for name in columns} | {"time": "time - toIntervalDay(day)", "build": "{build:UInt64}"}
    told |= {name: f"{name} - toIntervalDay(day)" for name in ("quarter",) if name in columns}
    told |= {name: f"{name} - day * 86400000000000" for name in ("first_call_ns", "last_call_ns") if name in columns}
    if "kinds" in columns:
        told["kinds"] = "arrayMap(kind -> (kind.1 - toIntervalDay(day), kind.2, kind.3, kind.4, kind.5), kinds)"
    return (
        f"INSERT INTO {table} ({', '.join(columns)})\nSELECT {', '.join(told[name] for name in columns)}\n"
        f"FROM (SELECT * FROM {table} WHERE toStartOfDay(time) = {{day:DateTime('UTC')}}\n"
        "  AND (step, time, build) IN (\n"
        "    SELECT step, time, max(build) FROM rollup_stretches GROUP BY step, time)) AS c\n"
        "ARRAY JOIN {days:Array(Int64)} AS day"
    )


def filled(client: Client) -> dt.datetime | None:
    """When the traffic of a store ends that was filled before; None where it is empty."""
    [(newest,)] = client.query("SELECT maxOrNull(settled_until) FROM watermarks WHERE job = 'benchmark'").result_rows
    return newest.replace(tzinfo=dt.UTC) if newest else None


def same(address: StoreAddress, until: dt.datetime) -> str:
    """Ask of a quarter of an hour of a copied day out of rollups, facts and views.

    Raises:
        AssertionError: the answers differ.
    """
    since = (until - dt.timedelta(days=40)).replace(minute=15, second=0)
    window: dict[str, Any] = {"since": since, "until": since + dt.timedelta(minutes=15)}
    asked = []
    for name in ("cpq", "ttr", "cost", "vrate"):
        with Reader(address, rollups_from=0) as rolled, Reader(address) as counted:
            asked = [
                rolled.report(name, **window).rows,
                counted.report(name, **window).rows,
                counted.report(name, **window, where={"attr:none": ""}).rows,
            ]
        assert asked[0], name
        for other in asked[1:]:
            assert [row.key for row in asked[0]] == [row.key for row in other], name
            for one, two in zip(asked[0], other, strict=True):
                assert one.n == two.n, (name, one, two)
                assert np.allclose(one.value or 0.0, two.value or 0.0), (name, one, two)
    return f"as one, {sum(row.n for row in asked[0])} attempts"
