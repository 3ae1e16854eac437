"""ClickHouse's views and the Python reference decode the same bytes into the same rows."""

import json
import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector import dense
from tests.collector.inserting import own_database
from tests.collector.otlp import RECEIVED, SECOND, logs, pairs, span_of, traces, value
from tests.collector.recordings import recorded
from tests.collector.shown import NOT_SHOWN, SHOWN
from thinkmeter.collector.canary import in_order, stored
from thinkmeter.collector.dialects import DIALECTS, UNCLAIMED, candidates
from thinkmeter.collector.dialects.fields import CORRECT, FAILED, INCORRECT, NUMBERS, PASSED, SPAN_KINDS, TEXTS
from thinkmeter.collector.dialects.meaning import number
from thinkmeter.collector.insertion import DEEP_SEGMENTS, Insertion
from thinkmeter.collector.installation import install
from thinkmeter.collector.reference import TABLES, Row, decode
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.collector.value import double_text, json_string
from thinkmeter.schema import attributes as a
from thinkmeter.schema.store.embedded import EmbeddedStore

FEW = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLAT_SCALARS: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXT
SCALARS = FLAT_SCALARS | st.binary(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=6
)
FLAT_VALUES = FLAT_SCALARS | st.lists(TEXT | st.none(), max_size=3)
SAID = st.sampled_from([0, 1, 2, 3, 15, 85, 100, 185, 200, 0.5, 1.0, 2.5, -3, 10**9, 10**9 + 1, "7", "1e2", "x", ""])
WORDS = st.sampled_from(
    ["chat", "Embedding", "execute_tool", "invoke_agent", "none", "disabled", "responses", "request", "attempt", "xai"]
    + [
        "openai",
        "Google",
        "aws",
        "api.x.ai",
        "api.deepseek.com",
        "estimated",
        "derived",
        '["stop","x"]',
        "[1]",
        "[broken",
    ]
    + [
        '{"reasoning_effort": "none"}',
        '{"thinking": {"type": "disabled", "budget_tokens": 5}}',
        '{"reasoning": {}}',
        "",
        "m",
    ]
    + [kind.upper() for kind in SPAN_KINDS]
)


def attributes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    known = st.one_of(
        *(st.tuples(st.sampled_from(candidates(field)), SAID | values) for field in NUMBERS),
        *(st.tuples(st.sampled_from(candidates(field)), WORDS | values) for field in TEXTS),
        st.tuples(st.sampled_from(sorted({mark for dialect in DIALECTS for mark in dialect.marks})), WORDS),
    )
    return st.lists(known | st.tuples(TEXT, values), max_size=25)


SCOPES = st.sampled_from(
    [*(scope for d in DIALECTS for scope in d.scopes), "openinference.x", "thinkmeterish", "other", ""]
)
TIMES = st.sampled_from(
    [0, 1, RECEIVED - 2 * SECOND, RECEIVED - SECOND, RECEIVED, RECEIVED + 90_000 * SECOND, 2**64 - 1]
)
IDS = st.sampled_from([b"", bytes(8), bytes(16), b"\x01" * 16, b"\xfe" * 8, b"\x07" * 20])
STATES = st.sampled_from(
    ["", "ot=th:8", "a=b, ot=rv:1;th:fd70a4", "ot=th:ffffffffffffff", "ot=th:zz", "xot=th:8", "ot=th:0\n"]
)


def evaluation(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            a.EVALUATION_KIND: st.sampled_from(["ground_truth", "verifier", ""]),
            a.EVALUATION_NAME: TEXT,
            a.EVALUATION_SCORE_VALUE: st.sampled_from([0, 1, 0.0, 1.0, 0.5, "0.7", "x", -1, math.nan, math.inf])
            | values,
            a.EVALUATION_SCORE_LABEL: st.sampled_from([*PASSED, *FAILED, *CORRECT, *INCORRECT, "Pass", "other", ""]),
            a.VERDICT_THRESHOLD: st.sampled_from([0.5, 1, "0.7", "", None]),
            a.REQUEST_ID: TEXT,
            a.ATTEMPT: SAID,
            a.SAMPLE: SAID,
            a.LABEL_SOURCE: st.sampled_from(["human", "TEST", ""]),
            a.LABEL_SAMPLING_PROBABILITY: st.sampled_from([0, 0.25, 1, 2, "0.5"]),
            a.RESPONSE_ID: TEXT,
        },
    )


EVENT_NAMES = st.sampled_from(
    [a.EVALUATION_EVENT, "exception", "First Token Stream Event", "llm.content.completion.chunk", "x"]
)


def _pairs(of: list[tuple[str, Any]]) -> Any:
    return [pair for key, item in of for pair in pairs({key: item})]


@st.composite
def spans(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> Span:
    made = Span(
        trace_id=draw(IDS),
        span_id=draw(IDS),
        parent_span_id=draw(IDS),
        trace_state=draw(STATES),
        name=draw(TEXT),
        kind=cast(Any, draw(st.integers(0, 7))),
        start_time_unix_nano=draw(TIMES),
        end_time_unix_nano=draw(TIMES),
        attributes=_pairs(draw(attributes(values))),
    )
    made.status.code = cast(Any, draw(st.integers(0, 3)))
    made.status.message = draw(TEXT)
    for _ in range(draw(st.integers(0, 2))):
        told = draw(evaluation(values)) | draw(st.dictionaries(TEXT | st.just("exception.type"), values, max_size=2))
        made.events.append(Span.Event(name=draw(EVENT_NAMES), time_unix_nano=draw(TIMES), attributes=pairs(told)))
    return made


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    told: dict[str, Any] = draw(evaluation(VALUES)) | draw(st.dictionaries(TEXT, VALUES, max_size=3))
    if draw(st.booleans()):
        told["event.name"] = draw(st.sampled_from([a.EVALUATION_EVENT, "other", ""]))
    return LogRecord(
        time_unix_nano=draw(TIMES),
        observed_time_unix_nano=draw(TIMES),
        severity_number=cast(Any, draw(st.integers(0, 25))),
        severity_text=draw(st.sampled_from(["", "INFO", "warn"])),
        body=value(draw(VALUES)),
        attributes=pairs(told),
        trace_id=draw(IDS),
        span_id=draw(IDS),
        event_name=draw(st.sampled_from(["", a.EVALUATION_EVENT, "x"])),
    )


@pytest.fixture(scope="module")
def store_client(store: EmbeddedStore) -> Iterator[Client]:
    with own_database(store, "test_view") as connected:
        yield connected


@pytest.fixture(scope="module")
def insertion(store_client: Client) -> Insertion:
    """The store made ready; that its canary agrees is the first of these tests."""
    made = install(store_client, embedded=True)
    assert made.native, made.reason
    # equal keys collapse in merges, and here every row is to be seen
    for table in ("spans", "log_records", "verdicts", "labels"):
        store_client.command(f"SYSTEM STOP MERGES {table}")
    return made


def assert_both_decode_alike(
    client: Client, insertion: Insertion, signal: Signal, bodies: list[tuple[bytes, str]]
) -> None:
    """Also by the way for all requests where they are flat, for which there are two."""
    expected: dict[str, list[Row]] = {table: [] for table in TABLES[signal]}
    for body, project in bodies:
        for table, rows in decode(signal, body, project, RECEIVED).items():
            expected[table] += rows
    segment = [frame(body, project, RECEIVED) for body, project in bodies]
    insertion.taken_for_deep = 0
    assert_stored(client, insertion, signal, segment, expected)
    if signal is Signal.TRACES and insertion.taken_for_deep == 0:
        insertion.taken_for_deep = 1
        assert_stored(client, insertion, signal, segment, expected)
        assert insertion.taken_for_deep == 0


def assert_stored(
    client: Client, insertion: Insertion, signal: Signal, segment: list[bytes], expected: dict[str, list[Row]]
) -> None:
    for table in ("spans", "log_records", "verdicts", "labels"):
        client.command(f"TRUNCATE TABLE {table}")
    insertion.insert_natively(client, signal, segment, "s")
    for table, rows in expected.items():
        found = in_order(stored(client, table))
        assert len(found) == len(rows)
        for row, right in zip(found, in_order(rows), strict=True):
            assert {column: row[column] for column in right} == right


@FEW
@given(
    st.lists(
        st.tuples(st.lists(spans(), max_size=12), SCOPES, st.sampled_from(["default", "zwei"])), min_size=1, max_size=6
    )
)
def test_spans_are_decoded_alike(
    store_client: Client, insertion: Insertion, contents: list[tuple[list[Span], str, str]]
) -> None:
    bodies = [(traces(told, scope), project) for told, scope, project in contents]
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, bodies)


@FEW
@given(st.lists(spans(FLAT_VALUES), min_size=1, max_size=40), SCOPES, st.dictionaries(TEXT, FLAT_VALUES, max_size=3))
def test_spans_of_flat_requests_are_decoded_alike(
    store_client: Client, insertion: Insertion, told: list[Span], scope: str, resource: dict[str, Any]
) -> None:
    bodies = [(traces(told, scope, resource), project) for project in ("default", "zwei")]
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, bodies)
    assert insertion.taken_for_deep == 0


@pytest.mark.parametrize("deep", [{"a": {"b": 1}}, {}, [["a"]], ["a", {"a": "b"}], ["a", 1], [False], b"x"], ids=str)
@pytest.mark.parametrize("place", ["resource", "span", "event"])
def test_a_request_that_is_not_flat_is_decoded_alike(
    store_client: Client, insertion: Insertion, place: str, deep: object
) -> None:
    told = {where: {"odd": deep if where == place else ["x", None]} for where in ("resource", "span", "event")}
    flat, odd = span_of({"a": "b"}), span_of(told["span"], 2, [("exception", told["event"])])
    bodies = [(traces([flat]), "default"), (traces([flat, odd], resource=told["resource"]), "default")]
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, bodies)
    assert insertion.taken_for_deep == DEEP_SEGMENTS


def test_content_that_nobody_reads_may_be_anything(store_client: Client, insertion: Insertion) -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]
    told = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": messages, "input.value": b"x"}
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, [(traces([span_of(told)]), "default")])
    assert insertion.taken_for_deep == 0


@FEW
@given(st.lists(st.lists(records(), max_size=12), min_size=1, max_size=4))
def test_log_records_are_decoded_alike(
    store_client: Client, insertion: Insertion, contents: list[list[LogRecord]]
) -> None:
    bodies = [(logs(told), f"project {n}") for n, told in enumerate(contents)]
    assert_both_decode_alike(store_client, insertion, Signal.LOGS, bodies)


@pytest.mark.parametrize("seed", range(2))
def test_counts_and_words_that_matter_are_decoded_alike(store_client: Client, insertion: Insertion, seed: int) -> None:
    random = Random(seed)
    bodies = []
    for dialect in (*DIALECTS, UNCLAIMED):
        scope = dialect.scopes[0] if dialect.scopes else "other"
        bodies.append((traces(dense.spans(random, dialect, 150), scope), dialect.name))
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, bodies)
    records = logs(dense.records(random, 300))
    assert_both_decode_alike(store_client, insertion, Signal.LOGS, [(records, "default")])


@pytest.mark.stress
def test_many_more_are_decoded_alike(store_client: Client, insertion: Insertion) -> None:
    first = time.time_ns()
    print(f"seeds from {first}")
    for seed in range(first, first + 60):
        test_counts_and_words_that_matter_are_decoded_alike(store_client, insertion, seed)


@pytest.mark.parametrize("dialect", [*DIALECTS, UNCLAIMED], ids=lambda dialect: dialect.name or "none")
def test_every_name_of_a_dialect_is_read_alike(store_client: Client, insertion: Insertion, dialect: Any) -> None:
    told: list[Span] = []
    for field, names in dialect.names.items():
        for name in names:
            said: Any = 12 if field in NUMBERS else f"value of {name}"
            one = Span(trace_id=b"\x01" * 16, span_id=len(told).to_bytes(8, "big"), start_time_unix_nano=RECEIVED)
            one.attributes.extend(pairs({name: said, **{mark: "chat" for mark in dialect.marks[:1]}}))
            told.append(one)
    scope = dialect.scopes[0] if dialect.scopes else "other"
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, [(traces(told, scope), "default")])


def test_thinking_that_is_shown_is_seen_alike(store_client: Client, insertion: Insertion) -> None:
    told = [span_of({**call, **content}, number) for number, (call, content) in enumerate((*SHOWN, *NOT_SHOWN), 1)]
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, [(traces(told), "default")])
    unknown = store_client.query("SELECT countIf(thinking_tokens IS NULL), count() FROM spans").result_rows
    assert unknown == [(len(SHOWN), len(told))]


@given(st.lists(st.floats(), min_size=1, max_size=200))
@settings(max_examples=10, deadline=None)
def test_doubles_are_written_as_the_store_writes_them(store_client: Client, numbers: list[float]) -> None:
    raw = [struct.unpack("<Q", struct.pack("<d", each))[0] for each in numbers]
    sql = "SELECT arrayMap(x -> toString(reinterpretAsFloat64(x)), {raw:Array(UInt64)})"
    assert store_client.query(sql, parameters={"raw": raw}).result_rows[0][0] == [double_text(each) for each in numbers]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=50))
@settings(max_examples=10, deadline=None)
def test_json_strings_are_written_as_the_store_writes_them(store_client: Client, words: list[str]) -> None:
    sql = "SELECT toJSONString(w) FROM (SELECT arrayJoin({words:Array(String)}) AS w)"
    found = store_client.query(
        sql, parameters={"words": words}, settings={"output_format_json_escape_forward_slashes": 0}
    ).result_rows
    assert [row[0] for row in found] == [json_string(word) for word in words]
    assert [json.loads(row[0]) for row in found] == words


@given(st.lists(st.text("0123456789+-.eE xinfa_", max_size=8), min_size=1, max_size=200))
@settings(max_examples=10, deadline=None)
def test_numbers_are_read_as_the_store_reads_them(store_client: Client, words: list[str]) -> None:
    sql = "SELECT arrayMap(w -> if(isFinite(toFloat64OrNull(w)), toFloat64OrNull(w), NULL), {words:Array(String)})"
    assert store_client.query(sql, parameters={"words": words}).result_rows[0][0] == [number(word) for word in words]


def test_recordings_of_other_sdks_are_decoded_alike(
    store_client: Client, insertion: Insertion, real_data: Path
) -> None:
    bodies = [(body, name) for name, body in recorded(real_data)]
    assert len(bodies) == 3
    assert_both_decode_alike(store_client, insertion, Signal.TRACES, bodies)
