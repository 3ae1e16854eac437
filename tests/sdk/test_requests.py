"""Requests, attempts, verdicts, labels and recorded calls."""

import asyncio
import contextvars
import datetime as dt
import logging
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import thinkmeter
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured, capture


def call(**further: Any) -> None:
    thinkmeter.record_call(
        provider="openai", model="gpt-5", input_tokens=10, output_tokens=7, thinking_tokens=3, **further
    )


def span_named(captured: Captured, name: str) -> ReadableSpan:
    (span,) = [span for span in captured.spans if span.name == name]
    return span


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


def test_a_call_outside_of_a_request_has_no_request_id(captured: Captured) -> None:
    call()
    assert names.REQUEST_ID not in captured.call
    assert names.TASK not in captured.call


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


def test_worker_threads_join_an_attempt_through_its_samples(captured: Captured) -> None:
    with thinkmeter.request("t") as req, req.attempt(tier=2, strategy="best_of_n") as attempt:

        def draw(index: int) -> None:
            with attempt.sample(index):
                call()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(draw, range(8)))
    assert sorted(c[names.SAMPLE] for c in captured.calls) == list(range(8))
    assert {(c[names.REQUEST_ID], c[names.ATTEMPT], c[names.TIER]) for c in captured.calls} == {(req.id, 1, 2)}


def test_threads_and_tasks_that_run_in_a_copy_of_the_context_are_in_the_attempt(captured: Captured) -> None:
    with thinkmeter.request("t") as req, req.attempt(tier=2):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, call).result()
            pool.submit(call).result()

        async def threaded() -> None:
            await asyncio.gather(asyncio.to_thread(call), asyncio.create_task(asyncio.to_thread(call)))

        asyncio.run(threaded())
    found = [(c.get(names.REQUEST_ID), c.get(names.ATTEMPT)) for c in captured.calls]
    assert found == [(req.id, 1), (None, None), (req.id, 1), (req.id, 1)]


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


def test_tasks_keep_their_own_requests_apart(captured: Captured) -> None:
    async def answer(number: int) -> None:
        async with thinkmeter.request("t", request_id=f"r{number}") as req:
            for tier in (1, 2):
                async with req.attempt(tier=tier):
                    await asyncio.sleep(0)
                    call()

    async def together() -> None:
        await asyncio.gather(*(answer(number) for number in range(10)))

    asyncio.run(together())
    found = sorted((c[names.REQUEST_ID], c[names.ATTEMPT], c[names.TIER]) for c in captured.calls)
    assert found == sorted((f"r{n}", tier, tier) for n in range(10) for tier in (1, 2))


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


def test_context_crosses_services_in_baggage(captured: Captured) -> None:
    carrier: dict[str, str] = {}
    with thinkmeter.request("t", user="u-42", session="s") as req, req.attempt(tier=2, strategy="parallel"):
        W3CBaggagePropagator().inject(carrier)
    assert "u-42" not in carrier["baggage"]

    token = context.attach(W3CBaggagePropagator().extract(carrier, context.Context()))
    try:
        call()
        with thinkmeter.attempt(tier=3):
            call()
    finally:
        context.detach(token)
    there, further = captured.calls
    assert (there[names.REQUEST_ID], there[names.TASK], there[names.TIER]) == (req.id, "t", 2)
    assert (there[names.ATTEMPT], there[names.STRATEGY]) == (1, "parallel")
    assert (further[names.REQUEST_ID], further[names.ATTEMPT], further[names.TIER]) == (req.id, 2, 3)


def test_baggage_from_outside_is_believed_only_where_it_fits(captured: Captured) -> None:
    ctx = baggage.set_baggage(names.TIER, "two", context.Context())
    ctx = baggage.set_baggage(names.TASK, "x" * 10_000, ctx)
    ctx = baggage.set_baggage(names.REQUEST_ID, "r", ctx)
    token = context.attach(ctx)
    call()
    context.detach(token)
    assert captured.call[names.REQUEST_ID] == "r"
    assert not {names.TIER, names.TASK} & captured.call.keys()


def test_other_instrumentations_spans_are_stamped() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(shutdown_on_exit=False)
    thinkmeter.uninstrument()
    thinkmeter.instrument(tracer_provider=provider, providers=[])
    tracer = provider.get_tracer("someone else")
    with thinkmeter.request("t", user="u") as req, req.attempt(tier=1):
        with tracer.start_as_current_span("tool", attributes={names.USER_ID: "own"}) as span:
            pass
    outside = tracer.start_span("outside")
    thinkmeter.uninstrument()
    assert isinstance(span, ReadableSpan)
    assert isinstance(outside, ReadableSpan)
    assert span.attributes is not None
    assert span.attributes[names.REQUEST_ID] == req.id
    assert (span.attributes[names.TIER], span.attributes[names.USER_ID]) == (1, "own")
    assert not outside.attributes


def test_the_probability_that_a_trace_was_kept_is_told_where_it_began_here(captured: Captured) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    thinkmeter.uninstrument()
    sampled = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.25)), shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    sampled.add_span_processor(SimpleSpanProcessor(exporter))
    thinkmeter.instrument(tracer_provider=sampled, providers=[])
    for _ in range(200):
        call()
        with thinkmeter.request("t"):
            call()
    remote = trace.SpanContext(1, 1, is_remote=True, trace_flags=trace.TraceFlags(1))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    call(request_id="from elsewhere")
    context.detach(token)
    thinkmeter.uninstrument()
    *own, foreign = [span.attributes or {} for span in exporter.get_finished_spans()]
    assert 0 < len(own) < 600
    assert {attributes[names.SAMPLING_PROBABILITY] for attributes in own} == {0.25}
    assert names.SAMPLING_PROBABILITY not in foreign


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
