"""Requests, attempts and calls as the generator's truth file tells them."""

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Call:
    provider: str
    model: str
    role: str
    time: dt.datetime
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    thinking_tokens: int | None
    service_tier: str = "standard"
    response_id: str = ""
    sample: int | None = None
    phase: str | None = None
    effort: str | None = None
    refused: bool = False
    """Billed nothing, told nothing; counts as a call that began the request, and no more."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    number: int
    tier: int
    calls: tuple[Call, ...]
    verifier: str = ""
    version: str = ""
    passed: bool | None = None
    score: float | None = None
    label: bool | None = None
    label_probability: float | None = None
    strategy: str = ""
    effort: str | None = None

    @property
    def answers(self) -> list[Call]:
        return [c for c in self.calls if c.role == "answer" and not c.refused]

    @property
    def thinking_tokens(self) -> int | None:
        counts = [c.thinking_tokens for c in self.answers]
        return None if None in counts else sum(c for c in counts if c is not None)

    @property
    def weight(self) -> float:
        """Of its label."""
        return 1 / self.label_probability if self.label_probability else 1.0


@dataclasses.dataclass(frozen=True)
class Request:
    request_id: str
    task: str
    user: str
    session: str
    attempts: tuple[Attempt, ...]

    @property
    def first(self) -> Attempt:
        return self.attempts[0]

    @property
    def final(self) -> Attempt:
        return self.attempts[-1]

    @property
    def calls(self) -> list[Call]:
        return [c for a in self.attempts for c in a.calls]

    @property
    def answers(self) -> list[Call]:
        return [c for a in self.attempts for c in a.answers]

    @property
    def time(self) -> dt.datetime:
        return min(c.time for c in self.calls)

    @property
    def thinking_tokens(self) -> int | None:
        counts = [a.thinking_tokens for a in self.attempts]
        return None if None in counts else sum(c for c in counts if c is not None)

    @property
    def escalated(self) -> bool:
        return any(a.tier > self.first.tier for a in self.attempts)


def read_truth(path: Path, *, live: bool) -> list[Request]:
    """Requests of the truth file, of the history or of live traffic, whichever is asked for."""
    lines = [line for line in map(json.loads, path.read_text().splitlines()) if line["kind"] != "history"]
    of: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        of.setdefault(line["request_id"], []).append(line)
    return [_request(mine) for mine in of.values() if mine[0]["live"] is live]


def _request(lines: list[dict[str, Any]]) -> Request:
    said = lines[0]
    attempts = tuple(_attempt(lines, line) for line in lines if line["kind"] == "attempt")
    return Request(said["request_id"], said["task"], said["user"], said["session"], attempts)


def _attempt(lines: list[dict[str, Any]], said: dict[str, Any]) -> Attempt:
    mine = [line for line in lines if line.get("attempt") == said["attempt"]]
    calls = tuple(_call(line) for line in mine if line["kind"] == "call")
    [verdict] = [line for line in mine if line["kind"] == "verdict"] or [{}]
    [label] = [line for line in mine if line["kind"] == "label"] or [{}]
    return Attempt(
        said["attempt"],
        said["tier"],
        calls,
        verdict.get("verifier", ""),
        verdict.get("version", ""),
        verdict.get("passed"),
        verdict.get("score"),
        label.get("correct"),
        label.get("sampling_probability"),
        said["strategy"],
        said["effort"],
    )


def _call(line: dict[str, Any]) -> Call:
    return Call(
        line["provider"],
        line["model"],
        line["role"],
        dt.datetime.fromisoformat(line["start"]),
        line["input_tokens"],
        line["cache_read_tokens"],
        line["cache_write_tokens"],
        line["cache_write_1h_tokens"],
        line["output_tokens"],
        line["told_thinking_tokens"],
        line["service_tier"],
        line["response_id"],
        line["sample"],
        line["phase"],
        line["effort"],
        line["error"] is not None,
    )
