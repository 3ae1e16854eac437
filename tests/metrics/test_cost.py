"""Cost by what it was paid for, and coverage: what the other numbers do not speak of."""

import datetime as dt

import pytest
from clickhouse_connect.driver.client import Client

from tests.metrics.traffic import SINCE, UNTIL
from tests.schema.rows import Row, insert, price, span
from thinkmeter.schema.metrics import wording
from thinkmeter.schema.query import Reader, ReportRow
from thinkmeter.schema.store.client import StoreAddress

SAME = {"answer_per_mtok_usd": 2.0, "thinking_per_mtok_usd": 2.0}


@pytest.fixture
def rows(database: StoreAddress, client: Client) -> dict[str, dict[str, ReportRow]]:
    insert(
        client,
        "prices",
        [
            price(),
            price(model="acme-plain", **SAME),
        ],
    )
    tokens = {"input_tokens": 1000, "output_tokens": 500}
    insert(
        client,
        "spans",
        [
            span(task="split", thinking_tokens=200, cache_read_tokens=400, **tokens),
            span(task="split", thinking_tokens=0, role="verifier", **tokens),
            span(task="split", thinking_tokens=0, role="router", **tokens),
            # thinking unknown: no price where it matters, no split where it does not
            span(task="unknown thinking", **tokens),
            span(task="not split", request_model="acme-plain", **tokens),
            span(task="unpriced", request_model="nobody's", thinking_tokens=5, **tokens),
            span(task="no usage"),
            span(task="reported", request_model="nobody's", thinking_tokens=5, reported_cost_usd=0.5, **tokens),
            span(task="scaled", thinking_tokens=0, reported_cost_usd=0.004, **tokens),
            span(task="refused", error_type="429"),
            span(task="odd", thinking_tokens=900, cache_read_tokens=1001, **tokens),
        ],
    )
    with Reader(database) as reader:
        return {
            metric: {row.key["task"]: row for row in reader.report(metric, since=SINCE, until=UNTIL).rows}
            for metric in ("cost", "coverage")
        }


def test_cost_and_coverage(rows: dict[str, dict[str, ReportRow]]) -> None:
    cost, coverage = rows["cost"], rows["coverage"]
    split = cost["split"].detail
    assert split["input_usd"] == pytest.approx(600e-6)
    assert split["cache_usd"] == pytest.approx(400 * 0.1e-6)
    assert split["thinking_usd"] == pytest.approx(200 * 4e-6)
    assert split["answer_usd"] == pytest.approx(300 * 2e-6)
    assert (split["verifier_usd"], split["router_usd"]) == (pytest.approx(2e-3), pytest.approx(2e-3))
    for row in cost.values():
        if row.value is not None:
            parts = [
                v for name, v in row.detail.items() if name.endswith("_usd") and name not in ("partial_usd", "seen_usd")
            ]
            assert row.value == pytest.approx(sum(parts))

    # no price is never 0 USD: what is known of it stands apart
    assert (cost["unknown thinking"].value, cost["unknown thinking"].state) == (None, "insufficient_data")
    assert cost["unknown thinking"].detail["partial_usd"] == pytest.approx(1e-3)
    assert cost["unknown thinking"].detail["input_usd"] is None
    assert cost["unknown thinking"].detail["reason"] == "no price is known: 1 of 1 calls"
    assert cost["not split"].value == pytest.approx(2e-3)
    assert cost["not split"].detail["unsplit_usd"] == pytest.approx(1e-3)
    assert (cost["unpriced"].value, cost["unpriced"].detail["unpriced_token_share"]) == (None, 1.0)
    assert (cost["no usage"].value, cost["no usage"].detail["reason"]) == (
        None,
        "token counts are missing: 1 of 1 calls",
    )
    assert (cost["reported"].value, cost["reported"].detail["unsplit_usd"]) == (0.5, 0.5)
    assert cost["scaled"].value == pytest.approx(0.004)
    assert cost["scaled"].detail["input_usd"] == pytest.approx(0.002)
    assert (cost["refused"].value, cost["refused"].state, cost["refused"].n) == (0.0, "ok", 1)

    assert (coverage["split"].value, coverage["split"].n) == (1.0, 3)
    assert coverage["unknown thinking"].detail["thinking_unknown_calls"] == 1
    assert coverage["unpriced"].detail["unpriced_calls"] == 1
    assert coverage["no usage"].detail["usage_unknown_calls"] == 1
    assert (coverage["refused"].n, coverage["refused"].detail["refused_calls"]) == (0, 1)
    odd = coverage["odd"].detail
    assert (odd["thinking_above_output_calls"], odd["cache_above_input_calls"], coverage["odd"].value) == (1, 1, 0.0)


def test_repeats_and_late_spans_are_counted(database: StoreAddress, client: Client) -> None:
    now = dt.datetime.now(dt.UTC)
    twice = span(response_id="r", input_tokens=1, output_tokens=1, time=now)
    # what another instrumentation says of the same response
    again = {**span(response_id="r", input_tokens=1, output_tokens=1, scope_name="other"), "time": now}
    insert(client, "spans", [twice, again, span(time=now - dt.timedelta(minutes=20))])
    with Reader(database) as reader:
        window: Row = {"since": now - dt.timedelta(hours=1), "until": now + dt.timedelta(hours=1)}
        [row] = reader.report("coverage", **window).rows
    assert (row.detail["calls"], row.detail["spans"], row.detail["repeated_spans"]) == (2, 3, 1)
    assert row.detail["late_calls"] == 1


def test_sampled_traffic_stands_for_all_of_it_and_quotas_count_what_arrived(
    database: StoreAddress, client: Client
) -> None:
    insert(client, "prices", [price()])
    now = dt.datetime.now(dt.UTC)
    usage: Row = {"input_tokens": 1000, "output_tokens": 500, "thinking_tokens": 200, "user_id": "u", "time": now}
    insert(
        client,
        "spans",
        [
            span(sampling_probability=0.1, **usage),
            span(sampling_probability=0.1, role="verifier", **{**usage, "thinking_tokens": 0}),
            span(sampling_probability=1.0, **usage),
            span(**usage),
        ],
    )
    each, judging = 1e-3 + 200 * 4e-6 + 300 * 2e-6, 1e-3 + 500 * 2e-6
    with Reader(database) as reader:
        window: Row = {"since": now - dt.timedelta(hours=1), "until": now + dt.timedelta(hours=1)}
        [cost] = reader.report("cost", **window).rows
        [daily] = reader.report("quota", by="user", **window).rows
        [month] = reader.report("forecast", **{**window, "since": now - dt.timedelta(days=40)}).rows
    assert (cost.n, cost.detail["estimated"], cost.detail["estimated_calls"]) == (4, True, 22)
    assert cost.value == pytest.approx(12 * each + 10 * judging)
    assert cost.detail["seen_usd"] == pytest.approx(3 * each + judging)
    assert cost.detail["thinking_usd"] == pytest.approx(12 * 200 * 4e-6)
    assert (cost.detail["thinking_tokens"], cost.detail["unpriced_token_share"]) == (2400, 0.0)
    assert (daily.value, daily.detail["sampled_calls"], daily.detail["at_least"]) == (600, 1, True)
    assert "of what was seen" in wording.state(daily.state, daily.detail)
    assert month.detail["month_to_date_usd"] == pytest.approx(12 * each + 10 * judging)
    assert month.detail["month_to_date_seen_usd"] == pytest.approx(3 * each + judging)
    assert month.detail["estimated"] is True
    assert "estimated from sampled traffic" in wording.state(month.state, month.detail)
