"""OTLP/HTTP, labels, health and counters, on a thread of their own."""

import asyncio
import datetime as dt
import math
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

import orjson
import uvicorn
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from thinkmeter.collector.compression import decompress
from thinkmeter.collector.connection import Connection
from thinkmeter.collector.door import JSON, PROTOBUF, Door, Receipt, Room, media_type
from thinkmeter.collector.export import EXPORTS, LOGS, Export
from thinkmeter.collector.health import Health
from thinkmeter.collector.labels import CSV, BadRow, labels_request, read_labels
from thinkmeter.collector.quota import KINDS, Quotas
from thinkmeter.collector.refusal import STATUS, Deferred, Reason, Refused
from thinkmeter.collector.settings import CollectorSettings, Scope
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.collector.tls import http_options
from thinkmeter.schema.errors import ThinkmeterError

LABELS = "labels"
QUOTA = "quota"
STOP_TIMEOUT_S = 5

T = TypeVar("T")


class HttpServer:
    """A running HTTP server.

    Attributes:
        port: where it listens.
    """

    def __init__(
        self,
        door: Door,
        settings: CollectorSettings,
        telemetry: Telemetry,
        health: Callable[[], Health],
        quotas: Quotas,
        workers: Executor,
    ) -> None:
        """Open the port and serve.

        Raises:
            ThinkmeterError: the port cannot be opened, or a TLS file cannot be used.
        """
        self._door = door
        self._settings = settings
        self._telemetry = telemetry
        self._health = health
        self._quotas = quotas
        self._workers = workers
        tls = http_options(settings)
        listening = _listen(settings.host, settings.http_port)
        self.port: int = listening.getsockname()[1]
        routes = [
            Route(f"/v1/{export.name}", partial(self._export, export), methods=["POST"]) for export in EXPORTS
        ] + [
            Route("/v1/labels", self._labels, methods=["POST"]),
            Route("/v1/quota", self._quota, methods=["POST"]),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                loop="uvloop",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=65,  # longer than the pause between the exports of a sender
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
                **tls,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer what is underway, within a few seconds, and close the port."""
        self._server.should_exit = True
        self._thread.join()

    async def _export(self, export: Export, request: Request) -> Response:
        media = JSON
        try:
            project = self._admit(request, export.name, Scope.INGEST)
            with self._door.room() as room:
                with self._door.counting(export.name):
                    media = media_type(request.headers.get("content-type", ""))
                    body = await self._body(request, room)
                encoding = request.headers.get("content-encoding", "")
                receipt = await self._accept(export, body, media, encoding, project, room)
        except (Refused, Deferred) as refusal:
            return _refusal(refusal, media)
        return _message(export.reply(receipt.rejected), media)

    async def _labels(self, request: Request) -> Response:
        try:
            project = self._admit(request, LABELS, Scope.LABEL)
            with self._door.room() as room:
                with self._door.counting(LABELS):
                    body = await self._body(request, room)
                    read = partial(_read_labels, request, body, self._settings.max_decompressed_bytes)
                    export, count, bad = await self._in_worker(read)
                self._telemetry.rejected.labels(LABELS, Reason.INVALID_ROW).inc(len(bad))
                await self._accept(LOGS, export, PROTOBUF, "", project, room)
        except (Refused, Deferred) as refusal:
            return _refusal(refusal, JSON)
        told = {"accepted": count, "rejected": [{"line": row.line, "reason": row.reason} for row in bad]}
        return Response(orjson.dumps(told), 400 if bad and not count else 200, media_type=JSON)

    async def _quota(self, request: Request) -> Response:
        try:
            project = self._admit(request, QUOTA, Scope.READ, Scope.INGEST)
            with self._door.room() as room, self._door.counting(QUOTA):
                owners = _read_owners(await self._body(request, room))
        except (Refused, Deferred) as refusal:
            return _refusal(refusal, JSON)
        standing = self._quotas.standing(project, owners, dt.datetime.now(dt.UTC))
        return Response(orjson.dumps(standing.told()), media_type=JSON)

    async def _healthz(self, request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def _readyz(self, request: Request) -> Response:
        health = await self._in_worker(self._health)
        told = {
            "ready": health.ready,
            "problems": health.problems,
            "lag_s": round(health.lag_s, 3),
            "waiting_bytes": health.waiting_bytes,
        }
        return Response(orjson.dumps(told), 200 if health.ready else 503, media_type=JSON)

    async def _metrics(self, request: Request) -> Response:
        return Response(self._telemetry.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _admit(self, request: Request, name: str, *scopes: Scope) -> str:
        self._telemetry.requests.labels(name, "http").inc()
        headers = request.headers
        return self._door.admit(name, headers.get("authorization"), headers.get("x-api-key"), *scopes)

    async def _body(self, request: Request, room: Room) -> bytes:
        limit = self._settings.max_body_bytes
        declared = request.headers.get("content-length", "0")
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                if int(declared) <= limit:
                    async for chunk in request.stream():
                        room.take(len(chunk))
                        chunks.append(chunk)
                        if room.held > limit:
                            break
        except TimeoutError:
            raise Deferred(Reason.SLOW, f"the body did not come within {self._settings.body_timeout_s:g} s") from None
        except ClientDisconnect:
            raise Refused(Reason.MALFORMED, "the body ended early") from None
        if max(int(declared), room.held) > limit:
            raise Refused(Reason.TOO_LARGE, f"the request is larger than {limit} bytes; send it in smaller batches")
        return b"".join(chunks)

    async def _accept(
        self, export: Export, body: bytes, media: str, encoding: str, project: str, room: Room
    ) -> Receipt:
        receipt = await self._in_worker(partial(self._door.accept, export, body, media, encoding, project, room))
        if receipt.stored is not None:
            await asyncio.wrap_future(receipt.stored)
        return receipt

    async def _in_worker(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)


def _read_labels(request: Request, body: bytes, limit_bytes: int) -> tuple[bytes, int, list[BadRow]]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in (JSON, CSV):
        raise Refused(Reason.UNSUPPORTED_TYPE, f"Content-Type {media!r} is neither {JSON} nor {CSV}")
    labels, bad = read_labels(decompress(body, request.headers.get("content-encoding", ""), limit_bytes), media)
    return labels_request(labels, dt.datetime.now(dt.UTC)).SerializeToString(), len(labels), bad


def _read_owners(body: bytes) -> dict[str, str]:
    """Who is asked about: `{"user": ..., "session": ...}`, one of them or both."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.MALFORMED, f"the body is not JSON: {error}") from None
    named = {kind: asked.get(kind) for kind in KINDS} if isinstance(asked, dict) else {}
    owners = {kind: name for kind, name in named.items() if isinstance(name, str) and name}
    if not owners or any(name is not None and kind not in owners for kind, name in named.items()):
        raise Refused(
            Reason.MALFORMED, 'the body is not of the form {"user": "...", "session": "..."}, with one or both'
        )
    return owners


def _message(message: Message, media: str, status: int = 200) -> Response:
    body = MessageToJson(message, indent=None) if media == JSON else message.SerializeToString()
    return Response(body, status, media_type=media)


def _refusal(refusal: Refused | Deferred, media: str) -> Response:
    status, code = STATUS[refusal.reason]
    response = _message(Status(code=Code.Value(code), message=str(refusal)), media, status)
    if isinstance(refusal, Deferred):
        response.headers["Retry-After"] = str(math.ceil(refusal.retry_after_s))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ThinkmeterError(
            f"port {port} for OTLP/HTTP cannot be opened on {host}: {error.strerror}; "
            "choose another with --otlp-http-port"
        ) from None
