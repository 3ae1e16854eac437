"""Bodies that are nearly right, and senders that send many of them."""

import gzip
import random
import socket
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
import zstandard

from tests.collector.otlp import RECEIVED, logs, record, span_of, traces
from tests.collector.test_otlp import otlp_json
from tests.collector.traffic import points, spans
from thinkmeter.collector.export import EXPORTS, LOGS, METRICS, TRACES, Export
from thinkmeter.schema import attributes as a

PROTOBUF, JSON = "application/x-protobuf", "application/json"
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}
FIRST = 0x0A5C3A695C00
"""Numbers of the spans that are mutated begin here, several bytes from those of valid ones: a byte of a compressed body
may stand for many, so that changing one makes another trace, of other spans."""
ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff" * 9 + b"\x01",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x0b",
    b"{",
    b'"',
)


class Body(NamedTuple):
    """A request to be sent."""

    export: Export
    content_type: str
    encoding: str
    data: bytes


def bodies(chance: random.Random) -> Iterator[Body]:
    """Without end: requests of every export, type and encoding, each changed in a few places."""
    said = {a.OPERATION_NAME: "chat", a.REQUEST_MODEL: "m", a.INPUT_TOKENS: 10, "list": ["a", [1, {"k": b"v"}]]}
    events = [(a.EVALUATION_EVENT, {a.EVALUATION_NAME: "orm", a.EVALUATION_SCORE_VALUE: 0.5})]
    whole = [
        (TRACES, PROTOBUF, spans(range(FIRST, FIRST + 3)).SerializeToString()),
        (TRACES, PROTOBUF, traces([span_of(said, FIRST + n, events) for n in (5, 6)])),
        (TRACES, JSON, otlp_json(spans(range(FIRST, FIRST + 3)))),
        (LOGS, PROTOBUF, logs([record(said, event=a.EVALUATION_EVENT, body=[{"k": 1}], number=RECEIVED % 97)])),
        (METRICS, PROTOBUF, points(3).SerializeToString()),
    ]
    while True:
        export, content_type, data = chance.choice(whole)
        encoding = chance.choice(("", "", "", *ENCODERS))
        if chance.random() < 0.8:
            data = ENCODERS[encoding](mutated(chance, data))
        else:
            data = mutated(chance, ENCODERS[encoding](data))
        yield Body(chance.choice((export, export, export, *EXPORTS)), content_type, encoding, data)


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        place = chance.randrange(len(made) + 1)
        end = min(len(made), place + chance.choice((1, 1, 2, 4, 16)))
        match chance.randrange(6):
            case 0 if place < len(made):
                made[place] ^= 1 << chance.randrange(8)
            case 1:
                made[place:end] = chance.randbytes(end - place)
            case 2:
                del made[place:end]
            case 3:
                made[place:place] = chance.choice(ODD_BYTES)
            case 4:
                made[place:place] = made[place:end] * chance.choice((1, 2, 50))
            case _ if chance.random() < 0.2:
                del made[place:]
    return bytes(made)


class HttpSender:
    """Sends many requests ahead on one connection, and opens another where it is closed."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._socket = socket.create_connection(self._address, timeout=60)
        self._received = b""

    def send(self, batch: list[Body]) -> Counter[int]:
        """Statuses of the answers, of which there is one for each."""
        self._socket.sendall(b"".join(map(_request, batch)))
        return Counter(self._status() for _ in batch)

    def close(self) -> None:
        self._socket.close()

    def _status(self) -> int:
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        (length,) = (int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        while len(self._received) < length:
            self._more()
        self._received = self._received[length:]
        return int(lines[0].split(b" ")[1])

    def _more(self) -> None:
        piece = self._socket.recv(65536)
        assert piece, "the connection was closed before the answer"
        self._received += piece


class GrpcSender:
    """Sends many requests at once over one channel."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._calls = {export: self._channel.unary_unary(f"/{export.service}/Export") for export in EXPORTS}

    def send(self, batch: list[Body]) -> Counter[str]:
        """Codes of the answers."""
        return Counter(_code(future) for future in [self._calls[b.export].future(b.data, timeout=60) for b in batch])

    def close(self) -> None:
        self._channel.close()


def _code(future: Any) -> str:
    failure = future.exception()
    return "OK" if failure is None else str(failure.code().name)


def _request(body: Body) -> bytes:
    lines = [
        f"POST /v1/{body.export.name} HTTP/1.1",
        "Host: x",
        f"Content-Type: {body.content_type}",
        f"Content-Length: {len(body.data)}",
        *([f"Content-Encoding: {body.encoding}"] if body.encoding else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body.data
