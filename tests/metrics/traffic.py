"""Requests as a test describes them: what the store is given, and what the reference counts."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from tests.schema.rows import START, Row, insert, label, span, verdict

SINCE, UNTIL = START, START + dt.timedelta(days=7)


@dataclasses.dataclass(frozen=True)
class Verdict:
    passed: bool | None
    score: float | None = None
    verifier: str = "orm"
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One call at one tier; `thinking` None is unknown."""

    tier: int | None = 1
    thinking: int | None = 0
    output: int | None = 1000
    input: int | None = 1000
    verdicts: tuple[Verdict, ...] = ()
    correct: bool | None = None
    label_probability: float | None = None
    model: str = "acme-think-1"
    strategy: str = ""


@dataclasses.dataclass(frozen=True)
class Request:
    id: str
    attempts: tuple[Attempt, ...]
    task: str = "sql"
    user: str = ""
    at_s: float = 0.0
    probability: float | None = None
    attributes: tuple[tuple[str, str], ...] = ()


def insert_traffic(client: Client, requests: Sequence[Request]) -> None:
    """Put them into the store, attempts 10 s apart, verdicts 5 s after, labels a minute after."""
    spans, verdicts, labels = rows(requests)
    insert(client, "spans", spans)
    insert(client, "verdicts", verdicts)
    insert(client, "labels", labels)


def rows(requests: Sequence[Request]) -> tuple[list[Row], list[Row], list[Row]]:
    """Rows of spans, verdicts and labels."""
    spans: list[Row] = []
    verdicts: list[Row] = []
    labels: list[Row] = []
    for request in requests:
        for number, attempt in enumerate(request.attempts, 1):
            at_s = request.at_s + 10.0 * (number - 1)
            columns: dict[str, Any] = {
                "request_id": request.id,
                "task": request.task,
                "user_id": request.user,
                "attempt": number,
                "tier": attempt.tier,
                "request_model": attempt.model,
                "strategy": attempt.strategy,
                "input_tokens": attempt.input,
                "output_tokens": attempt.output,
                "thinking_tokens": attempt.thinking,
                "sampling_probability": request.probability,
                "attributes": dict(request.attributes),
            }
            spans.append(span(at_s=at_s, **columns))
            verdicts += [
                verdict(
                    request.id,
                    attempt=number,
                    at_s=at_s + 5 + after,
                    **dataclasses.asdict(one),
                )
                for after, one in enumerate(attempt.verdicts)
            ]
            if attempt.correct is not None:
                labels.append(
                    label(
                        request.id,
                        attempt.correct,
                        attempt=number,
                        at_s=at_s + 60,
                        sampling_probability=attempt.label_probability,
                    )
                )
    return spans, verdicts, labels


def answered(name: str, *, correct: bool | None = None, thinking: int | None = 0, **columns: Any) -> Request:
    """A request that one attempt at tier 1 answered."""
    return Request(name, (Attempt(1, thinking, correct=correct),), **columns)


def climbed(name: str, *, was: bool | None, became: bool | None, thinking: int | None = 50, **columns: Any) -> Request:
    """A request whose first attempt, without thinking, failed its check; tier 2 thought and answered."""
    first = Attempt(1, 0, verdicts=(Verdict(False, 0.2),), correct=was)
    return Request(name, (first, Attempt(2, thinking, correct=became)), **columns)
