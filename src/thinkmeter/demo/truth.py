"""The truth of the demo: a file of JSON lines, written by the generator before anything passes the SDK."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from thinkmeter.demo.arrival import Tally
from thinkmeter.demo.plan import PlannedAttempt, PlannedCall, PlannedRequest

FILE_NAME: Final = "demo-truth.jsonl"
HISTORY_LINE: Final = "history"


class Truth:
    """Appends requests to a file, each at once on disk's side of the process; a context manager.

    A line is one `request`, `attempt`, `call`, `verdict` or `label` (its `kind`), or `history` at the end of one.
    `thinking_tokens` is what was thought, `told_thinking_tokens` what the provider tells of it, null where it tells
    nothing. A call with an `error` billed nothing. Of live traffic, times are as planned; it passes faster than that.
    """

    def __init__(self, path: Path) -> None:
        """Open `path` to append."""
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.close()

    def write(self, request: PlannedRequest, *, live: bool) -> None:
        """One request with all that belongs to it."""
        self._file.write(b"".join(orjson.dumps(line, option=_OPTIONS) for line in _lines(request, live)))

    def end_history(self, sent: Tally) -> None:
        """Note that the history is complete, so that it is not sent again into the same store."""
        self._file.write(orjson.dumps({"kind": HISTORY_LINE, **dataclasses.asdict(sent)}, option=_OPTIONS))


def has_history(path: Path) -> bool:
    """Whether the file at `path` has a history that was sent completely."""
    return path.exists() and f'{{"kind":"{HISTORY_LINE}"'.encode() in path.read_bytes()


_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def _lines(request: PlannedRequest, live: bool) -> Iterator[dict[str, Any]]:
    about = {"request_id": request.request_id}
    yield {
        "kind": "request",
        **about,
        "task": request.task,
        "user": request.user,
        "session": request.session,
        "difficulty": request.difficulty,
        "runaway": request.runaway,
        "live": live,
    }
    for attempt in request.attempts:
        yield from _attempt_lines(about | {"attempt": attempt.number}, attempt)
    for label in request.labels:
        yield {
            "kind": "label",
            **about,
            "attempt": label.attempt,
            "correct": label.correct,
            "source": label.source,
            "labeler": label.labeler,
            "sampling_probability": label.sampling_probability,
        }


def _attempt_lines(about: dict[str, Any], attempt: PlannedAttempt) -> Iterator[dict[str, Any]]:
    yield {
        "kind": "attempt",
        **about,
        "tier": attempt.tier,
        "strategy": attempt.strategy,
        "effort": attempt.effort,
        "correct": attempt.correct,
    }
    for call in attempt.calls:
        yield {"kind": "call", **about, **_call(call)}
    if verdict := attempt.verdict:
        yield {
            "kind": "verdict",
            **about,
            "verifier": verdict.verifier,
            "version": verdict.version,
            "score": verdict.score,
            "threshold": verdict.threshold,
            "passed": verdict.passed,
        }


def _call(call: PlannedCall) -> dict[str, Any]:
    return {
        "response_id": call.response_id,
        "provider": call.model.provider,
        "model": call.model.name,
        "role": call.role,
        "sample": call.sample,
        "phase": call.phase,
        "start": call.start,
        "duration_s": call.duration_s,
        "input_tokens": call.input_tokens,
        "cache_read_tokens": call.cache_read_tokens,
        "cache_write_tokens": call.cache_write_tokens,
        "cache_write_1h_tokens": call.cache_write_1h_tokens,
        "output_tokens": call.output_tokens,
        "thinking_tokens": call.thinking_tokens,
        "told_thinking_tokens": call.told_thinking_tokens,
        "reflection_ratio": call.reflection_ratio,
        "effort": call.effort,
        "budget_tokens": call.budget_tokens,
        "service_tier": call.service_tier,
        "stream": call.stream,
        "error": call.error,
    }
