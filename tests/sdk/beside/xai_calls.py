"""Calls through xai-sdk to a gRPC server in this process, and what is recorded of each, a JSON line a call.

Run as `python -m tests.sdk.beside.xai_calls [PAGE]`, where xai-sdk is installed. The application has a tracer provider
of its own, to which xai-sdk would send spans too. With a page of the documentation, its example is run instead.
"""

import asyncio
import datetime
import json
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import thinkmeter

STOP = 3
"""`REASON_STOP`."""


def server() -> tuple[Any, int]:
    """A provider that says 42; a model called `broken` is refused."""
    from xai_sdk.proto import chat_pb2, chat_pb2_grpc, deferred_pb2, usage_pb2

    def usage(thinking: int = 512) -> Any:
        counts = {"prompt_tokens": 1200, "completion_tokens": 128, "reasoning_tokens": thinking}
        total = 1328 + thinking
        return usage_pb2.SamplingUsage(
            **counts, total_tokens=total, cached_prompt_text_tokens=924, cost_in_usd_ticks=12_500_000
        )

    def head(request: Any) -> dict[str, Any]:
        return {"id": "reply-1", "model": f"{request.model}-0709"}

    def thinking(request: Any) -> int:
        return 0 if request.model == "grok-plain" else 512

    def whole(request: Any) -> Any:
        outputs = [
            chat_pb2.CompletionOutput(
                index=index,
                finish_reason=STOP,
                message=chat_pb2.CompletionMessage(
                    role=chat_pb2.MessageRole.ROLE_ASSISTANT,
                    content='{"answer": 42}',
                    reasoning_content="Wait. So 42." if thinking(request) else "",
                ),
            )
            for index in range(request.n)
        ]
        return chat_pb2.GetChatCompletionResponse(**head(request), outputs=outputs, usage=usage(thinking(request)))

    class Servicer(chat_pb2_grpc.ChatServicer):  # type: ignore[misc]
        def GetCompletion(self, request: Any, context: Any) -> Any:
            if request.model == "broken":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such model")
            return whole(request)

        def GetCompletionChunk(self, request: Any, context: Any) -> Iterator[Any]:
            said = [{"reasoning_content": "Wait. So 42."}, {"content": "4"}, {"content": "2"}]
            for number, delta in enumerate(said):
                output = chat_pb2.CompletionOutputChunk(
                    index=0, delta=chat_pb2.Delta(**delta), finish_reason=STOP if number == 2 else 0
                )
                last = usage(thinking(request)) if number == 2 else usage_pb2.SamplingUsage(prompt_tokens=1200)
                yield chat_pb2.GetChatCompletionChunk(**head(request), outputs=[output], usage=last)

        def StartDeferredCompletion(self, request: Any, context: Any) -> Any:
            self.deferred = request
            return deferred_pb2.StartDeferredResponse(request_id="r")

        def GetDeferredCompletion(self, request: Any, context: Any) -> Any:
            return chat_pb2.GetDeferredCompletionResponse(
                status=deferred_pb2.DeferredStatus.DONE, response=whole(self.deferred)
            )

        def CompactContext(self, request: Any, context: Any) -> Any:
            return chat_pb2.CompactContextResponse(id="reply-1", encrypted_content="e", usage=usage())

    running = grpc.server(ThreadPoolExecutor(2))
    chat_pb2_grpc.add_ChatServicer_to_server(Servicer(), running)
    port: int = running.add_insecure_port("127.0.0.1:0")
    running.start()
    return running, port


def main() -> None:
    """Make the calls."""
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    thinkmeter.instrument()

    import pydantic
    import xai_sdk
    from xai_sdk.chat import user

    class Answer(pydantic.BaseModel):
        answer: int

    class Word(pydantic.BaseModel):
        word: str

    running, port = server()
    reach: dict[str, Any] = {"api_key": "k", "api_host": f"127.0.0.1:{port}", "use_insecure_channel": True}
    question = {"messages": [user("6 x 7?")], "reasoning_effort": "high", "max_tokens": 4096}

    if len(sys.argv) > 1:
        (code,) = re.findall(r"```python\n(.*?)```", Path(sys.argv[1]).read_text(), re.DOTALL)
        exec(code.replace("xai_sdk.Client()", f"xai_sdk.Client(**{reach})"), {})
        running.stop(None)
        print(json.dumps([{**(span.attributes or {})} for span in spans.get_finished_spans()]))
        return

    def told(name: str, call: Callable[[], Any]) -> None:
        spans.clear()
        try:
            got = type(call()).__name__
        except Exception as error:  # noqa: BLE001 (gRPC's errors are private classes)
            got = type(error).__name__
        calls = [{**(span.attributes or {})} for span in spans.get_finished_spans()]
        faults = thinkmeter.health().faults
        print(json.dumps({"name": name, "spans": calls, "got": got, "faults": faults}), flush=True)

    def chat(model: str = "grok-4") -> Any:
        return client.chat.create(model=model, **question)

    poll = datetime.timedelta(milliseconds=1)
    with xai_sdk.Client(**reach) as client:
        told("sample", lambda: chat().sample())
        told("stream", lambda: list(chat().stream()))
        told("parse", lambda: chat().parse(Answer))
        told("parse that fails", lambda: chat().parse(Word))
        told("defer", lambda: chat().defer(interval=poll))
        told("compact", lambda: chat().compact())
        told("no thinking", lambda: chat("grok-plain").sample())
        told("left early", partial(left, chat))
        told("refused", lambda: chat("broken").sample())

    async def asynchronous(method: str, *arguments: Any) -> Any:
        async with xai_sdk.AsyncClient(**reach) as client:
            found = getattr(client.chat.create(model="grok-4", **question), method)(*arguments)
            return [pair async for pair in found] if method == "stream" else await found

    for method, arguments in (("sample", ()), ("stream", ()), ("parse", (Answer,))):
        told(f"async {method}", lambda m=method, a=arguments: asyncio.run(asynchronous(m, *a)))  # type: ignore[misc]
    thinkmeter.uninstrument()
    thinkmeter.instrument(capture_content=True, capture_thinking=True)
    with xai_sdk.Client(**reach) as client:
        from xai_sdk.chat import image, system, tool_result

        def conversation() -> Any:
            spoken = chat()
            spoken.append(system("Be brief, sk-abcdefghijklmnopqrstuvwxyz123456."))
            spoken.append(user("and this?", image("https://example.invalid/i.png")))
            spoken.append(tool_result("weather: fine", "call-1"))
            return spoken

        told("content", lambda: conversation().sample())
        told("content streamed", lambda: list(conversation().stream()))
        told("content of a batch", lambda: chat().sample_batch(2))
        told("content compacted", lambda: conversation().compact())
    thinkmeter.uninstrument()
    with xai_sdk.Client(**reach) as client:
        told("uninstrumented", lambda: chat().sample())
    running.stop(None)


def left(chat: Callable[[], Any]) -> None:
    """A stream of which the first chunk is read."""
    stream = chat().stream()
    next(stream)
    stream.close()


if __name__ == "__main__":
    main()
