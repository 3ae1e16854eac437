"""`calls`: one row per billable call, whoever reported it and however often; context, thinking and price."""

import datetime as dt
import json
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, Row, insert, price, rule, select, span

NATIVE = "com.anthropic.sdk.python"
USAGE: Row = {"input_tokens": 100, "output_tokens": 50}


def calls(client: Client, *rows: Row) -> list[Row]:
    insert(client, "spans", rows)
    return select(client, "SELECT * FROM calls ORDER BY time, span_id")


def inside(parent: Row, **columns: Any) -> Row:
    return span(trace_id=parent["trace_id"], parent_span_id=parent["span_id"], **columns)


# --- context ---------------------------------------------------------------------------------------


def test_context_comes_from_the_nearest_ancestor(client: Client) -> None:
    root = span(span_class="request", request_id="r-1", task="sql", user_id="u-1", session_id="s-1")
    rung = inside(root, span_class="attempt", tier=2, attempt=3, strategy="greedy")
    agent = inside(rung, span_class="agent", task="sub-task")
    [call] = calls(client, root, rung, agent, inside(agent, scope_name="other"))
    assert (call["request_id"], call["task"], call["tier"], call["attempt"]) == ("r-1", "sub-task", 2, 3)
    assert (call["strategy"], call["user_id"], call["session_id"]) == ("greedy", "u-1", "s-1")


def test_own_attributes_beat_the_ancestors(client: Client) -> None:
    root = span(span_class="request", request_id="r-1", task="sql", tier=1)
    [call] = calls(client, root, inside(root, request_id="r-2", task="chat", tier=3, attempt=2))
    assert (call["request_id"], call["task"], call["tier"], call["attempt"]) == ("r-2", "chat", 3, 2)


def test_the_only_request_of_a_trace_claims_what_names_none(client: Client) -> None:
    stray = span()
    [call, _] = calls(client, stray, span(trace_id=stray["trace_id"], request_id="r-1", at_s=1))
    assert call["request_id"] == "r-1"


def test_two_requests_of_a_trace_claim_nothing(client: Client) -> None:
    stray = span()
    rows = [stray, *(span(trace_id=stray["trace_id"], request_id=f"r-{n}", at_s=n) for n in (1, 2))]
    assert calls(client, *rows)[0]["request_id"] == stray["trace_id"]


def test_without_any_context_the_trace_is_the_request(client: Client) -> None:
    alone = span()
    [call] = calls(client, alone)
    assert (call["request_id"], call["task"], call["tier"], call["attempt"]) == (alone["trace_id"], "unknown", None, 1)


def test_rules_give_tier_and_task(client: Client) -> None:
    insert(client, "rules", [rule("tier", "^acme-think-.*$", "2"), rule("tier", "^.*$", "1", position=1)])
    match = json.dumps({"gen_ai.prompt.name": "^sql-.*$", "service.name": "^shop$"})
    insert(client, "rules", [rule("task", match, "sql_generation")])
    shop: Row = {"service_name": "shop"}
    matching = span(attributes={"gen_ai.prompt.name": "sql-join"}, **shop)
    other = span(attributes={"gen_ai.prompt.name": "chat"}, request_model="plain", at_s=1, **shop)
    [first, second] = calls(client, matching, other)
    assert (first["task"], first["tier"]) == ("sql_generation", 2)
    assert (second["task"], second["tier"]) == ("unknown", 1)


def test_only_the_newest_revision_of_a_rule_holds(client: Client) -> None:
    old = {**rule("tier", "^acme.*$", "1"), "revision": START - dt.timedelta(days=1)}
    insert(client, "rules", [old, rule("tier", "^acme.*$", "3")])
    assert calls(client, span())[0]["tier"] == 3


def test_attempts_count_up_when_the_tier_changes(client: Client) -> None:
    tiers = [1, 1, 2, 3]
    rows = [span(request_id="r", tier=tier, at_s=n) for n, tier in enumerate(tiers)]
    judge = span(request_id="r", tier=1, role="verifier", at_s=1.5)
    assert [(c["tier"], c["attempt"]) for c in calls(client, *rows, judge) if c["role"] == "answer"] == [
        (1, 1),
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    assert select(client, "SELECT attempt FROM calls WHERE role = 'verifier'") == [{"attempt": 1}]


def test_a_call_of_unknown_tier_belongs_to_the_attempt_around_it(client: Client) -> None:
    embeddings = [span(request_id="r", operation="embeddings", at_s=at_s) for at_s in (0, 1.5, 2.5, 5)]
    answers = [span(request_id="r", tier=tier, at_s=at_s) for tier, at_s in ((1, 1), (1, 2), (3, 3), (3, 4))]
    assert [(c["tier"], c["attempt"]) for c in calls(client, *embeddings, *answers)] == [
        (None, 1),
        (1, 1),
        (None, 1),
        (1, 1),
        (None, 1),
        (3, 2),
        (3, 2),
        (None, 2),
    ]


def test_however_deep_a_trace_is_its_calls_are_settled(client: Client) -> None:
    deepest = span(span_class="request", request_id="r-1", task="sql")
    rows = [deepest]
    for generation in range(1, 1200):
        deepest = inside(deepest, span_class="agent" if generation % 50 else "inference", at_s=generation)
        rows.append(deepest)
    told = calls(client, *rows, span(request_id="other"))
    assert [call["request_id"] for call in told].count("r-1") == 23  # the only request of its trace claims them all
    assert [call["task"] for call in told if call["request_id"] == "r-1"][:3] == ["sql"] * 3
    assert {call["request_id"] for call in told} == {"r-1", "other"}


def test_a_cycle_of_parents_ends(client: Client) -> None:
    one = span(span_class="other")
    two = inside(one, span_class="other")
    one["parent_span_id"] = two["span_id"]
    assert len(calls(client, one, two, inside(two))) == 1


# --- counted once ------------------------------------------------------------------------------------


def test_a_span_sent_twice_is_one_call(client: Client) -> None:
    twice = span(**USAGE)
    insert(client, "spans", [twice])
    assert len(calls(client, twice)) == 1


def test_a_wrapper_and_the_native_span_are_one_call(client: Client) -> None:
    ours = span(request_id="r", tier=1, role="verifier", sample=2, effort="high", thinking_tokens=20, **USAGE)
    [call] = calls(client, ours, inside(ours, scope_name=NATIVE, at_s=0.1, **USAGE))
    assert (call["merged_spans"], call["thinking_tokens"], call["thinking_source"]) == (2, 20, "provider")
    assert (call["request_id"], call["role"], call["sample"], call["effort"]) == ("r", "verifier", 2, "high")


def test_a_wrapper_without_usage_is_out(client: Client) -> None:
    chain = span(scope_name="framework")
    rows = [inside(chain, scope_name="client", at_s=n, **USAGE) for n in (1, 2)]
    assert [c["output_tokens"] for c in calls(client, chain, *rows)] == [50, 50]


def test_a_wrapper_of_several_calls_is_out_when_it_says_their_sum(client: Client) -> None:
    chain = span(scope_name="framework", input_tokens=200, output_tokens=100)
    rows = [inside(chain, scope_name="client", at_s=n, **USAGE) for n in (1, 2)]
    assert [c["output_tokens"] for c in calls(client, chain, *rows)] == [50, 50]


def test_a_call_made_inside_a_call_with_usage_of_its_own_counts(client: Client) -> None:
    outer = span(scope_name="framework", input_tokens=1000, output_tokens=300)
    assert [c["output_tokens"] for c in calls(client, outer, inside(outer, scope_name="client", at_s=1, **USAGE))] == [
        300,
        50,
    ]


def test_the_same_instrumentation_nested_counts_twice(client: Client) -> None:
    outer = span(**USAGE)
    assert len(calls(client, outer, inside(outer, **USAGE))) == 2


def test_a_descendant_that_says_nothing_is_an_echo(client: Client) -> None:
    ours = span(**USAGE)
    [call] = calls(client, ours, inside(ours, scope_name="gateway", response_id="resp-1"))
    assert (call["span_id"], call["output_tokens"], call["response_id"]) == (ours["span_id"], 50, "resp-1")


def test_three_instrumentations_deep_is_one_call(client: Client) -> None:
    top = span(scope_name="a", **USAGE)
    middle = inside(top, scope_name="b", thinking_tokens=7, **USAGE)
    [call] = calls(client, top, middle, inside(middle, scope_name="c", **USAGE))
    assert (call["merged_spans"] >= 2, call["thinking_tokens"]) == (True, 7)


def test_one_response_seen_by_two_instrumentations_is_one_call(client: Client) -> None:
    one = span(response_id="resp-1", request_id="r", **USAGE)
    other = span(response_id="resp-1", scope_name="gateway", thinking_tokens=30, at_s=1, **USAGE)
    [call] = calls(client, one, other)
    assert (call["span_id"], call["merged_spans"], call["thinking_tokens"]) == (one["span_id"], 2, 30)


@pytest.mark.parametrize(
    "other",
    [
        {"scope_name": "thinkmeter"},
        {"scope_name": "gateway", "output_tokens": 51},
        {"scope_name": "gateway", "provider": "other"},
        {"scope_name": "gateway", "request_model": "other"},
        {"scope_name": "gateway", "project": "other"},
        {"scope_name": "gateway", "at_s": 86_401.0},
    ],
    ids=["same scope", "other usage", "other provider", "other model", "other project", "a day later"],
)
def test_a_response_id_that_repeats_is_not_enough(client: Client, other: dict[str, Any]) -> None:
    one = span(response_id="stub", **USAGE)
    assert len(calls(client, one, span(**{"response_id": "stub", **USAGE, **other}))) == 2


def test_a_repeated_id_is_paired_off_between_scopes(client: Client) -> None:
    rows = [span(response_id="stub", scope_name=s, at_s=n, **USAGE) for s in ("thinkmeter", "gateway") for n in (0, 1)]
    assert [c["merged_spans"] for c in calls(client, *rows)] == [2, 2]


def test_siblings_below_a_common_wrapper_are_one_call(client: Client) -> None:
    top = span(scope_name="c", response_id="resp-1", **USAGE)
    ours = inside(top, response_id="resp-1", thinking_tokens=7, request_id="r", **USAGE)
    rows = [
        top,
        ours,
        inside(ours, scope_name="a", **USAGE),
        inside(top, scope_name="b", response_id="resp-1", **USAGE),
    ]
    [call] = calls(client, *rows)
    assert (call["request_id"], call["thinking_tokens"], call["output_tokens"]) == ("r", 7, 50)


def test_within_a_trace_a_miscount_of_the_same_response_is_no_second_call(client: Client) -> None:
    root = span(span_class="request", request_id="r")
    ours = inside(root, response_id="resp-1", **USAGE)
    [call] = calls(
        client, root, ours, inside(root, scope_name="a", response_id="resp-1", input_tokens=100, output_tokens=51)
    )
    assert (call["span_id"], call["output_tokens"]) == (ours["span_id"], 50)


def test_a_placeholder_for_the_output_of_a_cut_stream_is_neither_a_call_nor_an_output(client: Client) -> None:
    wrapper = span(scope_name="a", input_tokens=100, output_tokens=1)
    [call] = calls(client, wrapper, inside(wrapper, input_tokens=100, finish_reason="error"))
    assert (call["input_tokens"], call["output_tokens"], call["merged_spans"]) == (100, None, 2)


def test_a_span_without_response_beside_one_of_another_instrumentation_is_an_echo(client: Client) -> None:
    root = span(span_class="request", request_id="r")
    said = [inside(root, at_s=n, **USAGE) for n in (0, 1)]
    mute = [inside(root, scope_name="a", at_s=n) for n in (0.1, 1.1)]
    same = [inside(root, scope_name="b", at_s=n, **USAGE) for n in (0.1, 1.1)]
    assert len(calls(client, root, *said, *mute, *same)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"at_s": 60.0},
        {"request_model": "other"},
        {"scope_name": "thinkmeter"},
        {"input_tokens": 100, "output_tokens": 51},
    ],
    ids=["later", "other model", "same scope", "other usage"],
)
def test_a_span_without_response_is_a_call_of_its_own_where_nothing_beside_it_can_be_the_same(
    client: Client, other: dict[str, Any]
) -> None:
    root = span(span_class="request", request_id="r")
    mute = inside(root, **{"scope_name": "a", **other})
    assert len(calls(client, root, inside(root, **USAGE), mute)) == 2


@pytest.mark.parametrize("kind", ["agent", "tool", "request", "attempt", "other"])
def test_only_inference_spans_bear_tokens(client: Client, kind: str) -> None:
    assert calls(client, span(span_class=kind, **USAGE)) == []


def test_the_order_of_arrival_does_not_matter(client: Client) -> None:
    ours = span(request_id="r", thinking_tokens=20, **USAGE)
    native = inside(ours, scope_name=NATIVE, **USAGE)
    root = span(trace_id=ours["trace_id"], span_class="request", task="late")
    ours["parent_span_id"] = root["span_id"]
    for row in (native, ours, root):
        insert(client, "spans", [row])
    [call] = select(client, "SELECT * FROM calls")
    assert (call["request_id"], call["task"], call["thinking_tokens"]) == ("r", "late", 20)


# --- thinking ----------------------------------------------------------------------------------------


def test_unknown_thinking_is_not_zero(client: Client) -> None:
    [call] = calls(client, span(**USAGE))
    assert (call["thinking_tokens"], call["answer_tokens"], call["thinking_source"]) == (None, None, "missing")


def test_a_model_that_never_thinks_has_a_known_zero(client: Client) -> None:
    insert(client, "rules", [rule("never_thinks", "^acme-.*$", "")])
    [call] = calls(client, span(**USAGE))
    assert (call["thinking_tokens"], call["answer_tokens"], call["thinking_source"]) == (0, 50, "derived")


def test_thinking_above_output_is_unknown(client: Client) -> None:
    insert(client, "rules", [rule("never_thinks", "^acme-.*$", "")])
    [call] = calls(client, span(thinking_tokens=51, thinking_source="provider", **USAGE))
    assert (call["thinking_tokens"], call["thinking_source"]) == (None, "missing")
    assert call["thinking_above_output"] == 1


def test_a_reported_count_beats_an_estimate(client: Client) -> None:
    ours = span(thinking_tokens=40, thinking_source="estimated", **USAGE)
    native = inside(ours, scope_name=NATIVE, thinking_tokens=20, thinking_source="provider", **USAGE)
    [call] = calls(client, ours, native)
    assert (call["thinking_tokens"], call["thinking_source"]) == (20, "provider")


def test_a_call_that_was_refused_is_not_billed(client: Client) -> None:
    [refused, cut] = calls(client, span(error_type="429"), span(error_type="x", response_id="resp-1", at_s=1))
    assert (refused["billed"], cut["billed"]) == (False, True)


# --- cost --------------------------------------------------------------------------------------------


def test_each_bucket_has_its_rate(client: Client) -> None:
    insert(client, "prices", [price()])
    tokens: Row = {
        "input_tokens": 1000,
        "cache_read_tokens": 300,
        "cache_write_tokens": 200,
        "cache_write_1h_tokens": 50,
    }
    [call] = calls(client, span(**tokens, output_tokens=500, thinking_tokens=400))
    assert call["cost_input_usd"] == pytest.approx(500 * 1.0 / 1e6)
    assert call["cost_cache_usd"] == pytest.approx((300 * 0.1 + 150 * 1.25 + 50 * 2.0) / 1e6)
    assert call["cost_thinking_usd"] == pytest.approx(400 * 4.0 / 1e6)
    assert call["cost_answer_usd"] == pytest.approx(100 * 2.0 / 1e6)
    total = call["cost_input_usd"] + call["cost_cache_usd"] + call["cost_thinking_usd"] + call["cost_answer_usd"]
    assert call["cost_usd"] == pytest.approx(total)
    assert call["cost_source"] == "computed"


def test_what_the_provider_charged_holds_and_scales_the_buckets(client: Client) -> None:
    insert(client, "prices", [price()])
    [call] = calls(client, span(reported_cost_usd=0.0011, thinking_tokens=25, **USAGE))
    computed = (100 * 1.0 + 25 * 4.0 + 25 * 2.0) / 1e6
    assert (call["cost_usd"], call["cost_source"]) == (0.0011, "provider")
    assert call["cost_thinking_usd"] == pytest.approx(25 * 4.0 / 1e6 * 0.0011 / computed)


def test_unknown_thinking_at_one_rate_is_priced_but_not_split(client: Client) -> None:
    insert(client, "prices", [price(thinking_per_mtok_usd=2.0)])
    [call] = calls(client, span(**USAGE))
    assert call["cost_output_usd"] == pytest.approx(50 * 2.0 / 1e6)
    assert (call["cost_thinking_usd"], call["cost_answer_usd"], call["cost_source"]) == (None, None, "computed")


def test_unknown_thinking_at_two_rates_has_no_price(client: Client) -> None:
    insert(client, "prices", [price()])
    [call] = calls(client, span(**USAGE))
    assert (call["cost_output_usd"], call["cost_usd"], call["cost_source"]) == (None, None, "unpriced")


@pytest.mark.parametrize(
    ("tokens", "source"), [({"input_tokens": 1, "output_tokens": 1}, "unpriced"), ({"output_tokens": 1}, "unknown")]
)
def test_no_price_is_not_zero(client: Client, tokens: dict[str, int], source: str) -> None:
    [call] = calls(client, span(thinking_tokens=0, **tokens))
    assert (call["cost_usd"], call["cost_source"]) == (None, source)


def test_the_price_of_the_time_of_the_call_holds(client: Client) -> None:
    change = START + dt.timedelta(seconds=10)
    insert(client, "prices", [price(valid_until=change), price(valid_from=change, input_per_mtok_usd=3.0)])
    rows = [span(at_s=s, input_tokens=1_000_000, output_tokens=0, thinking_tokens=0) for s in (9.999, 10.0)]
    assert [c["cost_usd"] for c in calls(client, *rows)] == [1.0, 3.0]


def test_the_newest_record_of_a_price_holds(client: Client) -> None:
    insert(client, "prices", [price(), price(recorded=START + dt.timedelta(days=1), input_per_mtok_usd=9.0)])
    assert calls(client, span(input_tokens=1_000_000, output_tokens=0, thinking_tokens=0))[0]["cost_usd"] == 9.0


def test_a_long_context_has_its_bracket(client: Client) -> None:
    insert(client, "prices", [price(), price(above_input_tokens=200_000, input_per_mtok_usd=2.0)])
    rows = [span(at_s=n, input_tokens=n, output_tokens=0, thinking_tokens=0) for n in (200_000, 200_001)]
    assert [c["cost_usd"] for c in calls(client, *rows)] == [pytest.approx(0.2), pytest.approx(0.400002)]


def test_the_hour_of_the_day_has_its_price(client: Client) -> None:
    night = {"daily_from_s": 22 * 3600, "daily_until_s": 6 * 3600}
    insert(client, "prices", [price(), price(input_per_mtok_usd=0.5, **night)])
    day = [span(at_s=3600.0 * h, input_tokens=1_000_000, output_tokens=0, thinking_tokens=0) for h in (0, 10, 17, 18)]
    assert [c["cost_usd"] for c in calls(client, *day)] == [1.0, 0.5, 0.5, 1.0]


def test_a_service_tier_has_its_price(client: Client) -> None:
    insert(client, "prices", [price(), price(service_tier="batch", input_per_mtok_usd=0.5)])
    tiers = ["", "default", "batch", "flex"]
    rows = [
        span(at_s=n, service_tier=tier, input_tokens=1_000_000, output_tokens=0, thinking_tokens=0)
        for n, tier in enumerate(tiers)
    ]
    assert [c["cost_usd"] for c in calls(client, *rows)] == [1.0, 1.0, 0.5, None]
