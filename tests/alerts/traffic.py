"""Requests of a task class, as rows of the store."""

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

from clickhouse_connect.driver.client import Client

from tests.schema.rows import Row, insert, rule, span


def request(request_id: str, tokens: int | None, *, ago_s: float = 10.0, **columns: Any) -> Row:
    """A request of one call of a second that began `ago_s` seconds ago."""
    return span(
        request_id=request_id,
        time=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago_s),
        thinking_tokens=tokens,
        output_tokens=None if tokens is None else tokens + 100,
        input_tokens=50,
        **{"task": "sql", **columns},
    )


def insert_settled(client: Client, tokens: Iterable[int], **columns: Any) -> None:
    """Requests of half an hour ago, which make a baseline."""
    insert(
        client,
        "spans",
        [request(f"old-{columns}-{n}", count, ago_s=1800, **columns) for n, count in enumerate(tokens)],
    )


def insert_policy(client: Client, task: str = "default", **settings: Any) -> None:
    """A policy as the configuration stores it."""
    insert(client, "rules", [rule("policy", "", json.dumps(settings), attribute=task)])
