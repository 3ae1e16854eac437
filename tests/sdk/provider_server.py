"""A provider on the loopback: answers with scripted bodies, whole or in chunks, and can break off, hang or refuse."""

import base64
import binascii
import json
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Answer:
    """One answer: `chunks` are sent as they are, each in its own HTTP chunk.

    Attributes:
        gate: awaited before the chunk numbered `gate_at`.
        breaks: the connection is cut where the body should end.
    """

    chunks: Sequence[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None
    gate_at: int = -1
    breaks: bool = False


class ProviderServer:
    """Answers requests in order; `bodies` are the requests that came."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.closed_early = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                owner.bodies.append(json.loads(body))
                owner.paths.append(self.path)
                owner.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = owner.answers.popleft()
                self.send_response(answer.status)
                self.send_header("content-type", answer.content_type)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                try:
                    self._body(answer)
                except (BrokenPipeError, ConnectionResetError):
                    owner.closed_early.set()
                    self.close_connection = True

            def _body(self, answer: Answer) -> None:
                for number, chunk in enumerate(answer.chunks):
                    if answer.gate is not None and number == answer.gate_at:
                        answer.gate.wait(30)
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                if answer.breaks:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up early is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, body: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer the next request with a JSON document."""
        self.answers.append(Answer([json.dumps(body).encode()], status, headers=headers or {}))

    def stream(
        self,
        events: Sequence[object],
        *,
        done: bool = True,
        breaks: bool = False,
        gate: threading.Event | None = None,
        gate_at: int = -1,
        framing: "Framing | None" = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer the next request with the events of a stream, `SSE` by default."""
        framing = framing or SSE
        chunks = [framing.frame(event) for event in events] + ([b"data: [DONE]\n\n"] if done else [])
        self.answers.append(Answer(chunks, 200, framing.content_type, headers or {}, gate, gate_at, breaks))


def sse(event: object) -> bytes:
    """A server-sent event, named by its `type` where it has one."""
    kind = event.get("type") if isinstance(event, dict) else None
    name = f"event: {kind}\n".encode() if kind else b""
    return name + b"data: " + json.dumps(event).encode() + b"\n\n"


def amazon_event(event: object) -> bytes:
    """An event of Amazon's binary streams: its name in a header, its members in JSON."""
    assert isinstance(event, dict)
    ((name, members),) = event.items()
    if name == "chunk":  # a document in an envelope
        members = {"bytes": base64.b64encode(json.dumps(members).encode()).decode()}
    words = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    if name.endswith("Exception"):
        words = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    headers = b"".join(
        struct.pack("!B", len(word)) + word.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for word, value in words.items()
    )
    payload = json.dumps(members).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", binascii.crc32(message))


@dataclass(frozen=True)
class Framing:
    """How the events of a stream are put on the wire."""

    content_type: str
    frame: Callable[[object], bytes]


SSE = Framing("text/event-stream", sse)
AMAZON = Framing("application/vnd.amazon.eventstream", amazon_event)
