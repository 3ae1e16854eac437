"""The cascade helper: the cheapest rung that passes answers, and everything is recorded, sync and async."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage, context

import thinkmeter
from thinkmeter import Rung, Verdict, cascade
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured


def call(model: str = "gpt-5") -> None:
    thinkmeter.record_call(provider="openai", model=model, input_tokens=1, output_tokens=1)


def answering(answer: str) -> Callable[[str], str]:
    def rung(question: str) -> str:
        call(answer)
        return answer

    return rung


def right(answer: str, question: str) -> bool:
    call("judge")
    return answer == "right"


def test_it_escalates_until_an_answer_passes_and_records_each_rung(captured: Captured) -> None:
    rungs: list[Any] = [
        answering("wrong"),
        Rung(answering("right"), strategy="best_of_n", effort="high"),
        answering("unused"),
    ]
    trail = cascade(rungs, verifier=right, task="sums")("6 x 7?")
    assert (trail.answer, trail.passed, trail.escalated) == ("right", True, True)
    assert [(s.number, s.tier, s.answer, s.verdict and s.verdict.passed) for s in trail.steps] == [
        (1, 1, "wrong", False),
        (2, 2, "right", True),
    ]
    (request,) = captured.entities("request")
    assert (request[names.TASK], request[names.REQUEST_ID]) == ("sums", trail.request_id)
    first, second = captured.entities("attempt")
    assert (first[names.TIER], second[names.TIER]) == (1, 2)
    assert (second[names.STRATEGY], second[names.REQUEST_REASONING_LEVEL]) == ("best_of_n", "high")
    assert [(c[names.REQUEST_MODEL], c[names.ATTEMPT], c.get(names.ROLE)) for c in captured.calls] == [
        ("wrong", 1, None),
        ("judge", 1, "verifier"),
        ("right", 2, None),
        ("judge", 2, "verifier"),
    ]
    said = (names.EVALUATION_NAME, names.EVALUATION_SCORE_LABEL, names.ATTEMPT)
    assert [tuple(verdict[name] for name in said) for verdict in captured.verdicts] == [
        ("right", "fail", 1),
        ("right", "pass", 2),
    ]


def test_the_last_answer_holds_where_none_passes(captured: Captured) -> None:
    trail = cascade([answering("a"), answering("b")], verifier=right)("?")
    assert (trail.answer, trail.passed) == ("b", False)
    unjudged = cascade([answering("a"), answering("b")], verifier=right, verify_last=False)("?")
    assert unjudged.steps[-1].verdict is None
    assert captured.entities("request")[0][names.TASK] == "unknown"


@pytest.mark.parametrize(
    ("found", "passed", "name", "score"),
    [
        (0.8, True, "orm", 0.8),
        (0, False, "orm", 0.0),
        (Verdict("own", score=0.2, threshold=0.1), True, "own", 0.2),
        (True, True, "orm", None),
    ],
)
def test_a_verifier_may_score_judge_or_bring_its_own_verdict(
    captured: Captured, found: Any, passed: bool, name: str, score: float | None
) -> None:
    trail = cascade([answering("x")], verifier=lambda *_: found, name="orm", version="2", threshold=0.7)("?")
    assert trail.passed is passed
    (verdict,) = captured.verdicts
    assert (verdict[names.EVALUATION_NAME], verdict.get(names.EVALUATION_SCORE_VALUE)) == (name, score)


def test_no_opinion_is_no_pass_and_no_verdict(captured: Captured) -> None:
    trail = cascade([answering("a"), answering("b")], verifier=lambda *_: None)("?")
    assert (trail.answer, trail.passed, captured.verdicts) == ("b", False, [])


def test_an_error_passes_unless_it_is_a_reason_to_go_on(captured: Captured) -> None:
    def failing(question: str) -> str:
        raise TimeoutError(question)

    with pytest.raises(TimeoutError):
        cascade([failing, answering("right")], verifier=right)("?")
    trail = cascade([failing, answering("right")], verifier=right, escalate_on=(TimeoutError,))("?")
    assert trail.answer == "right"
    assert isinstance(trail.steps[0].error, TimeoutError)
    with pytest.raises(TimeoutError):
        cascade([answering("wrong"), failing], verifier=right, escalate_on=(TimeoutError,))("?")
    errors = [attempt.get(names.ERROR_TYPE) for attempt in captured.entities("attempt")]
    assert errors == ["TimeoutError", "TimeoutError", None, None, "TimeoutError"]
    assert [r.get(names.ERROR_TYPE) for r in captured.entities("request")] == ["TimeoutError", None, "TimeoutError"]


def test_inside_a_request_the_attempts_are_that_requests(captured: Captured) -> None:
    with thinkmeter.request("outer", user="u") as req:
        with req.attempt(tier=1):
            pass
        trail = cascade([answering("right")], verifier=right, task="ignored")("?")
    assert (trail.request_id, trail.steps[0].number) == (req.id, 2)
    assert len(captured.entities("request")) == 1
    assert captured.calls[0][names.USER_ID] == "u"


def test_inside_another_services_request_the_attempts_are_that_requests(captured: Captured) -> None:
    ctx = baggage.set_baggage(names.ATTEMPT, "3", baggage.set_baggage(names.REQUEST_ID, "theirs", context.Context()))
    token = context.attach(ctx)
    trail = cascade([answering("right")], verifier=right)("?")
    context.detach(token)
    assert (trail.request_id, trail.steps[0].number) == (None, 4)
    assert captured.calls[0][names.REQUEST_ID] == "theirs"
    assert captured.entities("request") == []


def test_coroutine_functions_are_awaited_each_run_in_its_own_request(captured: Captured) -> None:
    async def slow(question: str) -> str:
        await asyncio.sleep(0)
        call(question)
        return "wrong"

    async def judge(answer: str, question: str) -> bool:
        await asyncio.sleep(0)
        call("judge")
        return answer == "right"

    rungs: list[Callable[[str], Any]] = [slow, answering("right")]
    solve = cascade(rungs, verifier=judge)

    async def together() -> list[thinkmeter.Trail[Any]]:
        return await asyncio.gather(*(solve.aio(f"q{n}") for n in range(10)))

    trails = asyncio.run(together())
    assert [trail.answer for trail in trails] == ["right"] * 10
    assert len({trail.request_id for trail in trails}) == 10
    for n, trail in enumerate(trails):
        own = [c for c in captured.calls if c[names.REQUEST_ID] == trail.request_id]
        assert [c[names.REQUEST_MODEL] for c in own] == [f"q{n}", "judge", "right", "judge"]
    with pytest.raises(TypeError, match="aio"):
        solve("?")


def test_a_cancelled_run_ends_its_blocks(captured: Captured) -> None:
    begun = asyncio.Event()

    async def hanging(question: str) -> str:
        begun.set()
        await asyncio.Event().wait()
        return question

    async def cancelled() -> None:
        task = asyncio.create_task(cascade([hanging], verifier=right, escalate_on=(OSError,)).aio("?"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    (request,), (attempt,) = captured.entities("request"), captured.entities("attempt")
    assert (request[names.ERROR_TYPE], attempt[names.ERROR_TYPE]) == ("CancelledError", "CancelledError")


def test_it_works_uninstrumented() -> None:
    thinkmeter.uninstrument()
    assert cascade([answering("wrong"), answering("right")], verifier=right)("?").answer == "right"
    with pytest.raises(ValueError, match="at least one"):
        cascade([], verifier=right)
