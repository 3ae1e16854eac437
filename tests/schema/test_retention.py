"""Rows go when they are older than the configuration says, and calls outlive the spans that they were made of."""

import datetime as dt

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from tests.schema.rows import insert, select, span
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.retention import TABLES, RetentionSettings, apply_retention

OLD = dt.datetime.now(dt.UTC) - dt.timedelta(days=40)
NEW = dt.datetime.now(dt.UTC) - dt.timedelta(days=20)

CALLS = TABLES["calls_days"]


def numbers(client: Client, table: str) -> list[str]:
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    rows = select(client, f"SELECT request_id FROM {table} FINAL ORDER BY request_id")
    return [str(row["request_id"]) for row in rows]


def test_rows_go_after_their_days_and_settings_can_be_taken_back(client: Client) -> None:
    insert(client, "spans", [span(request_id="old", time=OLD), span(request_id="new", time=NEW)])
    settle_calls(client)
    assert apply_retention(client, RetentionSettings()) == []
    settings = RetentionSettings(spans_days=30)
    assert apply_retention(client, settings) == ["spans", "log_records"]
    assert apply_retention(client, settings) == []
    assert numbers(client, "spans") == ["new"]
    assert numbers(client, "call_facts") == ["new", "old"]
    assert apply_retention(client, RetentionSettings(spans_days=30, calls_days=35)) == list(CALLS)
    assert numbers(client, "call_facts") == ["new"]
    assert apply_retention(client, RetentionSettings()) == ["spans", "log_records", *CALLS]
    insert(client, "spans", [span(request_id="older", time=OLD)])
    assert numbers(client, "spans") == ["new", "older"]


def test_where_a_request_lies_is_known_for_as_long_as_anything_can_lie_there(client: Client) -> None:
    days = [OLD.date() - dt.timedelta(days=n) for n in (0, 25)]
    client.insert("request_days", [[n, day, 1] for n, day in enumerate(days)], column_names=["request", "day", "kinds"])
    settings = RetentionSettings(spans_days=30, calls_days=50, verdicts_days=60)
    assert "request_days" not in apply_retention(client, settings)  # labels are kept for ever
    settings = RetentionSettings(spans_days=30, calls_days=50, verdicts_days=60, labels_days=40)
    assert apply_retention(client, settings) == ["labels", "request_days"]
    client.command("OPTIMIZE TABLE request_days FINAL")
    assert select(client, "SELECT day FROM request_days") == [{"day": days[0]}]
    assert "request_days" in apply_retention(client, RetentionSettings())


def test_a_late_span_leaves_the_calls_of_spans_that_went_before(client: Client) -> None:
    trace = "1" * 32
    insert(client, "spans", [span(trace_id=trace, request_id="r", time=OLD)])
    settle_calls(client)
    apply_retention(client, RetentionSettings(spans_days=30))
    assert numbers(client, "spans") == []
    insert(client, "spans", [span(trace_id=trace, request_id="r", time=NEW)])
    settle_calls(client)
    assert select(client, "SELECT count() AS calls FROM calls WHERE request_id = 'r'") == [{"calls": 2}]


@pytest.mark.parametrize("given", [{"calls_days": 30}, {"spans_days": 31, "calls_days": 30}, {"spans_days": 0}])
def test_calls_are_not_kept_for_a_shorter_time_than_their_spans(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        RetentionSettings(**given)
