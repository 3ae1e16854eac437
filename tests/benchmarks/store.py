"""How long the dashboard's and the command line's questions take over millions of calls, and the jobs behind them.

`python -m tests.benchmarks.store [CALLS] [--rounds N] [--data FOLDER]`: a folder that is given is kept, and asked again
without being filled where it has been. How a store of that size comes to be: `store_day`.
"""

import argparse
import contextlib
import datetime as dt
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from tests.benchmarks.store_day import DAYS, Fill, filled, same
from tests.schema.rows import insert, label, price, span
from thinkmeter.collector.jobs.requests import rebuild_requests, refresh_requests
from thinkmeter.collector.jobs.rollups import refresh_rollups
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query import Filters, Reader
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

WINDOWS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}
AT_MOST = {"quota": 1}
"""Days over which it makes sense to ask: all users and sessions of each day are counted."""
WITHOUT_ROLLUPS = ("quota", "runaways")
VIEWS_UP_TO = 2_000_000
"""Calls of a store over whose views it can be waited for an answer."""
COMPARED_UP_TO = 20_000_000
"""The same for a piece of a day, and for what is counted from facts over all days."""
TILES = ("cpq", "ttr", "escr", "vrate")


def main() -> None:
    """Fill a store of its own or take one that is there, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=float, default=1e7)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder of the store, which is kept")
    parser.add_argument("--no-changes", action="store_true", help="ask only, and leave the store as it is")
    told = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = told.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(EmbeddedStore(folder, port=0))
        migrate(store.address)
        clock = _Clock(store.pid)
        client, reader = stack.enter_context(connect(store.address)), stack.enter_context(Reader(store.address))
        until, fill = filled(client), Fill(store.address, client, clock)
        if until is None:
            until = dt.datetime.now(dt.UTC).replace(microsecond=0)
            fill.facts(round(told.calls), until)
        fill.cells(until)
        [(calls, requests)] = client.query(
            "SELECT (SELECT count() FROM call_facts), count() FROM request_facts"
        ).result_rows
        print(f"{calls:,} calls of {requests:,} requests over {DAYS} days")
        if calls <= COMPARED_UP_TO:
            print("a piece of a day out of rollups, facts and views:", same(store.address, until))
        _ask(reader, until, told.rounds, clock, facts=calls <= COMPARED_UP_TO, views=calls <= VIEWS_UP_TO)
        if not told.no_changes:
            _change(client, store.address, until, clock)


def _ask(reader: Reader, until: dt.datetime, rounds: int, clock: "_Clock", *, facts: bool, views: bool) -> None:
    print(f"\nOverview, {rounds} rounds: ms, p50 and p95 of its queries, and of each; the store's CPU ms a query")
    for window, days in WINDOWS.items():
        times = {name: clock.times(ask, rounds) for name, ask in _overview(reader, until, days).items()}
        together = [one for took, _ in times.values() for one in took]
        print(_line(window, together, float(np.mean([cpu for _, cpu in times.values()]))))
        for name, (took, cpu) in times.items():
            print(_line(f"{window} {name}", took, cpu), flush=True)
    print(f"\nreports over {', '.join(WINDOWS)}, over 90d from facts, over 24h from the views: ms (CPU ms)")
    for name in METRICS:
        windows = [days for days in WINDOWS.values() if days <= AT_MOST.get(name, days)]
        asked = [partial(reader.report, name, since=until - dt.timedelta(days=n), until=until) for n in windows]
        if facts and name not in WITHOUT_ROLLUPS:  # which do not know the service, and all calls have this one
            asked.append(partial(asked[-1], where={"service": "shop"}))
        if views and name not in AT_MOST:  # attributes are in the views alone
            asked.append(partial(asked[0], where={"attr:none": ""}))
        told = (clock.times(ask, 1) for ask in asked)
        print(f"{name:>13}: " + "  ".join(f"{took[0]:7.0f} ({cpu:6.0f})" for took, cpu in told), flush=True)


def _line(what: str, took: list[float], cpu: float) -> str:
    return f"{what:>26}: p50 {np.percentile(took, 50):6.0f}  p95 {np.percentile(took, 95):6.0f}  CPU {cpu:6.0f}"


def _overview(reader: Reader, until: dt.datetime, days: int) -> dict[str, Callable[[], object]]:
    """The queries of the dashboard's first page over so many days."""
    since = until - dt.timedelta(days=days)
    window = Filters(since, until)
    whole: dict[str, Any] = {"since": since, "until": until}
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


def _change(client: Client, address: StoreAddress, until: dt.datetime, clock: "_Clock") -> None:
    """What the jobs take after a change, until a reader shows it."""
    print()
    now = dt.datetime.now(dt.UTC)
    [(old,)] = client.query(
        "SELECT request_id FROM call_facts WHERE time < {before:DateTime64(6)} LIMIT 1",
        parameters={"before": until - dt.timedelta(days=5)},
    ).result_rows
    insert(client, "labels", [label(str(old), True, time=now)])
    clock("a late label", lambda: refresh_requests(client))
    quarter = until - dt.timedelta(days=90)
    with Reader(address) as reader:
        clock("90 days with it", lambda: reader.report("cpq", since=quarter, until=now, by=()))
    clock("rollups after it", lambda: refresh_rollups(client, rollups_from=0, budget_s=None))
    row = span(time=now, request_id="new", tier=1, output_tokens=9, thinking_tokens=4)
    client.insert("spans", [list(row.values())], column_names=list(row))
    clock("a new span, settled and made a request", lambda: (settle_calls(client), refresh_requests(client)))
    day = until - dt.timedelta(days=1)
    clock("a day of requests anew", lambda: print("  requests:", rebuild_requests(client, day, lambda *_: None)))
    clock("its rollups", lambda: refresh_rollups(client, rollups_from=0, budget_s=None))
    dearer: dict[str, Any] = {"model": "acme-mini", "recorded": now}
    from_now = [price(**dearer, valid_until=now), price(**dearer, valid_from=now, thinking_per_mtok_usd=5.0)]
    insert(client, "prices", from_now)
    with Reader(address) as reader:
        clock("90 days, and other prices from now on", lambda: reader.report("cost", since=quarter, until=now, by=()))
    corrected = {**dearer, "recorded": now + dt.timedelta(seconds=1)}
    insert(client, "prices", [price(**corrected, thinking_per_mtok_usd=5.0)])
    with Reader(address) as fresh:  # the other one takes for known for a while which stretches have cells
        clock("90 days at other prices", lambda: fresh.report("cost", since=quarter, until=now, by=()))
    clock("a minute of rollups at other prices", lambda: print("  ", refresh_rollups(client, budget_s=60.0), "made"))


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
    main()
