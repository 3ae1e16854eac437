"""`attempts` and `requests`: which verdict decides, which label holds, and where a request went."""

import datetime as dt
import json
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, Row, insert, label, price, rule, select, span, verdict


def ladder(request_id: str, *tiers: int, **columns: Any) -> list[Row]:
    """One call an attempt, a minute apart: 100 in, 50 out, 10 x tier of them thinking."""
    return [
        span(
            request_id=request_id,
            task="sql",
            tier=tier,
            attempt=n,
            at_s=60.0 * n,
            **{"input_tokens": 100, "output_tokens": 50, "thinking_tokens": 10 * tier, **columns},
        )
        for n, tier in enumerate(tiers, 1)
    ]


def requests(client: Client) -> list[Row]:
    return select(client, "SELECT * FROM requests ORDER BY request_id")


def attempts(client: Client) -> list[Row]:
    return select(client, "SELECT * FROM attempts ORDER BY request_id, attempt")


def test_a_request_knows_its_ladder(client: Client) -> None:
    insert(client, "prices", [price()])
    insert(client, "spans", ladder("r", 1, 2, 3))
    [request] = requests(client)
    assert (request["first_tier"], request["final_tier"], request["final_attempt"]) == (1, 3, 3)
    assert (request["attempts"], request["calls"], request["escalated"]) == (3, 3, True)
    assert (request["thinking_tokens"], request["first_thinking_tokens"], request["final_thinking_tokens"]) == (
        60,
        10,
        30,
    )
    assert request["cost_thinking_usd"] == pytest.approx(60 * 4 / 1e6)
    assert request["time"].replace(tzinfo=dt.UTC) == START + dt.timedelta(seconds=60)


def test_staying_at_a_tier_is_no_escalation(client: Client) -> None:
    insert(client, "spans", [*ladder("a", 1, 1), *ladder("b", 2, 1), *ladder("c", 1, 2)])
    assert [r["escalated"] for r in requests(client)] == [False, False, True]


def test_one_unknown_count_makes_the_sum_unknown(client: Client) -> None:
    insert(client, "spans", [*ladder("r", 1), span(request_id="r", attempt=2, tier=2, output_tokens=5, at_s=300)])
    [request] = requests(client)
    assert (request["thinking_tokens"], request["known_thinking_tokens"]) == (None, 10)
    assert request["thinking_unknown_calls"] == 1


def test_a_refused_call_leaves_nothing_unknown(client: Client) -> None:
    insert(client, "spans", [*ladder("r", 1), span(request_id="r", attempt=1, tier=1, error_type="429", at_s=1)])
    [request] = requests(client)
    assert (request["thinking_tokens"], request["failed_calls"]) == (10, 1)


def test_verifiers_are_paid_apart(client: Client) -> None:
    insert(client, "prices", [price()])
    judge = span(request_id="r", attempt=1, role="verifier", input_tokens=1000, output_tokens=0, thinking_tokens=0)
    insert(client, "spans", [*ladder("r", 1), {**judge, "time": START + dt.timedelta(seconds=61)}])
    [request] = requests(client)
    assert (request["thinking_tokens"], request["answer_calls"]) == (10, 1)
    assert request["verifier_cost_usd"] == pytest.approx(1000 / 1e6)


def test_the_last_verdict_decides_unless_the_policy_names_a_verifier(client: Client) -> None:
    insert(client, "spans", ladder("r", 1))
    insert(
        client,
        "verdicts",
        [
            verdict("r", attempt=1, passed=True, score=0.9, at_s=1),
            verdict("r", attempt=1, passed=False, score=0.1, at_s=2, verifier="judge"),
        ],
    )
    assert [(a["verifier"], a["verdict_passed"]) for a in attempts(client)] == [("judge", False)]
    insert(client, "rules", [rule("policy", "", json.dumps({"verifier": "orm"}), attribute="sql")])
    assert [(a["verifier"], a["verdict_passed"]) for a in attempts(client)] == [("orm", True)]


def test_the_newest_verdict_of_a_verifier_wins_in_any_order(client: Client) -> None:
    insert(client, "spans", ladder("r", 1))
    insert(client, "verdicts", [verdict("r", attempt=1, passed=False, at_s=20)])
    insert(client, "verdicts", [verdict("r", attempt=1, passed=True, at_s=10)])
    [attempt] = attempts(client)
    assert (attempt["verdict_passed"], len(attempt["verdicts"])) == (False, 1)


def test_a_verdict_of_one_sample_never_judges_an_attempt(client: Client) -> None:
    insert(client, "spans", ladder("r", 1))
    insert(client, "verdicts", [verdict("r", attempt=1, sample=0, passed=True)])
    assert attempts(client)[0]["verdict_passed"] is None


@pytest.mark.parametrize("how", ["span", "attempt span", "response", "trace"])
def test_a_verdict_finds_its_attempt(client: Client, how: str) -> None:
    first, second = ladder("r", 1, 2, response_id="")
    rung = span(trace_id=second["trace_id"], span_class="attempt", request_id="r", attempt=2)
    second |= {"response_id": "resp-2"}
    where: dict[str, Row] = {
        "span": {"trace_id": first["trace_id"], "span_id": first["span_id"]},
        "attempt span": {"trace_id": rung["trace_id"], "span_id": rung["span_id"]},
        "response": {"response_id": "resp-2"},
        "trace": {},
    }
    insert(client, "spans", [first, second, rung])
    insert(client, "verdicts", [verdict("r" if how == "trace" else "", passed=True, **where[how])])
    judged = [a["attempt"] for a in attempts(client) if a["verdict_passed"]]
    assert judged == [1 if how == "span" else 2]


def test_a_label_without_attempt_speaks_of_the_final_one(client: Client) -> None:
    insert(client, "spans", ladder("r", 1, 2))
    insert(client, "labels", [label("r", True), label("r", False, attempt=1)])
    [request] = requests(client)
    assert (request["first_correct"], request["correct"]) == (False, True)
    insert(client, "spans", [{**ladder("r", 1, 2, 3)[2]}])
    [request] = requests(client)
    assert (request["first_correct"], request["correct"], request["final_attempt"]) == (False, True, 3)


@pytest.mark.parametrize(
    ("other", "correct"),
    [
        ({"at_s": 101.0, "source": "reference"}, False),
        ({"at_s": 99.0}, True),
        ({"source": "test"}, True),
        ({"source": "reference"}, True),
    ],
    ids=["newer", "older", "test at the same time", "reference at the same time"],
)
def test_the_newest_label_holds_then_the_better_source(client: Client, other: Row, correct: bool) -> None:
    insert(client, "spans", ladder("r", 1))
    insert(client, "labels", [label("r", True), label("r", False, **other)])
    assert requests(client)[0]["correct"] is correct


@pytest.mark.parametrize(
    ("other", "probability"),
    [
        ({"at_s": 200.0}, 0.1),
        ({"at_s": 200.0, "attempt": 2}, 0.1),
        ({"at_s": 50.0}, 0.1),
        ({"at_s": 200.0, "sampling_probability": 0.5}, 0.5),
        ({"at_s": 50.0, "sampling_probability": 0.5}, 0.1),
    ],
    ids=["later", "later, of the attempt", "earlier", "drawn again", "drawn before"],
)
def test_an_attempt_stays_as_likely_to_be_labelled_whoever_labels_it_again(
    client: Client, other: Row, probability: float
) -> None:
    insert(client, "spans", ladder("r", 1, 2))
    drawn = label("r", True, attempt=2, labeler="dana", sampling_probability=0.1)
    insert(client, "labels", [drawn, label("r", False, labeler="lee", **other)])
    of = {a["attempt"]: (a["correct"], a["label_sampling_probability"]) for a in attempts(client)}
    assert of == {1: (None, None), 2: (other["at_s"] < 100, probability)}


@pytest.mark.parametrize(
    ("tiers", "verdicts", "gate"),
    [
        ((1,), {1: False}, False),
        ((1, 2), {1: False, 2: True}, False),
        ((1, 1, 2), {1: False, 2: True}, True),
        ((1, 2, 1), {1: True, 3: False}, True),
        ((2, 3), {1: False}, None),
        ((1, 2), {2: True}, None),
    ],
    ids=["stayed", "escalated", "last of two", "before the first higher", "pre-routed", "no verdict"],
)
def test_the_gate_is_the_last_tier_1_attempt_before_a_higher_one(
    client: Client, tiers: tuple[int, ...], verdicts: dict[int, bool], gate: bool | None
) -> None:
    insert(client, "spans", ladder("r", *tiers))
    insert(client, "verdicts", [verdict("r", attempt=n, passed=p) for n, p in verdicts.items()])
    assert requests(client)[0]["gate_verdict_passed"] is gate


def test_a_request_settles_after_five_minutes(client: Client) -> None:
    now = dt.datetime.now(dt.UTC)
    rows = [{**span(request_id=name), "time": now - dt.timedelta(seconds=s)} for name, s in (("a", 330), ("b", 290))]
    insert(client, "spans", rows)
    assert [bool(r["settled"]) for r in requests(client)] == [True, False]


def test_a_sampled_request_weighs_more(client: Client) -> None:
    insert(client, "spans", [*ladder("a", 1, sampling_probability=0.25), *ladder("b", 1)])
    assert [(r["weight"], r["sampling_known"]) for r in requests(client)] == [(4.0, True), (1.0, False)]


def test_a_lone_verifier_call_is_no_request(client: Client) -> None:
    insert(client, "spans", [span(role="verifier", input_tokens=1, output_tokens=1)])
    assert requests(client) == []
