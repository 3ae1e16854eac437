"""Stand-ins for Slack and PagerDuty that refuse what the documentation says they refuse."""

import collections
import datetime as dt
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Json = dict[str, Any]


class Answer(NamedTuple):
    """What is answered instead of the usual."""

    status: int
    headers: Mapping[str, str] = {}
    body: str = ""


class NoAnswer(NamedTuple):
    """No answer: the connection is held until the receiver lets go, then closed."""


class _Server(ThreadingHTTPServer):
    """One that listens on a port which another socket of this process holds."""

    allow_reuse_port = True


class Receiver:
    """A service on loopback: keeps what it took, in order, and answers as told.

    Attributes:
        url: where it listens.
        taken: what it accepted.
        refused: why it refused what it refused.
        seen: how many requests came, whatever was answered.
        answers: what to answer to the next requests instead of the usual.
    """

    def __init__(self, validate: Callable[[Json, bytes], str], accepted: Answer, refusal: int) -> None:
        self.taken: list[Json] = []
        self.refused: list[str] = []
        self.seen = 0
        self.answers: collections.deque[Answer | NoAnswer] = collections.deque()
        self._changed = threading.Condition()
        self._let_go = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver._answer(body, validate, accepted, refusal)
                if isinstance(answer, NoAnswer):
                    receiver._let_go.wait(60)
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._handler = Handler
        # The port is held by a socket that never listens: while nobody does, connections to it are refused, and no
        # server of another test is given it.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self._address: tuple[str, int] = self._held.getsockname()
        self.start()
        self.url = f"http://127.0.0.1:{self._address[1]}/"

    def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        self._server = _Server(self._address, self._handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Return once the condition holds; it is looked at whenever a request was taken."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise AssertionError(
                    f"after {timeout_s} s: seen {self.seen}, refused {self.refused}, taken {self.taken}"
                )

    def saw_more_than(self, count: int) -> bool:
        """Whether so many requests came, and another."""
        return self.seen > count

    def let_go(self) -> None:
        """Close what is held without an answer."""
        self._let_go.set()

    def close(self) -> None:
        self.let_go()
        if self._thread.is_alive():
            self.stop()
        self._held.close()

    def _answer(
        self, body: bytes, validate: Callable[[Json, bytes], str], accepted: Answer, refusal: int
    ) -> Answer | NoAnswer:
        with self._changed:
            self.seen += 1
            try:
                payload = json.loads(body)
                wrong = validate(payload, body)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                payload, wrong = {}, f"{type(error).__name__}: {error}"
            answer: Answer | NoAnswer = accepted
            if self.answers:
                answer = self.answers.popleft()
            elif wrong:
                answer = Answer(refusal, body=wrong)
            if wrong:
                self.refused.append(wrong)
            elif isinstance(answer, Answer) and answer.status < 300:
                self.taken.append(payload)
            self._changed.notify_all()
            return answer


@contextmanager
def slack() -> Iterator[Receiver]:
    """An incoming webhook."""
    receiver = Receiver(slack_refuses, Answer(200, body="ok"), 400)
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def pagerduty() -> Iterator[Receiver]:
    """The Events API v2."""
    receiver = Receiver(pagerduty_refuses, Answer(202, body='{"status":"success","message":"Event processed"}'), 400)
    try:
        yield receiver
    finally:
        receiver.close()


def slack_refuses(payload: Json, body: bytes) -> str:
    """Why Slack would not take it; '' where it would."""
    if set(payload) - {"text", "blocks", "unfurl_links", "unfurl_media", "mrkdwn", "attachments"}:
        return "invalid_payload"
    text, blocks = payload.get("text", ""), payload.get("blocks", [])
    if not text and not blocks:
        return "no_text"
    if len(text) > 40_000:
        return "msg_too_long"
    if len(blocks) > 50:
        return "invalid_blocks: more than 50"
    for block in blocks:
        if wrong := _wrong_block(block):
            return f"invalid_blocks: {wrong}"
    return ""


def _wrong_block(block: Json) -> str:
    match block:
        case {"type": "header", "text": {"type": "plain_text", "text": str(text)}, **rest} if not rest:
            return _wrong_length("header", text, 150)
        case {"type": "section", "text": {"type": "mrkdwn" | "plain_text", "text": str(text)}, **rest} if not rest:
            return _wrong_length("section", text, 3000)
        case {"type": "section", "fields": list(fields), **rest} if not rest and 1 <= len(fields) <= 10:
            return "".join(_wrong_length("field", field["text"], 2000) for field in fields)
        case {"type": "context", "elements": list(elements), **rest} if not rest and 1 <= len(elements) <= 10:
            return "".join(_wrong_length("context", element["text"], 2000) for element in elements)
        case _:
            return f"unknown form {block}"


def _wrong_length(what: str, text: str, longest: int) -> str:
    return "" if 1 <= len(text) <= longest else f"{what} of {len(text)} characters"


def pagerduty_refuses(event: Json, body: bytes) -> str:
    """Why PagerDuty would not take it; '' where it would."""
    if len(body) > 512 * 1024:
        return "event too large"
    if len(event["routing_key"]) != 32:
        return "Length of 'routing_key' is incorrect (should be 32 characters)"
    if not isinstance(event["dedup_key"], str) or not 1 <= len(event["dedup_key"]) <= 255:
        return "Length of 'dedup_key' is incorrect"
    if event["event_action"] in ("acknowledge", "resolve"):
        return ""
    if event["event_action"] != "trigger":
        return "'event_action' is invalid"
    payload = event["payload"]
    if not 1 <= len(payload["summary"]) <= 1024:
        return "Length of 'summary' is incorrect"
    if payload["severity"] not in ("critical", "error", "warning", "info"):
        return "'severity' is invalid"
    if not payload["source"]:
        return "'source' is missing or blank"
    dt.datetime.fromisoformat(payload["timestamp"])
    if not isinstance(payload["custom_details"], dict):
        return "'custom_details' is no object"
    for link in event.get("links", []):
        if not link["href"].startswith(("http://", "https://")):
            return "'href' is no URL"
    return ""


def incidents(receiver: Receiver) -> dict[str, list[str]]:
    """What PagerDuty makes of what it took: key -> 'open' or 'resolved' of each alert that was opened under it."""
    opened: dict[str, list[str]] = {}
    for event in receiver.taken:
        alerts = opened.setdefault(event["dedup_key"], [])
        is_open = bool(alerts) and alerts[-1] == "open"
        if event["event_action"] == "trigger" and not is_open:
            alerts.append("open")
        elif event["event_action"] == "resolve" and is_open:
            alerts[-1] = "resolved"
    return opened
