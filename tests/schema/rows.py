"""Rows of the fact tables, made by naming only what a test is about."""

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

from thinkmeter.collector.jobs.settling import settle_calls

START = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
Row = dict[str, Any]
_numbers = itertools.count(1)


def span(*, at_s: float = 0.0, **columns: Any) -> Row:
    """An inference span of our own SDK, `at_s` seconds after START, with a trace and span id of its own."""
    number = next(_numbers)
    return {
        "project": "default",
        "received": START,
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "time": START + dt.timedelta(seconds=at_s),
        "duration_ns": 1_000_000_000,
        "scope_name": "thinkmeter",
        "span_class": "inference",
        "dialect": "thinkmeter",
        "operation": "chat",
        "provider": "acme",
        "request_model": "acme-think-1",
        **columns,
    }


def verdict(request_id: str, *, at_s: float = 10.0, **columns: Any) -> Row:
    """A verdict of `orm` on a request."""
    time = START + dt.timedelta(seconds=at_s)
    return {"project": "default", "time": time, "request_id": request_id, "verifier": "orm", **columns}


def label(request_id: str, correct: bool, *, at_s: float = 100.0, **columns: Any) -> Row:
    """A human's label of a request."""
    time = START + dt.timedelta(seconds=at_s)
    base = {"project": "default", "time": time, "request_id": request_id, "correct": correct, "source": "human"}
    return {**base, **columns}


def price(**columns: Any) -> Row:
    """A price of acme-think-1 that holds for ever: 1 USD in, 4 for thinking, 2 for the answer, a million tokens."""
    return {
        "provider": "acme",
        "model": "acme-think-1",
        "service_tier": "standard",
        "recorded": START,
        "valid_from": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        "valid_until": dt.datetime(2199, 1, 1, tzinfo=dt.UTC),
        "daily_from_s": 0,
        "daily_until_s": 86400,
        "above_input_tokens": -1,
        "input_per_mtok_usd": 1.0,
        "cache_read_per_mtok_usd": 0.1,
        "cache_write_per_mtok_usd": 1.25,
        "cache_write_1h_per_mtok_usd": 2.0,
        "thinking_per_mtok_usd": 4.0,
        "answer_per_mtok_usd": 2.0,
        "source": "override",
        **columns,
    }


def rule(kind: str, pattern: str, value: str, *, position: int = 0, attribute: str = "") -> Row:
    """A rule of the configuration, of one revision."""
    return {
        "kind": kind,
        "revision": START,
        "position": position,
        "attribute": attribute,
        "pattern": pattern,
        "value": value,
    }


def put(client: Client, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows that may name different columns."""
    by_columns: dict[tuple[str, ...], list[list[Any]]] = {}
    for row in rows:
        by_columns.setdefault(tuple(row), []).append(list(row.values()))
    for names, values in by_columns.items():
        client.insert(table, values, column_names=list(names))


def insert(client: Client, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows that may name different columns; calls are settled, as the job does a second later."""
    put(client, table, rows)
    if table == "spans":
        settle_calls(client)


def select(client: Client, sql: str, **parameters: Any) -> list[Row]:
    """Rows of a query as dictionaries."""
    return list(client.query(sql, parameters=parameters).named_results())
