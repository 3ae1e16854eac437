"""Times, texts, errors, verdicts and labels, as Python decodes them."""

import math
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.collector.otlp import RECEIVED, SECOND, logs, record, span_of, traces, value
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.value import double_text, text_of
from thinkmeter.schema import attributes as a
from thinkmeter.schema.errors import PermanentError


def rows(body: bytes, table: str = "spans", signal: Signal = Signal.TRACES) -> list[Row]:
    return decode(signal, body, "default", RECEIVED)[table]


@pytest.mark.parametrize(
    ("of", "depth", "text"),
    [
        ("a/b", 1, "a/b"),
        (-5, 1, "-5"),
        (True, 1, "true"),
        (0.1, 1, "0.1"),
        (None, 1, ""),
        (b"\x00\xff", 1, "AP8="),
        ([], 1, "[]"),
        ({}, 1, "{}"),
        (["a", 1, 0.5, False, None, b"a", math.nan], 1, '["a",1,0.5,false,null,"YQ==",null]'),
        ({"k": [1, [2]]}, 2, '{"k":[1,null]}'),
        ([{"parts": [{"content": "x"}]}], 4, '[{"parts":[{"content":"x"}]}]'),
        ([{"parts": [{"content": "x"}]}], 3, '[{"parts":[null]}]'),
        (['"\\/\n\x01\u2028é'], 1, '["\\"\\\\/\\n\\u0001\\u2028é"]'),
    ],
)
def test_values_become_text(of: Any, depth: int, text: str) -> None:
    assert text_of(value(of), depth) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (1e20, "100000000000000000000"),
        (1e21, "1e21"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (math.inf, "inf"),
        (123456.75, "123456.75"),
        (5e-324, "5e-324"),
    ],
)
def test_doubles_become_their_shortest_text(number: float, text: str) -> None:
    assert double_text(number) == text


def test_a_time_that_is_none_gives_way_to_the_next() -> None:
    span = span_of({})
    for start, end, time, duration in (
        (RECEIVED - 5, RECEIVED - 2, RECEIVED - 5, 3),
        (0, RECEIVED - 2, RECEIVED - 2, 0),
        (2**64 - 1, 0, RECEIVED, 0),
        (RECEIVED + 2 * 86_400 * SECOND, 1, RECEIVED, 0),
        (RECEIVED, RECEIVED - 1, RECEIVED, 0),
    ):
        span.start_time_unix_nano, span.end_time_unix_nano = start, end
        [row] = rows(traces([span]))
        assert (row["time"], row["duration_ns"]) == (time, duration)


@pytest.mark.parametrize(
    ("state", "told", "share"),
    [
        ("", None, None),
        ("ot=th:8", None, 0.5),
        ("ot=th:0", None, 1.0),
        ("a=b,ot=rv:ab;th:c", None, 0.25),
        ("ot=th:8", 0.1, 0.1),
        ("ot=th:8", 5, 0.5),
        ("xot=th:8", None, None),
    ],
)
def test_the_share_of_traces_that_were_kept(state: str, told: float | None, share: float | None) -> None:
    span = span_of({a.SAMPLING_PROBABILITY: told})
    span.trace_state = state
    assert rows(traces([span]))[0]["sampling_probability"] == share


def test_an_error_has_a_type_if_any_is_told() -> None:
    raised = ("exception", {"exception.type": "Timeout"})
    failed, silent, named, recovered = (
        span_of({}, events=[raised]), span_of({}), span_of({a.ERROR_TYPE: "429"}), span_of({}, events=[raised]),
    )  # fmt: skip
    for span in (failed, silent, named):
        span.status.code = Status.STATUS_CODE_ERROR
    assert [rows(traces([span]))[0]["error_type"] for span in (failed, silent, named, recovered)] == [
        "Timeout",
        "_OTHER",
        "429",
        "",
    ]


def test_the_first_chunk_is_told_in_seconds_or_by_an_event() -> None:
    assert (
        rows(traces([span_of({"gen_ai.system": "x", a.TIME_TO_FIRST_CHUNK: 0.25})]))[0]["time_to_first_chunk_ms"] == 250
    )
    by_event = span_of({}, events=[("First Token Stream Event", {})])
    assert rows(traces([by_event]))[0]["time_to_first_chunk_ms"] == 1000


@pytest.mark.parametrize(
    ("told", "passed"),
    [
        ({a.EVALUATION_SCORE_LABEL: "Pass", a.EVALUATION_SCORE_VALUE: 0.1, a.VERDICT_THRESHOLD: 0.7}, True),
        ({a.EVALUATION_SCORE_LABEL: "fail"}, False),
        ({a.EVALUATION_SCORE_LABEL: "relevant", a.EVALUATION_SCORE_VALUE: 0.7, a.VERDICT_THRESHOLD: 0.7}, True),
        ({a.EVALUATION_SCORE_VALUE: 0.69, a.VERDICT_THRESHOLD: "0.7"}, False),
        ({a.EVALUATION_SCORE_VALUE: 0.9}, None),
        ({a.EVALUATION_SCORE_LABEL: "true"}, None),
    ],
)
def test_a_verdict_passes_by_its_label_or_its_threshold(told: dict[str, Any], passed: bool | None) -> None:
    [row] = rows(logs([record(told, event=a.EVALUATION_EVENT)]), "verdicts", Signal.LOGS)
    assert row["passed"] is passed


@pytest.mark.parametrize(
    ("told", "correct"),
    [
        ({a.EVALUATION_SCORE_LABEL: "Correct"}, True),
        ({a.EVALUATION_SCORE_LABEL: "wrong", a.EVALUATION_SCORE_VALUE: 1}, False),
        ({a.EVALUATION_SCORE_VALUE: 1.0}, True),
        ({a.EVALUATION_SCORE_VALUE: 0}, False),
        ({a.EVALUATION_SCORE_VALUE: 0.8}, None),
        ({a.EVALUATION_SCORE_VALUE: 0.8, a.VERDICT_THRESHOLD: 0.5}, True),
        ({}, None),
    ],
)
def test_a_label_is_correct_by_word_or_by_score(told: dict[str, Any], correct: bool | None) -> None:
    body = logs([record({**told, a.EVALUATION_KIND: "ground_truth", "event.name": a.EVALUATION_EVENT})])
    assert rows(body, "verdicts", Signal.LOGS) == []
    [row] = rows(body, "labels", Signal.LOGS)
    assert row["correct"] is correct


def test_an_event_takes_from_its_span_what_it_does_not_say() -> None:
    told: list[tuple[str, dict[str, Any]]] = [
        (a.EVALUATION_EVENT, {a.EVALUATION_NAME: "orm"}),
        (a.EVALUATION_EVENT, {a.SAMPLE: 5, a.REQUEST_ID: "own"}),
    ]
    found = rows(traces([span_of({a.REQUEST_ID: "r", a.ATTEMPT: 2, a.SAMPLE: 1}, events=told)]), "verdicts")
    assert [(row["request_id"], row["attempt"], row["sample"]) for row in found] == [("r", 2, 1), ("own", 2, 5)]
    assert {row["span_id"] for row in found} == {f"{1:016x}"}


def test_equal_records_are_one_and_others_are_not() -> None:
    same, other = record({"k": "v"}, body="b"), record({"k": "v"}, body=["b"])
    hashes = [row["content_hash"] for row in rows(logs([same, same, other]), "log_records", Signal.LOGS)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(PermanentError, match="not an OTLP export request of logs"):
        decode(Signal.LOGS, b"\x0a\x05x", "default", RECEIVED)
