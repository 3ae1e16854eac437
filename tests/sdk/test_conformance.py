"""What holds for every provider: whole and streamed, broken off and refused, told and untold."""

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.sdk.cases import CASES, Case, Told
from tests.sdk.provider_server import ProviderServer
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.testing import Captured

TOLD = Told()


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Each provider's API."""
    found: Case = request.param
    return found


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    """Both kinds of client."""
    found: bool = request.param
    return found


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
            stream = case.create(client, True)
            for element in stream:
                if done(element):
                    break
            del stream, element
            collect()
        finally:
            client.close()
        return found

    async def together() -> None:
        client = case.client(provider.port, True)
        try:
            stream = await case.create(client, True)
            async for element in stream:
                if done(element):
                    break
            del stream
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


def test_a_whole_reply_is_counted(case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool) -> None:
    provider.reply(case.whole(TOLD))
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


def test_a_stream_is_counted_and_timed(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    gate = threading.Event()
    provider.stream(case.events(TOLD), done=case.done, gate=gate, gate_at=case.answer_at)
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


def test_a_stream_that_the_caller_drops_ends_as_cut(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    gate = threading.Event()
    provider.stream(case.events(TOLD), done=case.done, gate=gate, gate_at=case.answer_at + 1)
    read(case, provider, asynchronous, limit=case.before_answer)
    gate.set()
    call = captured.call
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)
    expected = {"input": 1200, "cached": 924}
    found = {name: count for name, count in counts(call).items() if count is not None}
    assert found == {name: count for name, count in expected.items() if name in case.known_early}
    assert call[names.THINKING_SOURCE] == "missing"
    assert names.ERROR_TYPE not in call


def test_a_stream_that_breaks_off_is_an_error(
    case: Case, provider: ProviderServer, captured: Captured, asynchronous: bool
) -> None:
    provider.stream(case.events(TOLD)[: case.answer_at + 1], done=False, breaks=True)
    with pytest.raises(Exception) as raised:  # noqa: PT011 (each library has its own)
        read(case, provider, asynchronous)
    call = captured.call
    assert call[names.ERROR_TYPE] == raised.type.__qualname__
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)
    assert counts(call)["output"] is None


def test_a_cancelled_stream_ends(case: Case, provider: ProviderServer, captured: Captured) -> None:
    gate = threading.Event()
    provider.stream(case.events(TOLD), done=case.done, gate=gate, gate_at=case.answer_at + 1)

    async def together() -> None:
        client = case.client(provider.port, True)
        begun = asyncio.Event()

        async def consume() -> None:
            async for _ in await case.create(client, True):
                begun.set()

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await closing(client)

    asyncio.run(together())
    call = captured.call
    assert call[names.ERROR_TYPE] == "CancelledError"
    assert call[names.RESPONSE_FINISH_REASONS] == ("error",)


def test_a_cancelled_call_ends(case: Case, provider: ProviderServer, captured: Captured) -> None:
    gate = threading.Event()
    provider.reply(case.whole(TOLD))
    provider.answers[0].gate, provider.answers[0].gate_at = gate, 0

    async def together() -> None:
        client = case.client(provider.port, True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(case.create(client, False), 0.05)
        gate.set()
        await closing(client)

    asyncio.run(together())
    assert captured.call[names.ERROR_TYPE] == "CancelledError"


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


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_reply_without_usage_is_unknown_and_not_zero(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool
) -> None:
    if streamed:
        provider.stream(case.events(TOLD, usage=False), done=case.done)
        read(case, provider, asynchronous=False)
    else:
        provider.reply(case.whole(TOLD, usage=False))
        ask(case, provider, asynchronous=False)
    assert counts(captured.call) == dict.fromkeys(("input", "cached", "output", "thinking"))
    assert captured.call[names.THINKING_SOURCE] == "missing"
    assert captured.call[names.RESPONSE_FINISH_REASONS] == (case.finish,)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("shown", [False, True], ids=["unshown", "shown"])
def test_thinking_that_is_not_told_is_unknown_unless_it_is_certainly_zero(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool, shown: bool
) -> None:
    told = Told(thinking=None)
    if streamed:
        provider.stream(case.events(told, shown=shown), done=case.done)
        read(case, provider, asynchronous=False)
    else:
        provider.reply(case.whole(told, shown=shown))
        ask(case, provider, asynchronous=False)
    certain = case.unshown if not shown else (0 if case.provider == "gcp.gemini" else None)
    assert captured.call.get(names.REASONING_OUTPUT_TOKENS) == certain
    assert captured.call[names.THINKING_SOURCE] == ("missing" if certain is None else "derived")
    assert captured.call[names.OUTPUT_TOKENS] == 640


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_thinking_of_zero_is_zero(case: Case, provider: ProviderServer, captured: Captured, streamed: bool) -> None:
    told = Told(thinking=0, cached=None)
    if streamed:
        provider.stream(case.events(told, shown=False), done=case.done)
        read(case, provider, asynchronous=False)
    else:
        provider.reply(case.whole(told, shown=False))
        ask(case, provider, asynchronous=False)
    assert captured.call[names.REASONING_OUTPUT_TOKENS] == 0
    assert captured.call[names.OUTPUT_TOKENS] == 640


def test_the_caller_receives_what_it_would_have_received(
    case: Case, provider: ProviderServer, asynchronous: bool
) -> None:
    from thinkmeter.sdk.testing import capture

    def both() -> tuple[Any, list[Any], list[Any]]:
        provider.reply(case.whole(TOLD))
        provider.stream(case.events(TOLD), done=case.done)
        return ask(case, provider, asynchronous), read(case, provider, asynchronous), provider.bodies[-2:]

    bare_reply, bare_stream, bare_bodies = both()
    with capture() as captured:
        reply, stream, bodies = both()
        assert len(captured.calls) == 2
    hidden = 1 if case.name == "openai chat" else 0  # the extra chunk, which the bare call did not ask for
    assert type(reply) is type(bare_reply)
    assert dump(reply) == dump(bare_reply)
    assert [dump(element) for element in stream] == [dump(e) for e in bare_stream][: len(bare_stream) - hidden]
    if not hidden:
        assert bodies == bare_bodies


def dump(element: Any) -> Any:
    """A model as data, without what differs from one HTTP response to the next."""
    data = element.model_dump()
    data.pop("sdk_http_response", None)
    return data
