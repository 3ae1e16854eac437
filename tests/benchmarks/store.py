"""How long the dashboard's and the command line's questions take over millions of calls, and the jobs behind them.

`python -m tests.benchmarks.store [CALLS] [ROUNDS]`: a week of calls, verdicts and labels goes the way that all
do; the twelve before it are that week again. Rollups of all are made by the job. The views, which read the facts
themselves, are asked of the last week alone.
"""

import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from tests.schema.rows import insert, label, price, span
from thinkmeter.collector.jobs.requests import rebuild_requests, refresh_requests
from thinkmeter.collector.jobs.rollups import refresh_rollups
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query import Filters, Reader
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

HERE = Path(__file__).parent
WEEKS = 13
CALLS_PER_REQUEST = 1.6
"""Of `store.sql`: 1.4 attempts, of one in fifty eight times as many calls."""
UNTIL = dt.datetime.now(dt.UTC).replace(microsecond=0)
WINDOWS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}
TILES = ("cpq", "ttr", "escr", "vrate")

VERDICTS = """
INSERT INTO verdicts (project, time, request_id, attempt, verifier, score, threshold, passed)
SELECT DISTINCT ON (request_id, stated_attempt) project, time, request_id, stated_attempt, 'orm',
  sipHash64(request_id, stated_attempt) % 1000 / 1000 AS told, 0.7, told >= 0.7
FROM call_facts
"""
LABELS = """
INSERT INTO labels (project, time, request_id, attempt, correct, source)
SELECT DISTINCT ON (request_id, stated_attempt) project, time, request_id, stated_attempt,
  sipHash64(request_id, stated_attempt, 1) % 100 < 60 + 15 * stated_attempt, 'human'
FROM call_facts WHERE sipHash64(request_id) % 20 = 0
"""


def main(calls: int = 10_000_000, rounds: int = 5) -> None:
    """Fill a store of its own, ask, and print."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedStore(Path(folder), port=0) as store:
        migrate(store.address)
        clock = _Clock(store.pid)
        with connect(store.address) as client, Reader(store.address) as reader:
            _fill(client, calls, clock)
            _ask(reader, rounds, clock)
            _change(client, reader, clock)


def _fill(client: Client, calls: int, clock: "_Clock") -> None:
    models = ("acme-mini", "acme-think-1", "acme-think-2")
    insert(client, "prices", [price(model=model, recorded=UNTIL - dt.timedelta(days=99)) for model in models])
    requests = round(calls / CALLS_PER_REQUEST / WEEKS)
    size = {"requests": requests, "days": 7, "until": UNTIL}
    clock("generate a week", lambda: client.command((HERE / "store.sql").read_text(), parameters=size))
    clock("its verdicts and labels", lambda: [client.command(sql) for sql in (VERDICTS, LABELS)])
    clock("its requests, by the job", lambda: refresh_requests(client, budget_s=None))
    week = (HERE / "store_week.sql").read_text()
    begun = {"since": UNTIL - dt.timedelta(days=8)}
    earlier = [{"weeks": number, **begun} for number in range(1, WEEKS)]
    clock("twelve weeks more", lambda: [client.command(week, parameters=one) for one in earlier])
    clock("rollups of all, by the job", lambda: refresh_rollups(client, budget_s=None))
    [(whole, made)] = client.query(
        "SELECT sum(length(calls.time)), count() FROM request_facts FINAL WHERE notEmpty(attempts.attempt)"
    ).result_rows
    print(f"{whole:,} calls of {made:,} requests over {7 * WEEKS} days")


def _ask(reader: Reader, rounds: int, clock: "_Clock") -> None:
    print(f"\nOverview, {rounds} rounds: ms, p50 and p95 of its queries; CPU ms a query")
    for window, days in WINDOWS.items():
        times = {name: clock.times(ask, rounds) for name, ask in _overview(reader, days).items()}
        together = np.concatenate([took for took, _ in times.values()])
        slowest = max(times, key=lambda name: float(np.median(times[name][0])))
        cpu = np.mean([cpu for _, cpu in times.values()])
        print(
            f"{window:>4}: p50 {np.percentile(together, 50):6.0f}  p95 {np.percentile(together, 95):6.0f}  "
            f"CPU {cpu:6.0f}  slowest: {slowest} {np.median(times[slowest][0]):.0f}"
        )
    print(f"\nreports over {', '.join(WINDOWS)}, over 90d from facts and over 7d from the views: ms (CPU ms)")
    for name in METRICS:
        asked = [
            partial(reader.report, name, since=UNTIL - dt.timedelta(days=n), until=UNTIL) for n in WINDOWS.values()
        ]
        if name not in ("quota", "runaways"):  # rollups do not know the service, and all calls have this one
            asked.append(partial(asked[-1], where={"service": "shop"}))
        if name != "quota":  # attributes are in the views alone
            asked.append(partial(asked[1], where={"attr:none": ""}))
        told = (clock.times(ask, 1) for ask in asked)
        print(f"{name:>13}: " + "  ".join(f"{took[0]:7.0f} ({cpu:6.0f})" for took, cpu in told))


def _overview(reader: Reader, days: int) -> dict[str, Callable[[], object]]:
    """The queries of the dashboard's first page over so many days."""
    since = UNTIL - dt.timedelta(days=days)
    window = Filters(since, UNTIL)
    whole: dict[str, Any] = {"since": since, "until": UNTIL}
    before: dict[str, Any] = {"since": since - dt.timedelta(days=days), "until": since, "by": ()}
    asked: dict[str, Callable[[], object]] = {
        "cost": partial(reader.report, "cost", **whole, by=()),
        "coverage": partial(reader.report, "coverage", **whole, by=()),
        "cost by task": partial(reader.report, "cost", **whole),
        "cost over time": partial(reader.cost_over_time, window),
        "thinking over time": partial(reader.thinking_quantiles_over_time, window, by="task"),
    }
    for name in TILES:
        asked[name] = partial(reader.report, name, **whole, by=())
        asked[f"{name} by task"] = partial(reader.report, name, **whole)
        if days < WINDOWS["90d"]:
            asked[f"{name} before"] = partial(reader.report, name, **before)
    return asked


def _change(client: Client, reader: Reader, clock: "_Clock") -> None:
    """What the jobs take after a change, until a reader shows it."""
    print()
    now = dt.datetime.now(dt.UTC)
    [(old,)] = client.query(
        "SELECT request_id FROM call_facts WHERE time < {before:DateTime64(6)} LIMIT 1",
        parameters={"before": UNTIL - dt.timedelta(days=5)},
    ).result_rows
    insert(client, "labels", [label(str(old), True, time=now)])
    clock("a late label", lambda: refresh_requests(client))
    quarter = UNTIL - dt.timedelta(days=90)
    clock("90 days with it", lambda: reader.report("cpq", since=quarter, until=now, by=()))
    row = span(time=now, request_id="new", tier=1, output_tokens=9, thinking_tokens=4)
    client.insert("spans", [list(row.values())], column_names=list(row))
    clock("rollups after it", lambda: refresh_rollups(client, budget_s=None))
    clock("a new span, settled and made a request", lambda: (settle_calls(client), refresh_requests(client)))
    day = UNTIL - dt.timedelta(days=1)
    clock("a day of requests anew", lambda: print("  requests:", rebuild_requests(client, day, lambda *_: None)))
    clock("its rollups", lambda: refresh_rollups(client, budget_s=None))
    insert(client, "prices", [price(model="acme-mini", recorded=now, thinking_per_mtok_usd=5.0)])
    clock("90 days at other prices", lambda: reader.report("cost", since=quarter, until=now, by=()))
    clock("rollups at other prices", lambda: refresh_rollups(client, budget_s=None))


class _Clock:
    """Prints how long something takes, and the store's CPU time for it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __call__(self, what: str, do: Callable[[], object]) -> None:
        took, cpu = self.times(do, 1)
        print(f"{what}: {took[0] / 1e3:.2f} s, CPU {cpu / 1e3:.2f} s", flush=True)

    def times(self, do: Callable[[], object], rounds: int) -> tuple[list[float], float]:
        """Milliseconds of each round, and of CPU on average."""
        took, before = [], self._cpu_ms()
        for _ in range(rounds):
            began = time.monotonic()
            do()
            took.append((time.monotonic() - began) * 1e3)
        return took, (self._cpu_ms() - before) / rounds

    def _cpu_ms(self) -> float:
        ticks = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") * 1e3


if __name__ == "__main__":
    main(*(int(float(argument)) for argument in sys.argv[1:]))
