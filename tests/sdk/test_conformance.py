"""What holds for every provider: whole and streamed, broken off and refused, told and untold."""

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

import thinkmeter
from tests.sdk.cases import CASES, Case
from tests.sdk.provider_server import ProviderServer
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

TOLD = Told()


EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
"""Each provider's API."""
EITHER = pytest.mark.parametrize(
    ("case", "asynchronous"),
    [
        pytest.param(case, asynchronous, id=f"{case.name}, {'async' if asynchronous else 'sync'}")
        for case in CASES
        for asynchronous in (False, True)
        if case.asynchronous or not asynchronous
    ],
)
"""The same by both kinds of client, where there are both."""
LEFT_OPEN = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""boto3 leaves the socket of a stream open that was not read to its end."""
ASYNCHRONOUS = pytest.mark.parametrize(
    "case", [case for case in CASES if case.asynchronous], ids=lambda case: case.name
)


def reply(case: Case, provider: ProviderServer, told: Told, **how: bool) -> None:
    """Answer the next request with a whole reply."""
    provider.reply(case.whole(told, **how), headers=case.headers)


def stream(case: Case, provider: ProviderServer, told: Told, gate_at: int = -1, **how: Any) -> threading.Event:
    """Answer the next request with a stream, held before `gate_at` until the gate opens."""
    gate = threading.Event()
    events = case.events(told, **how)
    provider.stream(events, done=case.done, gate=gate, gate_at=gate_at, framing=case.framing, headers=case.headers)
    return gate


def ask(case: Case, provider: ProviderServer, asynchronous: bool) -> Any:
    """A whole reply."""
    if not asynchronous:
        client = case.client(provider.port, False)
        try:
            return case.create(client, False)
        finally:
            client.close()

    async def together() -> Any:
        client = case.client(provider.port, True)
        try:
            return await case.create(client, False)
        finally:
            await closing(client)

    return asyncio.run(together())


def read(
    case: Case,
    provider: ProviderServer,
    asynchronous: bool,
    limit: int | None = None,
    each: Callable[[int], object] = lambda count: None,
) -> list[Any]:
    """The elements of a stream, all of them or the first ones; then the stream is dropped. `each` gets their count."""
    found: list[Any] = []

    def done(element: Any) -> bool:
        found.append(element)
        each(len(found))
        return len(found) == limit

    def collect() -> None:
        if limit is not None:
            gc.collect()  # a generator of the library may hold the stream in a cycle

    if not asynchronous:
        client = case.client(provider.port, False)
        try:
            found_stream = case.create(client, True)
            for element in found_stream:
                if done(element):
                    break
            del found_stream, element
            collect()
        finally:
            client.close()
        return found

    async def together() -> None:
        client = case.client(provider.port, True)
        try:
            found_stream = await case.create(client, True)
            async for element in found_stream:
                if done(element):
                    break
            del found_stream
            collect()
            while len(asyncio.all_tasks()) > 1:  # the loop closes what was dropped
                await asyncio.sleep(0.001)
        finally:
            await closing(client)

    asyncio.run(together())
    return found


async def closing(client: Any) -> None:
    """Close an asynchronous client."""
    close: Callable[[], Awaitable[None]] = getattr(client, "aclose", None) or client.close
    await close()


def counts(call: Any) -> dict[str, int | None]:
    """The counts of a call, in our words."""
    return {
        "input": call.get(names.INPUT_TOKENS),
        "cached": call.get(names.CACHE_READ_INPUT_TOKENS),
        "output": call.get(names.OUTPUT_TOKENS),
        "thinking": call.get(names.REASONING_OUTPUT_TOKENS),
    }


@EITHER
def test_a_whole_reply_is_counted(case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool) -> None:
    reply(case, provider, TOLD)
    ask(case, provider, asynchronous)
    call = captured.call
    assert counts(call) == {"input": 1200, "cached": 924, "output": 640, "thinking": 512}
    assert call[names.THINKING_SOURCE] == "provider"
    assert (call[names.PROVIDER_NAME], call[names.OPERATION_NAME]) == (case.provider, case.operation)
    assert call[names.RESPONSE_ID] == "reply-1"
    assert call[names.RESPONSE_FINISH_REASONS] == (case.finish,)
    assert call[names.REQUEST_REASONING_LEVEL].lower() == "high"
    assert "TokenCount" in call[names.USAGE_RAW] or "_tokens" in call[names.USAGE_RAW]
    assert not {names.ERROR_TYPE, names.REQUEST_STREAM, names.TIME_TO_FIRST_CHUNK} & call.keys()


@EITHER
def test_a_stream_is_counted_and_timed(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    gate = stream(case, provider, TOLD, case.answer_at)
    arrived: list[float] = []

    def each(count: int) -> None:
        arrived.append(time.perf_counter())
        if count == case.before_answer:
            gate.set()

    begun = time.perf_counter()
    read(case, provider, asynchronous, each=each)
    call = captured.call
    assert counts(call) == {"input": 1200, "cached": 924, "output": 640, "thinking": 512}
    assert call[names.THINKING_SOURCE] == "provider"
    assert call[names.RESPONSE_FINISH_REASONS] == (case.finish,)
    assert call[names.REQUEST_STREAM] is True
    assert 0 < call[names.TIME_TO_FIRST_CHUNK] < arrived[0] - begun
    # The answer was held back until the chunks before it had arrived.
    assert (
        call[names.TIME_TO_FIRST_CHUNK] + (arrived[case.before_answer - 1] - arrived[0])
        < (call[names.TIME_TO_FIRST_ANSWER])
    )
    assert call[names.TIME_TO_FIRST_ANSWER] < arrived[case.before_answer] - begun
    (span,) = captured.spans
    assert span.start_time is not None
    assert span.end_time is not None
    assert (span.end_time - span.start_time) / 1e9 >= call[names.TIME_TO_FIRST_ANSWER]
    assert names.ERROR_TYPE not in call


@EITHER
@LEFT_OPEN
def test_a_stream_that_the_caller_drops_ends_as_cut(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    gate = stream(case, provider, TOLD, case.answer_at + 1)
    read(case, provider, asynchronous, limit=case.before_answer)
    gate.set()
    call = captured.call
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)
    expected = {"input": 1200, "cached": 924}
    found = {name: count for name, count in counts(call).items() if count is not None}
    assert found == {name: count for name, count in expected.items() if name in case.known_early}
    assert call[names.THINKING_SOURCE] == "missing"
    assert names.ERROR_TYPE not in call


@EITHER
@LEFT_OPEN
def test_a_stream_that_breaks_off_is_an_error(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    events = case.events(TOLD)[: case.answer_at + 1]
    provider.stream(events, done=False, breaks=True, framing=case.framing, headers=case.headers)
    with pytest.raises(Exception) as raised:  # noqa: PT011 (each library has its own)
        read(case, provider, asynchronous)
    # Where the library puts an error of its own around one from below, we are in between.
    kind = type(raised.value.__cause__) if case.wraps_errors else raised.type
    del raised
    gc.collect()
    call = captured.call
    assert call[names.ERROR_TYPE] == kind.__qualname__
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)
    assert counts(call)["output"] is None


@ASYNCHRONOUS
def test_a_cancelled_stream_ends(case: Case, provider: ProviderServer, captured: Captured) -> None:
    gate = stream(case, provider, TOLD, case.answer_at + 1)

    async def together() -> None:
        client = case.client(provider.port, True)
        begun = asyncio.Event()

        async def consume() -> None:
            async for _ in await case.create(client, True):
                begun.set()

        task = asyncio.create_task(consume())
        await asyncio.wait([task, asyncio.ensure_future(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await closing(client)

    asyncio.run(together())
    call = captured.call
    assert call[names.ERROR_TYPE] == "CancelledError"
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)


@ASYNCHRONOUS
def test_a_cancelled_call_ends(case: Case, provider: ProviderServer, captured: Captured) -> None:
    gate = threading.Event()
    reply(case, provider, TOLD)
    provider.answers[0].gate, provider.answers[0].gate_at = gate, 0

    async def together() -> None:
        client = case.client(provider.port, True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(case.create(client, False), 0.05)
        gate.set()
        await closing(client)

    asyncio.run(together())
    assert captured.call[names.ERROR_TYPE] == "CancelledError"


@EITHER
def test_a_refused_call_names_its_error(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    provider.reply({"error": {"message": "no", "type": "bad", "code": 400, "status": "INVALID"}}, status=400)
    with pytest.raises(Exception) as raised:  # noqa: PT011 (each library has its own)
        ask(case, provider, asynchronous)
    call = captured.call
    assert call[names.ERROR_TYPE] == raised.type.__qualname__
    assert call[names.THINKING_SOURCE] == "missing"
    assert not any(counts(call).values())


@EACH
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_reply_without_usage_is_unknown_and_not_zero(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool
) -> None:
    if streamed:
        stream(case, provider, TOLD, usage=False)
        read(case, provider, asynchronous=False)
    else:
        reply(case, provider, TOLD, usage=False)
        ask(case, provider, asynchronous=False)
    assert counts(captured.call) == dict.fromkeys(("input", "cached", "output", "thinking"))
    assert captured.call[names.THINKING_SOURCE] == "missing"
    assert captured.call[names.RESPONSE_FINISH_REASONS] == (case.finish,)


@EACH
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("shown", [False, True], ids=["unshown", "shown"])
def test_thinking_that_is_not_told_is_unknown_unless_it_is_certainly_zero(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool, shown: bool
) -> None:
    told = Told(thinking=None)
    if streamed:
        stream(case, provider, told, shown=shown)
        read(case, provider, asynchronous=False)
    else:
        reply(case, provider, told, shown=shown)
        ask(case, provider, asynchronous=False)
    certain = None if shown else case.unshown
    assert captured.call.get(names.REASONING_OUTPUT_TOKENS) == certain
    assert captured.call[names.THINKING_SOURCE] == ("missing" if certain is None else "derived")
    assert captured.call[names.OUTPUT_TOKENS] == 640


@EACH
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_thinking_of_zero_is_zero(case: Case, provider: ProviderServer, captured: Captured, streamed: bool) -> None:
    told = Told(thinking=0, cached=None)
    if streamed:
        stream(case, provider, told, shown=False)
        read(case, provider, asynchronous=False)
    else:
        reply(case, provider, told, shown=False)
        ask(case, provider, asynchronous=False)
    assert captured.call[names.REASONING_OUTPUT_TOKENS] == 0
    assert captured.call[names.OUTPUT_TOKENS] == 640


@EACH
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_zero_is_not_believed_beside_thinking_that_is_shown(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool
) -> None:
    told = Told(thinking=0, cached=None)
    if streamed:
        stream(case, provider, told)
        read(case, provider, asynchronous=False)
    else:
        reply(case, provider, told)
        ask(case, provider, asynchronous=False)
    shown = (case.name, streamed) != ("openai responses", True)  # whose stream has nothing of it here
    assert captured.call.get(names.REASONING_OUTPUT_TOKENS) == (None if shown else 0)
    assert captured.call[names.THINKING_SOURCE] == ("missing" if shown else "provider")
    assert captured.call[names.OUTPUT_TOKENS] == 640
    assert thinkmeter.health().oddities == ({"thinking shown and counted as 0": 1} if shown else {})


def test_empty_lines_in_the_place_of_thinking_are_none(provider: ProviderServer, captured: Captured) -> None:
    case = next(case for case in CASES if case.name == "openai chat")
    body = case.whole(Told(thinking=0), shown=False)
    body["choices"][0]["message"]["reasoning_content"] = "\n\n"
    provider.reply(body)
    ask(case, provider, asynchronous=False)
    assert (captured.call[names.REASONING_OUTPUT_TOKENS], captured.call[names.THINKING_SOURCE]) == (0, "provider")


@EITHER
def test_the_caller_receives_what_it_would_have_received(
    case: Case, provider: ProviderServer, asynchronous: bool
) -> None:
    from thinkmeter.sdk.testing import capture

    def both(told: Told) -> tuple[Any, list[Any], list[Any]]:
        reply(case, provider, told)
        stream(case, provider, told)
        return ask(case, provider, asynchronous), read(case, provider, asynchronous), provider.bodies[-2:]

    # A provider that tells its thinking on request only does not tell it to the bare client, which asks for nothing.
    bare_reply, bare_stream, bare_bodies = both(replace(TOLD, thinking=None) if case.asks else TOLD)
    with capture() as captured:
        seen_reply, seen_stream, bodies = both(TOLD)
        assert len(captured.calls) == 2
    assert type(seen_reply) is type(bare_reply)
    assert dump(seen_reply) == dump(bare_reply)
    # The extra chunk is one that the bare call did not ask for.
    assert [dump(element) for element in seen_stream] == [dump(e) for e in bare_stream][
        : len(bare_stream) - case.hidden
    ]
    if not case.hidden and not case.asks:
        assert bodies == bare_bodies


def dump(element: Any) -> Any:
    """A model as data, without what differs from one HTTP response to the next."""
    data = dict(element) if isinstance(element, dict) else element.model_dump()
    data.pop("sdk_http_response", None)
    data.pop("ResponseMetadata", None)
    return data
