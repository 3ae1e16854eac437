"""Who a call belongs to: across threads, tasks and services, and for spans of other instrumentations."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import thinkmeter
from tests.sdk.recorded import call
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured


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
