"""Connections as senders really use them: kept, filled ahead, trickled, half closed, cut."""

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.collector.traffic import spans
from tests.waiting import wait_for
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.client import StoreAddress

NOWHERE = StoreAddress("127.0.0.1", 1)
TIMEOUT_S = 20


@pytest.fixture
def detached(tmp_path: Path, settings: CollectorSettings) -> Iterator[Collector]:
    with Collector(NOWHERE, tmp_path, settings.model_copy(update={"drain_s": 0, "body_timeout_s": 1.0})) as running:
        yield running


def request(number: int, *headers: str) -> bytes:
    body = spans([number]).SerializeToString()
    lines = ["POST /v1/traces HTTP/1.1", "Host: x", "Content-Type: application/x-protobuf"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def connect(collector: Collector) -> socket.socket:
    return socket.create_connection(("127.0.0.1", collector.http_port), timeout=TIMEOUT_S)


def until_closed(sender: socket.socket) -> bytes:
    received = io.BytesIO()
    while piece := sender.recv(65536):
        received.write(piece)
    return received.getvalue()


def statuses(replies: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in replies.split(b"HTTP/1.1 ")[1:]]


def answer(collector: Collector, sent: bytes) -> list[int]:
    with connect(collector) as sender:
        sender.sendall(sent)
        return statuses(until_closed(sender))


def accepted(collector: Collector) -> float:
    name, labels = "thinkmeter_collector_accepted_items_total", {"signal": "traces"}
    return collector.telemetry.registry.get_sample_value(name, labels) or 0


def test_a_connection_is_kept_for_request_after_request(detached: Collector) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", detached.http_port, timeout=TIMEOUT_S)) as connection:
        connection.connect()
        used = connection.sock
        for number in range(1, 6):
            connection.request(
                "POST", "/v1/traces", spans([number]).SerializeToString(), {"Content-Type": "application/x-protobuf"}
            )
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200
            assert connection.sock is used
    assert accepted(detached) == 5


def test_requests_sent_ahead_are_answered_in_order(detached: Collector) -> None:
    bad = request(0).replace(b"application/x-protobuf", b"text/html")
    with connect(detached) as sender:
        sender.sendall(request(1) + bad + request(2) + request(3, "Connection: close"))
        assert statuses(until_closed(sender)) == [200, 415, 200, 200]
    assert accepted(detached) == 3


def test_a_sender_that_closed_its_half_gets_its_answer(detached: Collector) -> None:
    with connect(detached) as sender:
        sender.sendall(request(1))
        sender.shutdown(socket.SHUT_WR)
        assert statuses(until_closed(sender)) == [200]
    with connect(detached) as sender:
        sender.sendall(request(2) + request(3) + request(4))
        sender.shutdown(socket.SHUT_WR)
        assert statuses(until_closed(sender)) == [200, 200, 200]
    assert accepted(detached) == 4


def test_half_a_request_from_a_half_closed_sender_is_dropped(detached: Collector) -> None:
    with connect(detached) as sender:
        sender.sendall(request(1)[:-3])
        sender.shutdown(socket.SHUT_WR)
        until_closed(sender)
    assert accepted(detached) == 0


def test_bytes_may_come_one_at_a_time(detached: Collector) -> None:
    with connect(detached) as sender:
        for byte in request(1, "Connection: close"):
            sender.sendall(bytes([byte]))
        assert statuses(until_closed(sender)) == [200]


def test_a_slow_sender_holds_up_nobody(detached: Collector) -> None:
    slow = [connect(detached) for _ in range(20)]
    for sender in slow:
        sender.sendall(request(1)[:-5])
    with connect(detached) as quick:
        quick.sendall(request(2, "Connection: close"))
        assert statuses(until_closed(quick)) == [200]
    for sender in slow:
        with sender:
            assert statuses(sender.recv(4096)) == [503]  # once its time for a body is over


def test_senders_that_vanish_leave_nothing_behind(tmp_path: Path, settings: CollectorSettings) -> None:
    whole = request(1)
    little = {"drain_s": 0, "max_inflight_bytes": 2 * len(whole)}
    with Collector(NOWHERE, tmp_path, settings.model_copy(update=little)) as collector:
        for cut in range(0, len(whole), 5):
            with connect(collector) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, not close
                sender.sendall(whole[:cut])
        # what they had sent together is several times what all requests may hold
        wait_for(lambda: answer(collector, request(2, "Connection: close")) == [200])


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/traces HTTP/1.1\r\nContent-Length: -5\r\n\r\n"]
)
def test_what_is_no_http_is_answered_and_closed(detached: Collector, garbage: bytes) -> None:
    with connect(detached) as sender:
        sender.sendall(garbage)
        sender.shutdown(socket.SHUT_WR)
        assert statuses(until_closed(sender)) == [400]
