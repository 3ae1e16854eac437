"""Erases what the store has of a user, a session or a request, in every table that names it."""

import dataclasses
import datetime as dt
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.errors import RetryableError
from thinkmeter.schema.store.statement import statement

Kind = Literal["user", "session", "request"]
PASSES: Final = 3
"""A job that settled spans meanwhile may have written again what was erased: then it is erased again."""
STUCK_S: Final = 60.0
"""A table that has worked on none of its parts for so long does not get to it: its merges are stopped, or all fail."""
POLL_S: Final = 0.02
_WAITED_FOR_HERE: Final = {"lightweight_deletes_sync": 0, "mutations_sync": 0, "allow_nondeterministic_mutations": 1}


@dataclasses.dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be.

    Attributes:
        requests: how many requests.
        rows: table -> rows.
        shared_traces: traces that hold calls of others as well; spans of theirs that name nobody stay.
    """

    requests: int
    rows: Mapping[str, int]
    shared_traces: int


def erase(client: Client, kind: Kind, name: str, *, project: str, dry_run: bool = False) -> Erased:
    """Erase every row about a user, a session or a request, bytes included, before this returns.

    Whole requests go: all their spans, calls, verdicts, labels, alerts and recorded content, and every further span of
    a trace that holds nothing else. Backups and what applications send from now on are not touched.

    Args:
        client: of the store, allowed to change it.
        kind: what `name` is of.
        name: the id.
        project: whose.
        dry_run: count, and change nothing but two tables that are dropped again.

    Raises:
        RetryableError: rows came again each time, or a table does not get to it; nothing stays ordered then.
    """
    known = {"kind": kind, "name": name, "project": project}
    first: Erased | None = None
    for _ in range(PASSES):
        suffix = uuid.uuid4().hex[:12]
        places = {"forgotten_requests": f"forgotten_requests_{suffix}", "forgotten_spans": f"forgotten_spans_{suffix}"}
        try:
            found = _look(client, known, places)
            if first is None or dry_run:
                first = found
            if dry_run or not any(found.rows.values()):
                return first
            for table, condition in _conditions(client, kind, places).items():
                if found.rows[table]:
                    begun = _quarters(client, table, condition, known)
                    _tell_changed(client, begun)
                    _change(client, table, f"DELETE FROM {table} WHERE {condition}", known)
                    _change(client, table, f"ALTER TABLE {table} APPLY DELETED MASK", {})
                    _tell_changed(client, begun)
        finally:
            for place in places.values():
                client.command(f"DROP TABLE IF EXISTS {place} SYNC")
    raise RetryableError(f"rows of {kind} {name!r} came again while they were erased: stop what sends them and repeat")


def _change(client: Client, table: str, sql: str, parameters: Mapping[str, Any]) -> None:
    """Change a table and wait until every part of it is changed, as long as the store works on it."""
    before = _mutations(client, table).keys()
    client.command(sql, parameters=dict(parameters), settings=_WAITED_FOR_HERE)
    seen: object = None
    while ours := {key: row for key, row in _mutations(client, table).items() if key not in before and not row[0]}:
        now = time.monotonic()
        if seen != ours or any(in_progress for _, _, in_progress, _ in ours.values()):
            seen, since = ours, now
        if now - since > STUCK_S:
            for mutation in ours:  # they name tables that are dropped now
                where = "database = currentDatabase() AND table = {table:String} AND mutation_id = {mutation:String}"
                client.command(f"KILL MUTATION WHERE {where} SYNC", parameters={"table": table, "mutation": mutation})
            why = next((failure for *_, failure in ours.values() if failure), "its merges seem to be stopped")
            raise RetryableError(
                f"the table {table} has not worked on what is to be erased for {STUCK_S:.0f} s ({why}); nothing of it"
                f" is erased there: see to its merges (`SYSTEM START MERGES {table}`) and repeat"
            )
        time.sleep(POLL_S)


def _mutations(client: Client, table: str) -> dict[str, tuple[Any, ...]]:
    """Changes of a table: whether each is done, how many parts it lacks, how many are worked on, why one failed."""
    rows = client.query(statement(__package__, "mutations"), parameters={"table": table}).result_rows
    return {str(row[0]): tuple(row[1:]) for row in rows}


def _look(client: Client, known: Mapping[str, Any], places: Mapping[str, str]) -> Erased:
    for sql in statement(__package__, "forgotten").split(";\n"):
        if sql.strip():
            client.command(_placed(sql, places), parameters=dict(known))
    counts = {}
    for table, condition in _conditions(client, str(known["kind"]), places).items():
        sql = f"SELECT count() FROM {table} WHERE {condition}"
        counts[table] = int(client.query(sql, parameters=dict(known)).result_rows[0][0])
    [(requests,)] = client.query(f"SELECT count() FROM {places['forgotten_requests']}").result_rows
    shared = "SELECT uniqExact(trace_id) FROM forgotten_spans WHERE NOT whole"
    [(traces,)] = client.query(_placed(shared, places)).result_rows
    return Erased(int(requests), counts, int(traces))


def _quarters(client: Client, table: str, condition: str, known: Mapping[str, Any]) -> list[dt.datetime]:
    """The quarters of an hour in which requests began that are about to go."""
    if table != "request_facts":
        return []
    sql = f"SELECT DISTINCT toStartOfFifteenMinutes(time) FROM {table} WHERE {condition}"
    return [begin for (begin,) in client.query(sql, parameters=dict(known)).result_rows]


def _tell_changed(client: Client, quarters: Sequence[dt.datetime]) -> None:
    """Let readers leave rollups of these, and the job make them anew; said twice, as it may count what is to go."""
    if quarters:
        client.command(statement(__package__, "changed_quarters"), parameters={"quarters": list(quarters)})


def _placed(sql: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        sql = sql.replace(name, place)
    return sql


def _conditions(client: Client, kind: str, places: Mapping[str, str]) -> dict[str, str]:
    """Table -> which of its rows are about what is forgotten, by the columns that it has.

    What names a request, a span, a trace or a user is told by the names of columns, so that a table that is added later
    is erased from as well. Tables come in an order in which none hides what another needs.
    """
    found = {}
    for table, columns in client.query(statement(__package__, "naming_columns")).result_rows:
        has = set(columns)
        any_of = []
        if "request_id" in has:
            any_of.append("(project, request_id) IN (SELECT project, request_id FROM forgotten_requests)")
        if "trace_id" in has:
            any_of.append("(project, trace_id) IN (SELECT project, trace_id FROM forgotten_spans WHERE whole)")
        if {"trace_id", "span_id"} <= has:
            any_of.append("(project, trace_id, span_id) IN (SELECT project, trace_id, span_id FROM forgotten_spans)")
        if "response_id" in has and table in ("verdicts", "labels"):
            any_of.append(
                "(project, response_id) IN (SELECT project, response_id FROM forgotten_spans WHERE response_id != '')"
            )
        # of a rule on a metric the key names what its group is told apart by
        of_group = f"position(key, concat(' {kind}=', {{name:String}}, ' ')) > 0"
        if table == "alert_events":
            any_of.append(of_group)
        if table == "alert_attempts":
            any_of.append(
                "event IN (SELECT event FROM alert_events WHERE (project, request_id) IN"
                f" (SELECT project, request_id FROM forgotten_requests) OR {of_group})"
            )
        if f"{kind}_id" in has and kind != "request":
            any_of.append(f"{kind}_id = {{name:String}}")
        if any_of:
            found[table] = _placed(f"project = {{project:String}} AND ({' OR '.join(any_of)})", places)
    return dict(sorted(found.items(), key=lambda item: item[0] != "alert_attempts"))
