"""A stand-in for the providers: a loopback server that answers each request as its header asks, in their formats."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Final, Self

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from thinkmeter.demo import anthropic_wire, gemini_wire, openai_wire
from thinkmeter.demo.answer import Answer, answer_asked_for

RETRY_AFTER_MS: Final = 5
GRACE_S: Final = 2


class StandIn:
    """A server on a free loopback port, in a thread of its own; a context manager.

    Attributes:
        url: where it answers, without a path.
        time_scale: seconds that pass for one second of a planned answer.
    """

    def __init__(self, time_scale: float = 0.02) -> None:
        """Bind a port; requests wait until the server runs."""
        self.time_scale = time_scale
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._refused: Counter[str] = Counter()
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/responses", self._responses, methods=["POST"]),
            Route("/v1/messages", self._messages, methods=["POST"]),
            Route("/{version}/models/{call:path}", self._gemini, methods=["POST"]),
        ]
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                log_level="warning",
                lifespan="off",
                access_log=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._thread = threading.Thread(target=self._run, name="demo stand-in", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; answers on their way have two seconds."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _chat(self, request: Request) -> Response:
        answer, asked = await _read(request)
        if refused := self._refusal(answer, 503):
            return _refused(refused, openai_wire.refusal(refused))
        if asked.get("stream"):
            return self._streamed(answer, openai_wire.chat_events(answer, asked))
        return await self._whole(answer, openai_wire.chat_body(answer, asked))

    async def _responses(self, request: Request) -> Response:
        answer, asked = await _read(request)
        if refused := self._refusal(answer, 503):
            return _refused(refused, openai_wire.refusal(refused))
        if asked.get("stream"):
            return self._streamed(answer, openai_wire.responses_events(answer, asked))
        return await self._whole(answer, openai_wire.responses_body(answer, asked))

    async def _messages(self, request: Request) -> Response:
        answer, asked = await _read(request)
        if refused := self._refusal(answer, 529):
            return _refused(refused, anthropic_wire.refusal(refused))
        if asked.get("stream"):
            return self._streamed(answer, anthropic_wire.message_events(answer, asked))
        return await self._whole(answer, anthropic_wire.message_body(answer, asked))

    async def _gemini(self, request: Request) -> Response:
        model, _, method = str(request.path_params["call"]).rpartition(":")
        answer, asked = await _read(request)
        if refused := self._refusal(answer, 503):
            return _refused(refused, gemini_wire.refusal(refused))
        if method == "streamGenerateContent":
            return self._streamed(answer, gemini_wire.content_events(answer, model, asked))
        return await self._whole(answer, gemini_wire.content_body(answer, model, asked))

    def _refusal(self, answer: Answer, overloaded: int) -> int | None:
        """The status to refuse with, None where the answer is due."""
        if answer.error:
            return overloaded
        if self._refused[answer.response_id] < answer.refusals:
            self._refused[answer.response_id] += 1
            return 429
        self._refused.pop(answer.response_id, None)
        return None

    async def _whole(self, answer: Answer, body: dict[str, Any]) -> Response:
        await asyncio.sleep(answer.duration_s * self.time_scale)
        return JSONResponse(body)

    def _streamed(self, answer: Answer, events: Iterator[tuple[float, bytes]]) -> Response:
        async def in_time() -> AsyncIterator[bytes]:
            passed = 0.0
            for due, event in events:
                if due > passed:
                    await asyncio.sleep((due - passed) * answer.duration_s * self.time_scale)
                    passed = due
                yield event

        return StreamingResponse(in_time(), media_type="text/event-stream")


async def _read(request: Request) -> tuple[Answer, dict[str, Any]]:
    body = await request.body()
    return answer_asked_for(request.headers, body), orjson.loads(body)


def _refused(status: int, body: dict[str, Any]) -> Response:
    # what cannot be mended by trying again says so, in the header that the clients of both providers heed
    retry = {"retry-after-ms": str(RETRY_AFTER_MS)} if status == 429 else {"x-should-retry": "false"}
    return JSONResponse(body, status_code=status, headers=retry)
