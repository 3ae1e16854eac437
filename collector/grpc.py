"""OTLP/gRPC: the same door, on a thread of its own."""

import asyncio
import math
import threading
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from thinkmeter.collector.door import PROTOBUF, Door
from thinkmeter.collector.export import EXPORTS, Export
from thinkmeter.collector.refusal import STATUS, Deferred, Refused
from thinkmeter.collector.settings import CollectorSettings, Scope
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.collector.tls import grpc_credentials
from thinkmeter.schema.errors import ThinkmeterError

STOP_TIMEOUT_S = 5
START_TIMEOUT_S = 30


class GrpcServer:
    """A running gRPC server.

    Attributes:
        port: where it listens.
    """

    def __init__(self, door: Door, settings: CollectorSettings, telemetry: Telemetry, workers: Executor) -> None:
        """Open the port and serve.

        Raises:
            ThinkmeterError: the port cannot be opened, or a TLS file cannot be used.
        """
        self._door = door
        self._settings = settings
        self._telemetry = telemetry
        self._workers = workers
        self._credentials = grpc_credentials(settings)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="grpc", daemon=True)
        self._thread.start()
        self.port: int = started.result(START_TIMEOUT_S)

    def stop(self) -> None:
        """Answer what is underway, within a few seconds, and close the port."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self, started: "Future[int]") -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(started))

    async def _serve(self, started: "Future[int]") -> None:
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._settings.max_decompressed_bytes),
                ("grpc.so_reuseport", 0),  # a port that another process has is an error
            ]
        )
        server.add_generic_rpc_handlers([self._handler(export) for export in EXPORTS])
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        try:
            address = f"{host}:{self._settings.grpc_port}"
            if self._credentials is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._credentials)
        except RuntimeError:
            started.set_exception(self._unopened())
            return
        await server.start()
        started.set_result(port)
        await self._stopping.wait()
        await server.stop(STOP_TIMEOUT_S)

    def _unopened(self) -> ThinkmeterError:
        return ThinkmeterError(
            f"port {self._settings.grpc_port} for OTLP/gRPC cannot be opened on {self._settings.host}; "
            "choose another with --otlp-grpc-port"
        )

    def _handler(self, export: Export) -> Any:
        # Bytes in and out: the door reads them, whatever protocol they came by.
        method = grpc.unary_unary_rpc_method_handler(partial(self._export, export))
        return grpc.method_handlers_generic_handler(export.service, {"Export": method})

    async def _export(self, export: Export, body: bytes, context: Any) -> bytes:
        self._telemetry.requests.labels(export.name, "grpc").inc()
        headers = dict(context.invocation_metadata() or ())
        try:
            project = self._door.admit(
                export.name, headers.get("authorization"), headers.get("x-api-key"), Scope.INGEST
            )
            with self._door.room() as room:
                with self._door.counting(export.name):
                    room.take(len(body))
                accept = partial(self._door.accept, export, body, PROTOBUF, "", project, room)
                receipt = await asyncio.get_running_loop().run_in_executor(self._workers, accept)
                if receipt.stored is not None:
                    await asyncio.wrap_future(receipt.stored)
        except (Refused, Deferred) as refusal:
            await _refuse(context, refusal)
            raise  # never reached: to abort is to raise
        return export.reply(receipt.rejected).SerializeToString()


async def _refuse(context: Any, refusal: Refused | Deferred) -> None:
    _, code = STATUS[refusal.reason]
    status = Status(code=Code.Value(code), message=str(refusal))
    if isinstance(refusal, Deferred):
        retry = RetryInfo(retry_delay=Duration(seconds=math.ceil(refusal.retry_after_s)))
        detail = AnyMessage()
        detail.Pack(retry)
        status.details.append(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(grpc.StatusCode[code], str(refusal))
