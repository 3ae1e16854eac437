"""Keeps `request_facts` whole: requests that something came to are made anew, and all where the rules changed."""

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from thinkmeter.collector.jobs.clock import bring_back, forget_marks, went_back
from thinkmeter.schema.query.questions import planned_soon
from thinkmeter.schema.store.statement import statement

PIECE: Final = 40_000
"""How many requests one statement makes, at most: half a second and 150 MB, in which no other job runs."""
LARGE_PIECE: Final = 90_000
"""The same where none has to, and 240 MB: 0.3 s of CPU go into each statement, however many requests it makes."""
AT_ONCE: Final = 2
"""How many pieces are made side by side, since the store makes each on one core."""
STRETCH: Final = 1_000_000
"""How many calls are asked for at once, of whole days, one at least: their requests are sorted in memory."""
BUDGET_S: Final = 1.0
"""How long a run works on older requests, so that what is new need not wait for them."""
NOTHING: Final = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)
ALL: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(slots=True)
class _State:
    """The row of `requests_state`."""

    until: dt.datetime
    version: dt.datetime
    rules: int
    made_by: int
    since: dt.datetime
    whole_from: dt.datetime
    rebuild: int
    pieces_done: int
    changes: int
    settled_until: dt.datetime
    unplaced: bool
    recorded: dt.datetime


def refresh_requests(client: Client, *, budget_s: float | None = BUDGET_S) -> int:
    """Make requests anew that something came to since the last run, then older ones as far as the budget goes.

    Can be repeated and cut off anywhere: a row is replaced by a newer version of itself, and how far it came is
    written down last. Where no row says so, or the rules are others, all requests are made anew, the newest
    first; what can be read of them meanwhile is told by `request_progress`.

    Args:
        client: of the store.
        budget_s: for older requests; None: until all are made.

    Returns:
        How many requests were touched.
    """
    began = time.monotonic()
    run = _Run(client, LARGE_PIECE if budget_s is None else PIECE)
    run.begin()
    made = run.newest()
    while run.state.whole_from > ALL:
        made += run.older()
        if budget_s is not None and time.monotonic() - began >= budget_s:
            break  # a step at least was made, however slow the store is
    return made


def rebuild_requests(client: Client, since: dt.datetime, told: Callable[[int, int], None]) -> int:
    """Make all requests anew with a call at `since` or later; how many those were.

    Args:
        client: of the store.
        since: from when on.
        told: called after each piece, with how many are done and how many there are.
    """
    run, made = _Run(client, LARGE_PIECE), 0
    run.note_days(run.state.since)
    number = run.ask("requests_since", since=since, until=NOTHING)
    pieces = run.pieces(number)
    for piece, size in enumerate(run.make(number, range(pieces)), start=1):
        made += size
        told(piece, pieces)
    return made


class _Run:
    """One run of the job; what it has done is in the store as soon as it is done."""

    def __init__(self, client: Client, size: int) -> None:
        self._client = client
        self._size = size
        self._settings = planned_soon(client)
        self._began = time.monotonic()
        self.state = _State(*client.query(_sql("requests_state"), tz_mode="aware").result_rows[0])

    def begin(self) -> None:
        """Begin from the start where nothing is made by the rules of now, or the store's clock went back."""
        state = self.state
        turned = went_back(state.recorded, state.version)
        if turned:
            bring_back(self._client, "request_facts", state.version)
            forget_marks(self._client, "request_progress", "recorded", state.version)
            state.made_by = 0
        if state.changes or turned:
            self.note_days(ALL if turned else state.since)  # by another clock, which of them are known is not
        if state.made_by != state.rules:
            self._reach(made_by=state.rules, since=state.until, whole_from=NOTHING, rebuild=0, pieces_done=0)
            state.changes = 0  # they are among all that is made anew

    def note_days(self, since: dt.datetime) -> None:
        """Write down on which days lies what has come since then: it is looked for on these alone."""
        self._do("requests_days", since=since)

    def newest(self) -> int:
        """Make anew what something has come to since the last run."""
        if not self.state.changes:
            if self.state.settled_until > self.state.since:
                self._reach(since=self.state.until)
            return 0
        run = self.ask("requests_changed", since=self.state.since)
        made = sum(self.make(run, range(self.pieces(run))))
        self._reach(made, since=self.state.until)
        return made

    def older(self) -> int:
        """Make the next pieces anew of what is older than `whole_from`, the newest stretch first."""
        state = self.state
        pieces = self.pieces(state.rebuild) if state.rebuild else 0
        if state.pieces_done < pieces:
            some = range(state.pieces_done, min(state.pieces_done + AT_ONCE, pieces))
            made = sum(self.make(state.rebuild, some))
            self._reach(made, pieces_done=some.stop)
            return made
        before = {"before": state.whole_from, "most": STRETCH}
        found = self._client.query(_sql("requests_stretch_before"), parameters=before).result_rows
        if not found:
            self._reach(whole_from=ALL, rebuild=0, pieces_done=0)
            return 0
        begin = dt.datetime.combine(found[0][0], dt.time(), dt.UTC)
        if pieces:
            self._reach(whole_from=begin, rebuild=0, pieces_done=0)
        else:
            self._reach(rebuild=self.ask("requests_since", since=begin, until=state.whole_from), pieces_done=0)
        return 0

    def ask(self, name: str, **values: Any) -> int:
        """Write down which requests are to be made anew, and in which pieces; the number of that run."""
        run = time.time_ns()
        self._do(name, run=run, **values)
        self._do("requests_asked", run=run, size=self._size, at_once=AT_ONCE)
        return run

    def pieces(self, run: int) -> int:
        """How many pieces a run has; 0 where it is not known any more."""
        return int(self._client.query(_sql("requests_pieces"), parameters={"run": run}).result_rows[0][0])

    def make(self, run: int, pieces: Sequence[int]) -> Iterator[int]:
        """Make the requests of these pieces anew, some side by side; how many those are of each."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="requests") as pool:
            versions = []
            for version, made in pool.map(partial(self._make, run), pieces):
                versions.append(version)
                yield made
            # of many pieces at once, since each looks through whole days
            size = -(-len(pieces) // AT_ONCE)
            some = [pieces[first : first + size] for first in range(0, len(pieces), size or 1)]
            list(pool.map(lambda part: self._remove(run, part, min(versions)), some))

    def _make(self, run: int, piece: int) -> tuple[dt.datetime, int]:
        """Make the requests of a piece anew: as of when, and how many they are."""
        asked = {"run": run, "piece": piece}
        found = self._client.query(_sql("requests_now"), parameters=asked, settings=self._settings, tz_mode="aware")
        [(version, made, unnumbered)] = found.result_rows
        near = 0
        if self.state.unplaced:
            self._do("requests_near", **asked)
            near = self._client.query(_sql("requests_near_count"), parameters=asked).result_rows[0][0]
        lost = f"(\n{_sql('requests_lost')})" if near else "no_evaluations"
        numbered = "numbered" if unnumbered else "stated"
        self._do("requests_build", **asked, lost=lost, numbered=numbered, version=version)
        return version, int(made)

    def _remove(self, run: int, pieces: Sequence[int], version: dt.datetime) -> None:
        """Delete what these pieces have left behind that were made as of `version` or later."""
        self._do("requests_removed", run=run, first=min(pieces), last=max(pieces), version=version)

    def _do(self, name: str, **values: Any) -> None:
        """Do what the file says; `lost` is not bound, but text that stands in it."""
        sql = _sql(name).replace("{lost}", values.pop("lost", ""))
        self._client.command(sql, parameters=values, settings=self._settings)

    def _reach(self, made: int = 0, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self.state, name, value)
        state = self.state
        self._do(
            "requests_progress",
            rules=state.made_by,
            settled_until=state.since,
            whole_from=state.whole_from,
            rebuild=state.rebuild,
            pieces_done=state.pieces_done,
            rows=made,
            duration_ms=(time.monotonic() - self._began) * 1e3,
        )


def _sql(name: str) -> str:
    return statement(__package__, name)
