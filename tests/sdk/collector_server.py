"""A collector on the loopback: keeps the OTLP bodies that it takes, and answers as the test scripts it."""

import gzip
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Answer:
    """How one request is answered; the default takes it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_for: threading.Event | None = None


class CollectorServer:
    """Takes traces and logs; `answers` are given first, in order, then every request is taken."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.bodies: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.requests = 0
        self._changed = threading.Condition()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                answer = owner._receive(self.path, body, {n.lower(): v for n, v in self.headers.items()})
                if answer.wait_for is not None:
                    answer.wait_for.wait(30)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up early is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _receive(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        with self._changed:
            self.requests += 1
            self.headers.append(headers)
            answer = self.answers.popleft() if self.answers else Answer()
            if answer.status == 200:
                self.bodies.append((path, body))
            self._changed.notify_all()
            return answer

    def wait_for_requests(self, count: int, timeout_s: float = 10) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= count, timeout_s), f"{self.requests} of {count}"

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/traces"]
        return [s for r in requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]

    @property
    def resources(self) -> list[dict[str, Any]]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/traces"]
        return [attributes_of(rs.resource.attributes) for r in requests for rs in r.resource_spans]

    @property
    def events(self) -> list[dict[str, Any]]:
        requests = [ExportLogsServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/logs"]
        records = [lr for r in requests for rl in r.resource_logs for sl in rl.scope_logs for lr in sl.log_records]
        return [{"event_name": record.event_name, **attributes_of(record.attributes)} for record in records]


def attributes_of(attributes: Any) -> dict[str, Any]:
    """OTLP attributes as a dictionary."""
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
