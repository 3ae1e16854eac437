"""Requests, attempts, verdicts and labels, as blocks and as decorators."""

import asyncio
import logging
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from opentelemetry import trace

import thinkmeter
from tests.sdk.recorded import call, span_named
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured


def test_a_cascade_is_recorded_from_request_to_label(captured: Captured) -> None:
    with thinkmeter.request("sql_generation", user="u-42", session="s-7") as req:
        with req.attempt(tier=1, strategy="greedy") as attempt:
            call()
            verdict = attempt.verdict("orm-v3", score=0.41, threshold=0.7, version="2026-11")
        assert verdict.passed is False
        with req.attempt(tier=2, effort="high") as attempt:
            call()
    thinkmeter.label(req.id, correct=True, attempt=2, source="human", labeler="dana", sampling_probability=0.4)

    first, second = captured.calls
    shared = {names.REQUEST_ID: req.id, names.TASK: "sql_generation", names.USER_ID: "u-42", names.SESSION_ID: "s-7"}
    assert first.items() >= {**shared, names.TIER: 1, names.ATTEMPT: 1, names.STRATEGY: "greedy"}.items()
    assert second.items() >= {**shared, names.TIER: 2, names.ATTEMPT: 2}.items()
    assert names.STRATEGY not in second
    assert [a[names.ATTEMPT] for a in captured.entities("attempt")] == [1, 2]
    assert captured.entities("attempt")[1][names.REQUEST_REASONING_LEVEL] == "high"
    assert [r[names.REQUEST_ID] for r in captured.entities("request")] == [req.id]
    assert captured.verdicts == [
        {
            names.REQUEST_ID: req.id,
            names.ATTEMPT: 1,
            names.TASK: "sql_generation",
            names.TIER: 1,
            names.USER_ID: "u-42",
            names.SESSION_ID: "s-7",
            names.EVALUATION_NAME: "orm-v3",
            names.EVALUATION_KIND: "verifier",
            names.EVALUATION_SCORE_VALUE: 0.41,
            names.EVALUATION_SCORE_LABEL: "fail",
            names.VERDICT_THRESHOLD: 0.7,
            names.VERIFIER_VERSION: "2026-11",
        }
    ]
    assert captured.labels == [
        {
            names.REQUEST_ID: req.id,
            names.ATTEMPT: 2,
            names.EVALUATION_NAME: "correct",
            names.EVALUATION_KIND: "ground_truth",
            names.EVALUATION_SCORE_VALUE: 1.0,
            names.EVALUATION_SCORE_LABEL: "pass",
            names.LABEL_SOURCE: "human",
            names.LABEL_BY: "dana",
            names.LABEL_SAMPLING_PROBABILITY: 0.4,
        }
    ]


def test_spans_nest_and_are_named_by_the_contract(captured: Captured) -> None:
    with thinkmeter.request("summaries") as req, req.attempt(tier=3):
        call()
    request, attempt = span_named(captured, "request summaries"), span_named(captured, "attempt 3")
    chat = span_named(captured, "chat gpt-5")
    assert request.parent is None
    assert (attempt.parent, chat.parent) == (request.context, attempt.context)
    assert [span.kind.name for span in (request, attempt, chat)] == ["INTERNAL", "INTERNAL", "CLIENT"]
    assert {s.instrumentation_scope.name for s in captured.spans if s.instrumentation_scope} == {"thinkmeter"}


@pytest.mark.parametrize(
    ("score", "threshold", "passed", "expected"),
    [(0.7, 0.7, None, True), (0.69, 0.7, None, False), (0.9, None, None, None), (0.1, 0.7, True, True)],
)
def test_a_verdict_passes_at_its_threshold_unless_it_says_otherwise(
    captured: Captured, score: float, threshold: float | None, passed: bool | None, expected: bool | None
) -> None:
    with thinkmeter.request("t") as req, req.attempt(tier=1) as attempt:
        verdict = attempt.verdict("v", score=score, threshold=threshold, passed=passed)
    assert verdict.passed is expected
    label = {True: "pass", False: "fail", None: None}[expected]
    assert captured.verdicts[0].get(names.EVALUATION_SCORE_LABEL) == label


def test_a_verdict_that_comes_after_the_attempt_still_belongs_to_it(captured: Captured) -> None:
    with thinkmeter.request("t") as req:
        with req.attempt(tier=1) as attempt:
            pass
        with req.attempt(tier=2):
            attempt.verdict("late", score=1.0)
    assert captured.verdicts[0][names.ATTEMPT] == 1


def test_roles_samples_and_phases_mark_what_is_inside(captured: Captured) -> None:
    with thinkmeter.request("t") as req:
        with req.role("router"):
            call()
        with req.attempt(tier=1, strategy="best_of_n") as attempt:
            with attempt.sample(1):
                call()
                attempt.verdict("prm", score=0.5)
            with attempt.role("verifier"), attempt.phase("planning"):
                call()
            call()
    router, sampled, verifier, plain = captured.calls
    assert router[names.ROLE] == "router"
    assert names.ATTEMPT not in router
    assert (sampled[names.SAMPLE], sampled[names.ATTEMPT]) == (1, 1)
    assert captured.verdicts[0][names.SAMPLE] == 1
    assert (verifier[names.ROLE], verifier[names.PHASE]) == ("verifier", "planning")
    assert not {names.ROLE, names.SAMPLE, names.PHASE} & plain.keys()


def test_a_decorated_generator_takes_what_is_sent_and_thrown(captured: Captured) -> None:
    @thinkmeter.request("generator")
    def conversation() -> Generator[str, str, str]:
        heard = yield "first"
        call()
        try:
            yield heard
        except KeyError:
            call()
            yield "caught"
        return "done"

    def outer() -> Generator[str, str, str]:
        return (yield from conversation())

    steps = outer()
    assert (next(steps), steps.send("second"), steps.throw(KeyError())) == ("first", "second", "caught")
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"
    assert len({c[names.REQUEST_ID] for c in captured.calls}) == 1 == len(captured.entities("request"))


def test_decorators_open_a_request_per_invocation_of_any_kind_of_function(captured: Captured) -> None:
    @thinkmeter.request("plain", user="u")
    def plain(x: int) -> int:
        inner()
        return x + 1

    @thinkmeter.attempt(tier=1)
    def inner() -> None:
        attempt = thinkmeter.current_attempt()
        assert attempt is not None
        attempt.verdict("v", passed=True)
        call()

    @thinkmeter.request("coroutine")
    async def coroutine() -> str:
        call()
        return "done"

    @thinkmeter.request("generator")
    def generator() -> Iterator[int]:
        call()
        yield 1
        call()
        yield 2

    @thinkmeter.request("async generator")
    async def async_generator() -> AsyncIterator[int]:
        call()
        yield 1

    assert [plain(1), plain(2)] == [2, 3]
    assert plain.__name__ == "plain"
    assert asyncio.run(coroutine()) == "done"
    steps = generator()
    assert next(steps) == 1
    assert thinkmeter.current_request() is None  # the code between two steps is not the request's
    assert list(steps) == [2]

    async def collect() -> list[int]:
        return [item async for item in async_generator()]

    assert asyncio.run(collect()) == [1]
    tasks = [c[names.TASK] for c in captured.calls]
    assert tasks == ["plain", "plain", "coroutine", "generator", "generator", "async generator"]
    ids = [r[names.REQUEST_ID] for r in captured.entities("request")]
    assert len(set(ids)) == 5
    assert [c.get(names.ATTEMPT) for c in captured.calls[:2]] == [1, 1]
    assert len(captured.verdicts) == 2


def test_an_abandoned_generator_ends_its_request_without_an_error(captured: Captured) -> None:
    @thinkmeter.request("generator")
    def generator() -> Iterator[int]:
        yield from range(10)

    steps = generator()
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    (request,) = captured.entities("request")
    assert names.ERROR_TYPE not in request


def test_what_the_code_raises_passes_and_is_named(captured: Captured) -> None:
    with pytest.raises(KeyError), thinkmeter.request("t") as req, req.attempt(tier=1):  # noqa: PT012
        call()
        raise KeyError("secret content")
    spans = [*captured.entities("attempt"), *captured.entities("request")]
    assert [span[names.ERROR_TYPE] for span in spans] == ["KeyError", "KeyError"]
    assert "secret" not in repr([(s.attributes, s.events, s.status.description) for s in captured.spans])


def test_nonsense_is_logged_and_changes_nothing_for_the_caller(
    captured: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "thinkmeter"), thinkmeter.request("t", start="yesterday") as req:  # type: ignore[arg-type]
        with req.attempt(tier=7) as attempt:
            assert attempt.verdict("v", score="high").passed is None  # type: ignore[arg-type]
            call(start=object())
    assert captured.faults > 0
    captured.clear()
    assert "tier 7 is none of" in caplog.text


def test_nothing_happens_before_instrument_but_the_logic_holds() -> None:
    thinkmeter.uninstrument()
    span = trace.get_current_span()
    with thinkmeter.request("t") as req, req.attempt(tier=1) as attempt:
        assert attempt.number == 1
        assert attempt.verdict("v", score=1.0, threshold=0.5).passed
        assert trace.get_current_span() is span
        call()
    thinkmeter.label(req.id, correct=True)
    assert thinkmeter.flush()
    assert not thinkmeter.health().instrumented
