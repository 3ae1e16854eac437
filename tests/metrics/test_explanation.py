"""The cost of a call, redone line by line, is the one that the store gives."""

import datetime as dt
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.schema.rows import START, insert, price, span
from thinkmeter.schema.prices import Rate
from thinkmeter.schema.query import Reader
from thinkmeter.schema.query.explanation import explain
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.statement import statement

NIGHT = {"daily_from_s": 72_000, "daily_until_s": 14_400}
RATES = ("input", "cache_read", "cache_write", "cache_write_1h", "thinking", "answer")


def book() -> list[dict[str, object]]:
    """Cheaper at night, dearer in November, dearer still above 1,000 tokens of input."""

    def rates(factor: float) -> dict[str, float]:
        return {f"{name}_per_mtok_usd": factor * (n + 1) for n, name in enumerate(RATES)}

    november, beginning = START.replace(day=1, hour=0), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    day = {"daily_from_s": 14_400, "daily_until_s": 72_000}
    return [
        price(valid_from=begin, valid_until=end, above_input_tokens=above, **hours, **rates(month * hour * length))
        for begin, end, month in (
            (beginning, november, 1.0),
            (november, dt.datetime(2199, 1, 1, tzinfo=dt.UTC), 2.0),
        )
        for hours, hour in ((NIGHT, 0.5), (day, 1.0))
        for above, length in ((-1, 1.0), (1_000, 3.0))
    ]


counts = st.one_of(st.none(), st.integers(0, 3_000))


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(st.integers(-86_400, 86_400), counts, counts, counts, counts, counts, counts, st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_the_lines_add_up_to_what_the_store_says(
    database: StoreAddress, client: Client, calls: list[tuple[Any, ...]]
) -> None:
    client.command("TRUNCATE TABLE prices")
    insert(client, "prices", book())
    spans = []
    for at_s, fresh, read, write, long, answer, thinking, reported in calls:
        whole = None if fresh is None else fresh + (read or 0) + (write or 0)
        spans.append(
            span(
                at_s=at_s,
                input_tokens=whole,
                cache_read_tokens=read,
                cache_write_tokens=write,
                cache_write_1h_tokens=long,
                output_tokens=None if answer is None else answer + (thinking or 0),
                thinking_tokens=thinking if answer is not None else None,
                reported_cost_usd=0.5 if reported else None,
            )
        )
    insert(client, "spans", spans)
    found = client.query("SELECT * FROM calls", tz_mode="aware").named_results()
    told = {row["span_id"]: row for row in found}
    key = {"provider": "acme", "model": "acme-think-1", "service_tier": "standard"}
    rows = client.query(statement("thinkmeter.schema.query", "price_book"), parameters=key, tz_mode="aware").result_rows
    rates = [(Rate(*row[:-1]), row[-1]) for row in rows]
    with Reader(database) as reader:
        [asked] = reader.explain_cost(spans[0]["span_id"])
    assert asked == explain(told[spans[0]["span_id"]], rates)
    for row in spans:
        one = explain(told[row["span_id"]], rates)
        cost = one.call["cost_usd"]
        if one.call["cost_source"] == "provider":
            assert cost == 0.5
            if one.scale is not None:
                split = sum(line.usd for line in one.lines if line.bucket == "input" and line.usd is not None)
                assert one.call["cost_input_usd"] == pytest.approx(split * one.scale)
        else:
            assert one.computed_usd == (None if cost is None else pytest.approx(cost, abs=1e-12))
        assert one.rate is not None
        moment = row["time"]
        assert (one.rate.valid_from >= START.replace(day=1, hour=0)) == (moment >= START.replace(day=1, hour=0))
        night = moment.hour >= 20 or moment.hour < 4
        assert ((one.rate.daily_from_s, one.rate.daily_until_s) == (72_000, 14_400)) == night
        assert (one.rate.above_input_tokens == 1_000) == ((row["input_tokens"] or 0) > 1_000)


def test_a_span_that_is_no_call_and_a_call_without_a_price(database: StoreAddress, client: Client) -> None:
    call = span(request_model="acme-new", input_tokens=10, output_tokens=5, thinking_tokens=2)
    insert(client, "spans", [call])
    with Reader(database) as reader:
        assert reader.explain_cost("f" * 16) == []
        assert reader.explain_cost(call["span_id"], project="other") == []
        [one] = reader.explain_cost(call["span_id"])
    assert (one.rate, one.computed_usd) == (None, None)
    assert [(line.bucket, line.tokens, line.usd) for line in one.lines] == [
        ("input", 10, None),
        ("thinking", 2, None),
        ("answer", 3, None),
    ]
