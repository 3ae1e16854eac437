"""Keeps the cells of metrics: stretches that something came to are counted anew from `request_facts`, whole."""

import dataclasses
import datetime as dt
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query.coverage import DAY_S, QUARTER_S
from thinkmeter.schema.query.questions import planned_soon
from thinkmeter.schema.query.rollups import AMOUNTS, OF_DAYS, ROLLUPS_FROM, building, summing
from thinkmeter.schema.store.statement import statement
from thinkmeter.schema.tables import CELLS, ROLLED

BUDGET_S: Final = 1.0
"""How long a run goes on to the next day, so that what is new need not wait for what is old."""
KEPT_S: Final = 600.0
"""How long cells stay that newer ones have replaced: readers may be at them."""

PIECE: Final = 100_000
"""How many requests are counted at once, about: a second or two, in which no other job runs."""
LARGE_PIECE: Final = 700_000
"""The same where none has to: a tenth of a second for each query is planning."""

AT_ONCE: Final = 2
"""How many statements are done side by side."""
LONGEST: Final = ("latency", "routing")
"""Metrics whose cells take longest: of three times of each call, and of squares of amounts."""

DAYS: Final = 7
"""How many days are looked at together, since most of them are small."""

_NS: Final = 10**9
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def refresh_rollups(
    client: Client, *, rollups_from: int = ROLLUPS_FROM, budget_s: float | None = BUDGET_S, kept_s: float = KEPT_S
) -> int:
    """Count stretches anew that something came to, or whose prices are others, the newest day first.

    Can be repeated and cut off anywhere: a stretch is read by its newest build, which is written down last. Until then,
    and where requests have not settled, readers count the stretch from `request_facts`.

    Args:
        client: of the store.
        rollups_from: of how many requests in all on it is worth it.
        budget_s: after which no further day is begun; None: until all is done.
        kept_s: how long replaced cells stay.

    Returns:
        How many stretches were made.
    """
    [(requests,)] = client.query("SELECT count() FROM request_facts").result_rows
    if requests < rollups_from:
        return 0
    work = client.query(_sql("rollups_work"), tz_mode="aware").result_rows
    began, made = time.monotonic(), 0
    size = LARGE_PIECE if budget_s is None else PIECE

    def over() -> bool:
        return made > 0 and budget_s is not None and time.monotonic() - began >= budget_s

    for some in _batches(work):
        waiting = {day: len(begins) for day, begins, _, _ in some}
        for piece in _pieces(client, [begin for _, begins, _, _ in some for begin in begins], size):
            if over():
                break
            _make(client, piece, some[0][-1])
            made += len(piece)
            for quarter in piece:
                waiting[_time(quarter.begin // DAY_S * DAY_S * _NS)] -= 1
        days = [day for day, _, whole, _ in some if whole and not waiting[day]]
        if days:
            made += _sum_up(client, days, some[0][-1])
        if over():
            break
    _clear(client, kept_s)
    return made


def _batches(work: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """Rows of `rollups_work`, some at a time."""
    for first in range(0, len(work), DAYS):
        yield work[first : first + DAYS]


@dataclasses.dataclass(frozen=True, slots=True)
class _Quarter:
    """A row of `rollups_quarters`."""

    begin: int
    requests: int
    settled: bool
    first_call_ns: int
    last_call_ns: int
    price_keys: Sequence[int]
    fixed_keys: Sequence[int]
    books: int


def _pieces(client: Client, begins: Sequence[int], size: int) -> Iterator[list[_Quarter]]:
    """Quarters whose requests have all settled, as many at once as is soon done."""
    piece: list[_Quarter] = []
    for row in client.query(_with_books("rollups_quarters"), parameters={"quarters": list(begins)}).result_rows:
        quarter = _Quarter(*row)
        if not quarter.settled:
            continue
        if piece and sum(one.requests for one in piece) + quarter.requests > size:
            yield piece
            piece = []
        piece.append(quarter)
    if piece:
        yield piece


def _make(client: Client, quarters: Sequence[_Quarter], build: int) -> None:
    """Count quarters, and write down last that they are."""
    full = [quarter for quarter in quarters if quarter.requests]
    if full:
        begins = [quarter.begin for quarter in full]
        first_ns, last_ns = min(one.first_call_ns for one in full), max(one.last_call_ns for one in full)
        window = _time(first_ns), _time(last_ns) + dt.timedelta(seconds=1)
        # those that take longest first, so that none is left to one core at the end
        names = sorted(ROLLED, key=lambda name: (name not in LONGEST, name not in AMOUNTS))
        asked = [building(METRICS[name], begins, window) for name in names]
        asked.append((_sql("rollups_reach"), {"quarters": begins}))
        _side_by_side(client, [(sql, {**values, "build": build}) for sql, values in asked])
    _write_down(
        client,
        build,
        [
            [
                QUARTER_S,
                _time(one.begin * _NS),
                one.first_call_ns,
                one.last_call_ns,
                one.price_keys,
                one.fixed_keys,
                one.books,
            ]
            for one in quarters
        ],
    )


def _sum_up(client: Client, days: Sequence[dt.datetime], build: int) -> int:
    """Sum up the quarters of days of which all are there, unless prices change meanwhile, by which amounts are."""

    def found() -> dict[dt.datetime, Sequence[Any]]:
        rows = client.query(_with_books("rollups_day"), parameters={"days": list(days)}, tz_mode="aware").result_rows
        return {day: rest for day, *rest in rows}

    before = found()
    values = {"days": list(before), "build": build}
    asked = [*(summing(METRICS[name]) for name in ROLLED), _sql("rollups_reach_day").replace("{of_days}", OF_DAYS)]
    _side_by_side(client, [(sql, values) for sql in asked])
    after = found()
    rows = [[DAY_S, day, *row[:-1]] for day, row in before.items() if after.get(day) == row]
    _write_down(client, build, rows)
    return len(rows)


def _side_by_side(client: Client, asked: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Do statements, some at a time: the store plans and does each on one core."""
    # what two cores have put together would have to be joined, and takes twice the memory
    settings = {**planned_soon(client), "max_threads": 1}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rollups") as pool:
        for _ in pool.map(lambda one: client.command(one[0], parameters=one[1], settings=settings), asked):
            pass


def _write_down(client: Client, build: int, rows: Sequence[Sequence[Any]]) -> None:
    names = ["step", "time", "first_call_ns", "last_call_ns", "price_keys", "fixed_keys", "books", "build"]
    client.insert("rollup_stretches", [[*row, build] for row in rows], column_names=names)


def _clear(client: Client, kept_s: float) -> None:
    """Delete what newer builds have replaced, or what was cut off, once no reader can be at it."""
    before = int((time.time() - kept_s) * 1e6)
    if client.query(_sql("rollups_old"), parameters={"before": before}).result_rows[0][0]:
        newest = "(step, time, build) NOT IN (SELECT step, time, max(build) FROM rollup_stretches GROUP BY step, time)"
        for table in (*CELLS, "rollup_stretches"):
            sql = f"DELETE FROM {table} WHERE {newest} AND build < {{before:UInt64}}"
            client.command(sql, parameters={"before": before}, settings=_NOW)


_NOW: Final[dict[str, Any]] = {"lightweight_deletes_sync": 2, "allow_nondeterministic_mutations": 1}


def _time(since_1970_ns: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=since_1970_ns // 1_000)


def _with_books(name: str) -> str:
    return _sql(name).replace("{books}", re.sub(r"--.*", "", _sql("rollups_books")).strip())


def _sql(name: str) -> str:
    return statement(__package__, name)
