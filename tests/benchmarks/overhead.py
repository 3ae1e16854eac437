"""What measuring adds to a call: thinkmeter beside a bare span of the same usage and beside other instrumentations.

`python -m tests.benchmarks.overhead [ROUNDS]`

Each arm is a process of its own with the real client libraries, whose requests are answered in process, without a
socket. It makes each block of calls twice, instrumented and not, one right after the other: two processes differ by
more than what is measured, for how their memory happens to lie. The arms take turns, so that a slow spell of the
machine hits all alike. A figure is the CPU time of the calling thread that the instrumentation adds: the median over
rounds of the difference of the two blocks' lower quartiles, which calls that were interrupted do not reach.
"""

import gc
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.sdk.cases import CASES, Case
from tests.sdk.told import Told

ROUNDS = 15
CALLS = 60
WARM = 10
"""Calls that are made before those that count: the instrumentation has just changed."""
DELTAS = 48
"""Pieces of visible answer in a stream, beside what else its API sends."""
MEASURED = {case.name: case for case in CASES if case.name in ("openai chat", "openai responses", "anthropic messages")}


def replies(case: Case, *, stream: bool) -> tuple[bytes, str]:
    """The body of every reply, and its content type."""
    if not stream:
        return json.dumps(case.whole(Told(), shown=False)).encode(), "application/json"
    events = case.events(Told(), shown=False)
    at = case.answer_at
    events[at:at] = [events[at]] * DELTAS
    lines = []
    for event in events:
        lines += [f"event: {event['type']}\n"] if "type" in event else []
        lines.append(f"data: {json.dumps(event)}\n\n")
    return "".join([*lines, *(["data: [DONE]\n\n"] if case.done else [])]).encode(), "text/event-stream"


def calls(case: Case, *, stream: bool) -> Callable[[], None]:
    """A call of a real client that reads its reply to the end."""
    import anthropic
    import httpx2
    import openai

    body, kind = replies(case, stream=stream)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers={"Content-Type": kind}, content=body))
    library: Any = anthropic.Anthropic if case.provider == "anthropic" else openai.OpenAI
    client = library(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport))

    def call() -> None:
        reply = case.create(client, stream)
        if stream:
            for _ in reply:
                pass

    return call


def tracer_provider() -> Any:
    """The application's: batches spans and drops them."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Drop(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    trace.set_tracer_provider(provider)
    return provider


Switch = tuple[Callable[[], Any], Callable[[], Any]]
"""What begins the measuring of calls, and what ends it."""


def span_alone() -> Switch:
    """The least that can be done: one span a call with model and usage, read from the reply by hand."""
    from openai.resources.chat.completions import Completions
    from opentelemetry.trace import SpanKind

    tracer, create = tracer_provider().get_tracer("floor"), Completions.create

    def traced(self: Any, **asked: Any) -> Any:
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "server.address": "host"}
        span = tracer.start_span(
            f"chat {asked['model']}",
            kind=SpanKind.CLIENT,
            attributes={**attributes, "gen_ai.request.model": asked["model"]},
        )
        reply = create(self, **asked)
        return recorded(reply, span) if asked.get("stream") else finish(reply, span)

    def recorded(stream: Any, span: Any) -> Iterator[Any]:
        chunk = None
        for chunk in stream:
            yield chunk
        finish(chunk, span)

    def finish(reply: Any, span: Any) -> Any:
        span.set_attribute("gen_ai.response.model", reply.model)
        span.set_attribute("gen_ai.response.id", reply.id)
        if usage := reply.usage:
            span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
            span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.prompt_tokens_details.cached_tokens)
            thinking = usage.completion_tokens_details.reasoning_tokens
            span.set_attribute("gen_ai.usage.reasoning.output_tokens", thinking)
        span.end()
        return reply

    def switch(method: Any) -> Callable[[], None]:
        return lambda: setattr(Completions, "create", method)

    return switch(traced), switch(create)


def thinkmeter() -> Switch:
    """Ours."""
    import thinkmeter

    provider = tracer_provider()
    return lambda: thinkmeter.instrument(tracer_provider=provider), thinkmeter.uninstrument


def instrumentors(*made: Any) -> Switch:
    """Those that have a method for either."""
    tracer_provider()

    def begin() -> None:
        for instrumentor in made:
            instrumentor.instrument()

    def end() -> None:
        for instrumentor in made:
            instrumentor.uninstrument()

    return begin, end


def otel_genai() -> Switch:
    """OpenTelemetry's own."""
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    return instrumentors(OpenAIInstrumentor(), AnthropicInstrumentor())


def openinference() -> Switch:
    """Arize's."""
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    return instrumentors(OpenAIInstrumentor(), AnthropicInstrumentor())


ARMS = {arm.__name__: arm for arm in (span_alone, thinkmeter, otel_genai, openinference)}
"""OpenLLMetry is none of them: it comes out cheaper than nothing, so switching it off leaves something of it on."""


def block(call: Callable[[], None]) -> float:
    """The lower quartile of the CPU time of a call, in microseconds."""
    for _ in range(WARM):
        call()
    gc.collect()
    taken = []
    for _ in range(CALLS):
        begun = time.thread_time_ns()
        call()
        taken.append(time.thread_time_ns() - begun)
    return statistics.quantiles(taken, n=4)[0] / 1e3


def work() -> None:
    """One arm: takes `case stream` a line, answers with the CPU time that it adds to a call, in microseconds."""
    begin, end = ARMS[sys.argv[2]]()
    made: dict[str, Callable[[], None]] = {}
    for number, line in enumerate(sys.stdin):
        name, stream = json.loads(line)
        if line not in made:
            begin()  # a client that is made while nothing is instrumented is not measured by all
            made[line] = calls(MEASURED[name], stream=stream)
            end()
        found = {}
        for on in (True, False) if number % 2 else (False, True):
            if on:
                begin()
            found[on] = block(made[line])
            if on:
                end()
        print(found[True] - found[False], flush=True)


@contextmanager
def running(arm: str) -> Iterator[Callable[[str], float]]:
    """A process of that arm, as a function from an order to its answer."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.overhead", "--work", arm],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # the client's own spans are what the others would count twice
        env={**os.environ, "ANTHROPIC_OPEN_TELEMETRY": "false"},
    ) as process:

        def order(line: str) -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        yield order
        process.kill()


def measure(rounds: int) -> None:
    """Print the table."""
    cases = [(name, stream) for name in MEASURED for stream in (False, True)]
    with ExitStack() as stack:
        arms = {arm: stack.enter_context(running(arm)) for arm in ARMS}
        added: dict[tuple[str, str, bool], list[float]] = {}
        for turn in range(rounds + 1):
            for name, stream in cases:
                line = json.dumps([name, stream])
                for arm, order in arms.items():
                    if arm != "span_alone" or name == "openai chat":
                        figure = order(line)
                        if turn:  # the first round warms up
                            added.setdefault((arm, name, stream), []).append(figure)
    titles = [f"{name}{', streamed' if stream else ''}" for name, stream in cases]
    print(f"| added us of CPU a call, median of {rounds} rounds | {' | '.join(titles)} |")
    print("|---|" + "---|" * len(cases))
    for arm in ARMS:
        figures = [statistics.median(added.get((arm, name, stream), [math.nan])) for name, stream in cases]
        print(f"| {arm} | {' | '.join('' if math.isnan(figure) else f'{figure:.0f}' for figure in figures)} |")


if __name__ == "__main__":
    if "--work" in sys.argv:
        work()
    else:
        measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
