"""Reports over a hundred thousand requests, with ten times as many before them."""

import datetime as dt
import time
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, insert, price
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.query import Reader
from thinkmeter.schema.store.client import StoreAddress

REQUESTS, DAYS, WINDOW_DAYS = 1_100_000, 77, 7
LIMIT_S = 10.0
"""Of one report, on two cores that have other work as well."""

VERDICTS = """
INSERT INTO verdicts (project, time, request_id, attempt, verifier, score, threshold, passed)
SELECT project, time, request_id, stated_attempt, 'orm', sipHash64(span_id) % 1000 / 1000 AS told, 0.7, told >= 0.7
FROM call_facts
"""
LABELS = """
INSERT INTO labels (project, time, request_id, attempt, correct, source)
SELECT project, time, request_id, stated_attempt, sipHash64(span_id, 1) % 100 < 60 + 15 * stated_attempt, 'human'
FROM call_facts WHERE sipHash64(request_id) % 20 = 0
"""


@pytest.mark.stress
def test_a_report_over_many_requests_takes_seconds(database: StoreAddress, client: Client) -> None:
    insert(client, "prices", [price()])
    sizes = {"requests": REQUESTS, "days": DAYS, "until": START}
    client.command(Path(__file__).with_name("volume.sql").read_text(), parameters=sizes)
    client.command(VERDICTS)
    client.command(LABELS)
    wanted = REQUESTS * WINDOW_DAYS / DAYS
    with Reader(database) as reader:
        for metric, by in [*((name, None) for name in METRICS), ("ttr", "user")]:
            began = time.monotonic()
            report = reader.report(metric, since=START - dt.timedelta(days=WINDOW_DAYS), until=START, by=by)
            took_s = time.monotonic() - began
            print(f"{metric} by {by or 'task'}: {took_s:.2f} s, {len(report.rows)} rows")
            if metric in ("ttr", "escr"):
                assert sum(row.n for row in report.rows) == pytest.approx(wanted, abs=5)
            if metric in ("cpq", "ttr", "escr", "vrate", "cost"):
                assert {row.state for row in report.rows} == {"ok"}
            assert took_s < LIMIT_S
