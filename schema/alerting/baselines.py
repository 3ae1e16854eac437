"""Baselines of runaways: what a task class used in the week before a minute, made once and stored."""

import datetime as dt
from collections.abc import Collection, Iterable
from functools import cache

import numpy as np
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.summary import QuerySummary
from scipy.special import bdtr

from thinkmeter.schema.alerting.records import Baseline
from thinkmeter.schema.store.statement import statement

MIN_REQUESTS = 59
"""Below it no order statistic lies above the 95th percentile with 95 % confidence: 1 - 0.95^58 < 0.95."""
ENOUGH_REQUESTS = 200
"""From here on the p95 itself is the bound."""
LOOK_BACK_S = (7 + 1) * 86_400 + 300
"""How long before a minute the first call begins of a request that counts: its window, and how long a request takes."""


@cache
def bounding_ranks() -> list[int]:
    """For n = 59..199 the smallest k with P(Bin(n, 0.95) < k) >= 0.95: the k-th of n in order bounds the p95."""
    # P(Bin < k) is P(Bin <= k - 1), which rises with k; scipy.stats has it as well, and takes a second to load
    return [int(np.searchsorted(bdtr(np.arange(n), n, 0.95), 0.95)) + 1 for n in range(MIN_REQUESTS, ENOUGH_REQUESTS)]


def minute_of(time: dt.datetime) -> dt.datetime:
    """The whole minute in which a time lies."""
    return time.astimezone(dt.UTC).replace(second=0, microsecond=0)


def make_baselines(client: Client, minutes: Iterable[dt.datetime], projects: Collection[str] = ()) -> int:
    """Make and store the baselines of whole minutes that are not stored yet; how many rows those were.

    Args:
        client: of the store.
        minutes: for which; one that is close to now is what the store knows now.
        projects: of these alone; empty: of all.
    """
    asked = sorted({round(minute.timestamp()) for minute in minutes})
    if not asked:
        return 0
    begin = asked[0] - LOOK_BACK_S
    known = client.query(statement(__package__, "baselines_known"), parameters={"begin": begin}, tz_mode="aware")
    [(since, whole)] = known.result_rows
    summary = client.command(
        statement(__package__, "make_baselines"),
        parameters={
            "minutes": asked,
            "begin": begin,
            "ranks": bounding_ranks(),
            "projects": list(projects),
            "since": since,
            "whole": whole,
        },
    )
    assert isinstance(summary, QuerySummary)  # what an insert answers
    return summary.written_rows


def read_baselines(client: Client, project: str, minutes: Iterable[dt.datetime]) -> dict[dt.datetime, list[Baseline]]:
    """The stored baselines of a project for whole minutes; no entry where a minute has none."""
    found: dict[dt.datetime, list[Baseline]] = {}
    rows = client.query(
        statement(__package__, "baselines"),
        parameters={"project": project, "minutes": sorted({round(minute.timestamp()) for minute in minutes})},
        tz_mode="aware",
    ).result_rows
    for row in rows:
        baseline = Baseline(*row)
        found.setdefault(baseline.until, []).append(baseline)
    return found
