"""Values that no instrumentation should send and some do: each has a rule, and each is counted."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.collector.otlp import RECEIVED, SECOND, logs, pairs, record, span_of, traces
from tests.collector.test_door import Opened
from thinkmeter.collector.dialects.fields import ODD
from thinkmeter.collector.export import LOGS, TRACES
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.segment import Signal
from thinkmeter.schema import attributes as a

CALL = {a.OPERATION_NAME: "chat", a.REQUEST_MODEL: "m", a.INPUT_TOKENS: 10, a.OUTPUT_TOKENS: 5}
YEAR = 365 * 86_400 * SECOND
DAY = 86_400 * SECOND


def row(attributes: dict[str, Any] = CALL, *, start: int = RECEIVED - SECOND, end: int = RECEIVED) -> Row:
    span = span_of(attributes)
    span.start_time_unix_nano, span.end_time_unix_nano = start, end
    [made] = decode(Signal.TRACES, traces([span]), "default", RECEIVED)["spans"]
    return made


def odd(made: Row) -> str:
    return str(made["attributes"].get(ODD, ""))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    door = Opened(tmp_path / "spool")
    yield door
    door.spool.close()


def test_what_is_ordinary_is_not_odd() -> None:
    assert odd(row()) == odd(row({**CALL, a.INPUT_TOKENS: "10", a.OUTPUT_TOKENS: 5.0})) == odd(row({})) == ""
    assert odd(row({**CALL, a.THINKING_BUDGET_TOKENS: -1})) == ""  # Gemini's word for a budget of its own choice


@pytest.mark.parametrize("said", [-1, 0.5, 10**9 + 1, 2**63 - 1, -(2**63), "many", math.nan, math.inf, True, [5], b"5"])
def test_a_count_that_is_none_is_unknown_kept_and_odd(said: Any) -> None:
    made = row({**CALL, a.INPUT_TOKENS: said})
    assert (made["input_tokens"], made["output_tokens"]) == (None, 5)
    assert a.INPUT_TOKENS in made["attributes"]
    assert odd(made) == "count"


def test_of_equal_keys_the_first_that_says_something_counts() -> None:
    span = span_of(CALL)
    span.attributes.extend(pairs({a.INPUT_TOKENS: 99, a.REQUEST_MODEL: "other"}))
    span.attributes.insert(0, pairs({a.REQUEST_MODEL: ""})[0])
    span.attributes.extend(pairs({"other": 1}) * 2)
    [made] = decode(Signal.TRACES, traces([span]), "default", RECEIVED)["spans"]
    assert (made["input_tokens"], made["request_model"], odd(made)) == (10, "m", "duplicate")


def test_thinking_above_output_stays_as_sent_for_the_settling_to_judge() -> None:
    made = row({**CALL, a.REASONING_OUTPUT_TOKENS: 50})
    assert (made["thinking_tokens"], odd(made)) == (50, "")


@pytest.mark.parametrize(
    ("start", "end", "time_of", "duration", "kinds"),
    [
        (0, 0, RECEIVED, 0, "time"),
        (0, RECEIVED - 5, RECEIVED - 5, 0, "time"),
        (RECEIVED + 2 * DAY, RECEIVED + 2 * DAY + 5, RECEIVED, 0, "time"),
        (2**64 - 1, 2**64 - 1, RECEIVED, 0, "time"),
        (RECEIVED + SECOND, RECEIVED + 2 * SECOND, RECEIVED + SECOND, SECOND, ""),
        (RECEIVED - 5 * YEAR, RECEIVED - 5 * YEAR + 7, RECEIVED - 5 * YEAR, 7, ""),
        (RECEIVED, RECEIVED - 9, RECEIVED, 0, "duration"),
        (RECEIVED - 9, 0, RECEIVED - 9, 0, ""),
    ],
)
def test_clocks_that_are_wrong(start: int, end: int, time_of: int, duration: int, kinds: str) -> None:
    made = row(start=start, end=end)
    assert (made["time"], made["duration_ns"], odd(made)) == (time_of, duration, kinds)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, "high", "", None, [1]])
def test_a_score_that_is_no_number_judges_nothing(score: Any) -> None:
    told = {a.EVALUATION_SCORE_VALUE: score, a.VERDICT_THRESHOLD: 0.5, a.REQUEST_ID: "r"}
    [verdict] = decode(Signal.LOGS, logs([record(told, event=a.EVALUATION_EVENT)]), "default", RECEIVED)["verdicts"]
    assert (verdict["score"], verdict["threshold"], verdict["passed"]) == (None, 0.5, None)


def test_the_door_counts_spans_whose_clock_is_wrong(opened: Opened) -> None:
    now = time.time_ns()
    spans = []
    for number, (start, end) in enumerate(
        [
            (now - SECOND, now),
            (now, now + DAY),
            (now - 3 * YEAR, now - 3 * YEAR + 5),
            (now, now - 5),
            (0, 0),
        ],
        1,
    ):
        span = span_of(CALL, number)
        span.start_time_unix_nano, span.end_time_unix_nano = start, end
        spans.append(span)
    assert opened.accept(TRACES, traces(spans)).accepted == 5
    found = {kind: opened.count("odd_items", signal="traces", kind=kind) for kind in ("ahead", "old", "reversed")}
    assert found == {"ahead": 1, "old": 2, "reversed": 1}


def test_ids_that_are_none_are_rejected_and_counted_while_a_parent_may_be_absent(opened: Opened) -> None:
    spans = [span_of(CALL, number) for number in range(1, 4)]
    spans[0].trace_id, spans[1].span_id, spans[2].parent_span_id = b"", bytes(8), b""
    receipt = opened.accept(TRACES, traces(spans))
    assert (receipt.accepted, receipt.rejected) == (1, {Reason.INVALID_ID: 2})
    assert opened.count("rejected_items", signal="traces", reason="invalid_id") == 2


def test_a_record_without_ids_is_taken(opened: Opened) -> None:
    one = record({a.REQUEST_ID: "r"}, event=a.EVALUATION_EVENT)
    one.trace_id, one.span_id = b"", b""
    assert opened.accept(LOGS, logs([one])).accepted == 1


@pytest.mark.parametrize("place", [b"some.scope", b"span 1", a.REQUEST_MODEL.encode()])
def test_invalid_utf8_is_malformed_wherever_it_stands(opened: Opened, place: bytes) -> None:
    body = traces([span_of(CALL)])
    with pytest.raises(Refused) as refused:
        opened.accept(TRACES, body.replace(place, b"\xff" * len(place)))
    assert refused.value.reason is Reason.MALFORMED
    assert opened.count("refused_requests", signal="traces", reason="malformed") == 1


def test_odd_kinds_are_told_together() -> None:
    made = row({**CALL, a.INPUT_TOKENS: cast(Any, -5)}, start=RECEIVED, end=RECEIVED - 1)
    assert odd(made) == "count,duration"
