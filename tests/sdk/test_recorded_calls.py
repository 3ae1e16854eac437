"""Calls that no wrapper sees: recorded as they are made, or later."""

import datetime as dt

import pytest

import thinkmeter
from tests.sdk.recorded import call, span_named
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture


def test_a_call_outside_of_a_request_has_no_request_id(captured: Captured) -> None:
    call()
    assert names.REQUEST_ID not in captured.call
    assert names.TASK not in captured.call


def test_history_can_be_replayed_at_its_own_time(captured: Captured) -> None:
    begun = dt.datetime(2026, 11, 14, 9, 30, tzinfo=dt.UTC)
    second = dt.timedelta(seconds=1)
    with thinkmeter.request("t", start=begun) as req:
        with req.attempt(tier=1, start=begun) as attempt:
            attempt.record_call(
                provider="openai",
                model="gpt-5",
                input_tokens=1,
                output_tokens=1,
                start=begun + second,
                end=begun + 3 * second,
            )
            attempt.verdict("v", passed=True)
        with req.attempt(tier=2, start=begun + 4 * second, end=begun + 9 * second) as attempt:
            attempt.verdict("v", passed=True, time=begun + 10 * second)
    thinkmeter.label(req.id, correct=True, time=(begun + 60 * second).timestamp())

    def seconds(at_ns: int | None) -> float:
        assert at_ns is not None
        return at_ns / 1e9 - begun.timestamp()

    def times(name: str) -> tuple[float, float]:
        span = span_named(captured, name)
        return seconds(span.start_time), seconds(span.end_time)

    assert times("chat gpt-5") == pytest.approx((1, 3))
    assert times("attempt 1") == pytest.approx((0, 3))
    assert times("attempt 2") == pytest.approx((4, 9))
    assert times("request t") == pytest.approx((0, 9))
    records = [finished.log_record for finished in captured._logs.get_finished_logs()]
    assert [seconds(record.timestamp) for record in records] == pytest.approx([3, 10, 60])


def test_a_recorded_call_carries_everything_it_is_told(captured: Captured) -> None:
    thinkmeter.record_call(
        provider="self_hosted",
        model="deepseek-r1",
        input_tokens=100,
        output_tokens=50,
        cache_read_tokens=40,
        cache_write_tokens=10,
        response_id="resp",
        cost_usd=0.25,
        error=TimeoutError("x"),
        task="t",
        request_id="r",
        tier=3,
        attempt=2,
        effort="high",
        finish_reason="length",
        time_to_first_chunk=0.5,
        tenant="acme",
    )
    assert captured.call == {
        names.OPERATION_NAME: "chat",
        names.PROVIDER_NAME: "self_hosted",
        names.REQUEST_MODEL: "deepseek-r1",
        names.INPUT_TOKENS: 100,
        names.OUTPUT_TOKENS: 50,
        names.THINKING_SOURCE: "missing",
        names.CACHE_READ_INPUT_TOKENS: 40,
        names.CACHE_WRITE_INPUT_TOKENS: 10,
        names.RESPONSE_ID: "resp",
        names.USAGE_COST_USD: 0.25,
        names.ERROR_TYPE: "TimeoutError",
        names.TASK: "t",
        names.REQUEST_ID: "r",
        names.TIER: 3,
        names.ATTEMPT: 2,
        names.REQUEST_REASONING_LEVEL: "high",
        names.RESPONSE_FINISH_REASONS: ("length",),
        names.TIME_TO_FIRST_CHUNK: 0.5,
        names.SAMPLING_PROBABILITY: 1.0,
        "tenant": "acme",
    }


def test_the_tiers_map_speaks_where_the_application_does_not() -> None:
    with capture(tiers={"gpt-5-nano*": 1, "gpt-5*": 2}) as captured:
        call()
        with thinkmeter.request("t") as req, req.attempt(tier=3):
            call()
    assert [c[names.TIER] for c in captured.calls] == [2, 3]
