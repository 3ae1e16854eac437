"""Segments arrive once, whole, whoever decodes them; what fails says whether to try again."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.inserting import CALL, big, body, counted, cut_inside, wrong_wire_type
from tests.collector.inserting import emptied as emptied
from tests.collector.inserting import installed as installed
from tests.collector.inserting import module_client as module_client
from tests.collector.otlp import RECEIVED, logs, record, span_of, traces
from thinkmeter.collector.insertion import EMPTY, PIECE_BYTES, SMALL_SEGMENT_BYTES, Insertion, RequestBody
from thinkmeter.collector.installation import install
from thinkmeter.collector.otlp_files import read_requests
from thinkmeter.collector.quarantine import Quarantine
from thinkmeter.collector.replay import Replay
from thinkmeter.collector.segment import Signal, delimited, frame
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema import attributes as a
from thinkmeter.schema.errors import PermanentError, RetryableError
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate


@given(st.lists(st.sampled_from([1, 100, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES + 1]), max_size=6))
def test_a_request_is_the_statement_and_the_bodies_however_often_it_is_sent(lengths: list[int]) -> None:
    frames = [frame(traces([span_of({"padding": "x" * length}, 1)]), "p", RECEIVED) for length in lengths]
    request = RequestBody("INSERT", frames)
    whole = b"INSERT" + EMPTY + b"".join(map(delimited, frames))
    for _ in range(2):
        pieces = list(request)
        assert b"".join(pieces) == whole
        assert max(map(len, pieces)) < 2 * PIECE_BYTES


@pytest.mark.parametrize("sent", [body(3), big()], ids=["small", "large"])
def test_the_same_segment_twice_is_stored_once(
    emptied: Client, installed: Insertion, sent: bytes, request: Any
) -> None:
    token = f"twice-{request.node.callspec.id}"
    whole = [frame(sent, "default", RECEIVED)]
    for _ in range(2):
        installed.insert_segment(emptied, Signal.TRACES, whole, token)
    assert counted(emptied) == (3 if len(sent) < SMALL_SEGMENT_BYTES else 60)


def test_one_segment_carries_several_projects(emptied: Client, installed: Insertion) -> None:
    for size, token in ((0, "projects-small"), (SMALL_SEGMENT_BYTES, "projects-large")):
        frames = [frame(body(2, padding=size), name, RECEIVED) for name in ("one", "zwei ü", "")]
        installed.insert_segment(emptied, Signal.TRACES, frames, token)
        found = emptied.query("SELECT project, count() FROM spans GROUP BY project ORDER BY project").result_rows
        assert found == [("", 2), ("one", 2), ("zwei ü", 2)]
        emptied.command("TRUNCATE TABLE spans")


def test_verdicts_and_labels_come_from_spans_and_from_logs(emptied: Client, installed: Insertion) -> None:
    verdict = {a.EVALUATION_NAME: "orm", a.EVALUATION_SCORE_VALUE: 0.4, a.VERDICT_THRESHOLD: 0.7}
    label = {a.EVALUATION_KIND: "ground_truth", a.EVALUATION_SCORE_VALUE: 1.0, a.LABEL_SOURCE: "human"}
    told = span_of(
        {**CALL, a.REQUEST_ID: "r1", a.ATTEMPT: 2}, events=[(a.EVALUATION_EVENT, each) for each in (verdict, label)]
    )
    installed.insert_segment(emptied, Signal.TRACES, [frame(traces([told]), "default", RECEIVED)], "of-spans")
    records = [record({**each, a.REQUEST_ID: "r2"}, event=a.EVALUATION_EVENT) for each in (verdict, label)]
    installed.insert_segment(emptied, Signal.LOGS, [frame(logs(records), "default", RECEIVED)], "of-logs")
    verdicts = "SELECT request_id, attempt, verifier, passed FROM verdicts ORDER BY request_id"
    assert emptied.query(verdicts).result_rows == [("r1", 2, "orm", False), ("r2", None, "orm", False)]
    labels = "SELECT request_id, attempt, correct, source FROM labels ORDER BY request_id"
    assert emptied.query(labels).result_rows == [("r1", 2, True, "human"), ("r2", None, True, "human")]
    assert counted(emptied, "log_records") == 2


def test_large_segments_with_and_without_verdicts_go_in_whole(emptied: Client, installed: Insertion) -> None:
    told = span_of({**CALL, a.REQUEST_ID: "r1"}, 61, events=[(a.EVALUATION_EVENT, {a.EVALUATION_NAME: "orm"})])
    frames = [frame(big(), "default", RECEIVED), frame(traces([told]), "default", RECEIVED)]
    for _ in range(2):
        installed.insert_segment(emptied, Signal.TRACES, frames[:1], "without")
        assert (counted(emptied), counted(emptied, "verdicts")) == (60, 0)
    for _ in range(2):
        installed.insert_segment(emptied, Signal.TRACES, frames, "with")
        assert (counted(emptied), counted(emptied, "verdicts")) == (121, 1)


def test_evaluations_in_segments_that_are_not_flat_come_once_whichever_way_a_retry_goes(
    emptied: Client, installed: Insertion
) -> None:
    said = {**CALL, a.REQUEST_ID: "r1", "deep": {"a": {"b": 1}}}
    told = span_of(said, 61, events=[(a.EVALUATION_EVENT, {a.EVALUATION_NAME: "orm"})])
    frames = [frame(big(), "default", RECEIVED), frame(traces([told]), "default", RECEIVED)]
    for taken_for_deep in (0, 1, 0):
        installed.taken_for_deep = taken_for_deep
        installed.insert_segment(emptied, Signal.TRACES, frames, "deep")
        assert (counted(emptied), counted(emptied, "verdicts")) == (61, 1)
    assert emptied.query("SELECT request_id, verifier FROM verdicts").result_rows == [("r1", "orm")]


def test_what_was_in_quarantine_comes_back_as_whose_it_was(
    emptied: Client, installed: Insertion, tmp_path: Path
) -> None:
    quarantine = Quarantine(tmp_path, Telemetry())
    quarantine.put_request(Signal.TRACES, frame(body(3), "alpha", RECEIVED), "segment/3", "why")
    (tmp_path / "other.pb").write_bytes(body(2, first=4))
    (kept,) = tmp_path.glob("segment*.pb")
    for _ in range(2):
        replay = Replay(emptied, installed, project="beta")
        for path in (kept, tmp_path / "other.pb"):
            replay.insert(path, read_requests(path))
        assert (replay.spans, replay.bad_requests) == (5, [])
    told = "SELECT project, toUnixTimestamp64Nano(min(received)), count() FROM spans GROUP BY project ORDER BY project"
    alpha, beta = emptied.query(told).result_rows
    assert alpha == ("alpha", RECEIVED, 3)
    assert beta[0] == "beta"
    assert beta[2] == 2


def test_spans_of_many_months_are_one_insert(emptied: Client, installed: Insertion) -> None:
    told = [span_of(CALL, number) for number in range(1, 241)]
    for number, each in enumerate(told):
        each.start_time_unix_nano = RECEIVED - number * 31 * 86_400 * 10**9
    whole = [frame(traces(told), "default", RECEIVED)]
    installed.insert_natively(emptied, Signal.TRACES, whole, "months")
    installed.insert_segment(emptied, Signal.TRACES, whole, "months-rows")
    assert counted(emptied) == 480


# --- failures -------------------------------------------------------------------------------------


def test_bytes_that_nobody_can_decode_are_refused_for_good(emptied: Client, installed: Insertion) -> None:
    broken = frame(cut_inside(), "default", RECEIVED)
    for insert in (installed.insert_natively, installed.insert_segment):
        with pytest.raises(PermanentError, match="does not take a segment"):
            insert(emptied, Signal.TRACES, [frame(body(2), "default", RECEIVED), broken], "broken")
    with pytest.raises(PermanentError, match="not an OTLP export request of traces"):
        installed.insert_frame(emptied, Signal.TRACES, broken, "broken/1")
    assert counted(emptied) == 0


def test_what_the_store_alone_refuses_is_inserted_as_python_reads_it(emptied: Client, installed: Insertion) -> None:
    odd = frame(wrong_wire_type(), "default", RECEIVED)
    with pytest.raises(PermanentError):
        installed.insert_natively(emptied, Signal.TRACES, [odd], "odd")
    for _ in range(2):
        installed.insert_frame(emptied, Signal.TRACES, odd, "odd/0")
    assert emptied.query("SELECT span_id, kind FROM spans").result_rows == [(f"{9:016x}", "unspecified")]


def test_a_segment_of_the_other_signal_is_refused_or_holds_nothing(emptied: Client, installed: Insertion) -> None:
    with pytest.raises(PermanentError):
        installed.insert_frame(emptied, Signal.LOGS, b"\x00garbage", "garbage")
    assert counted(emptied, "log_records") == 0


def test_a_store_without_memory_is_tried_again(emptied: Client, installed: Insertion) -> None:
    whole = [frame(big(), "default", RECEIVED)]
    emptied.set_client_setting("max_memory_usage", 1_000_000)
    try:
        with pytest.raises(RetryableError):
            installed.insert_segment(emptied, Signal.TRACES, whole, "memory")
    finally:
        emptied.set_client_setting("max_memory_usage", 0)
    installed.insert_segment(emptied, Signal.TRACES, whole, "memory")
    assert counted(emptied) == 60


def test_without_its_tables_it_is_tried_again(empty_database: StoreAddress) -> None:
    with connect(empty_database, database="") as client:
        client.command(f"CREATE DATABASE {empty_database.database}")
    with connect(empty_database) as client, pytest.raises(RetryableError, match="could not be prepared"):
        install(client, embedded=True)


def test_tokens_and_rows_outlast_a_killed_store(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, port=0) as own:
        migrate(own.address)
        sent = {"small": frame(body(3), "default", RECEIVED), "large": frame(big(), "other", RECEIVED)}
        with connect(own.address) as client:
            before = install(client, embedded=True)
            for token, part in sent.items():
                before.insert_segment(client, Signal.TRACES, [part], token)
        own._child.kill()
        own._child.wait()
        with pytest.raises(RetryableError), connect(own.address) as client:
            before.insert_segment(client, Signal.TRACES, [sent["small"]], "small")
        own.restart()
        with connect(own.address) as client:
            after = install(client, embedded=True)
            for token, part in sent.items():
                after.insert_segment(client, Signal.TRACES, [part], token)
            assert counted(client) == 63


# --- getting ready --------------------------------------------------------------------------------


def test_rows_are_made_to_last_in_the_embedded_store(module_client: Client, installed: Insertion) -> None:
    assert installed.native, installed.reason
    for table in ("spans", "log_records", "verdicts", "labels"):
        made = module_client.query(f"SHOW CREATE TABLE {table}").result_rows[0][0]
        assert "fsync_after_insert = 1" in made
        assert "fsync_part_directory = 1" in made


def test_nothing_is_left_of_the_canary_and_of_earlier_versions(
    database: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(database) as client:
        client.command("CREATE TABLE otlp_traces_fedcba987654 (x Int8) ENGINE = Null")
        assert install(client, embedded=True).native
        assert client.command("EXISTS otlp_traces_fedcba987654") == 1  # another collector may be inserting through it
        client.command("ALTER TABLE labels ADD COLUMN later String")
        monkeypatch.setattr("thinkmeter.collector.installation.ABANDONED_S", -1)
        client.command("CREATE TABLE otlp_traces_0123456789ab (x Int8) ENGINE = Null")
        assert install(client, embedded=True).native
        sql = "SELECT name FROM system.tables WHERE database = currentDatabase()"
        left = {name for (name,) in client.query(sql).result_rows}
        assert not [name for name in left if name.startswith("canary") or "0123456789ab" in name]
        # where it was done already nothing is done again, and a changed table is another version
        install(client, embedded=True)
        assert {name for (name,) in client.query(sql).result_rows} == left
        client.command("ALTER TABLE verdicts ADD COLUMN later String")
        assert install(client, embedded=True).native
        assert len({name for (name,) in client.query(sql).result_rows} & left) < len(left)


def test_two_collectors_may_start_while_a_third_inserts(database: StoreAddress) -> None:
    failures: list[BaseException] = []
    inserted = 0

    def start() -> None:
        try:
            with connect(database) as client:
                assert install(client, embedded=True).native
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            failures.append(error)

    with connect(database) as client:
        insertion = install(client, embedded=True)
        others = [threading.Thread(target=start) for _ in range(2)]
        for other in others:
            other.start()
        while any(other.is_alive() for other in others) or inserted == 0:
            whole = [frame(body(1, first=inserted + 1), "default", RECEIVED)]
            insertion.insert_natively(client, Signal.TRACES, whole, f"segment {inserted}")
            inserted += 1
        assert failures == []
        assert counted(client) == inserted


def test_a_server_gets_the_schema_in_the_insert(database: StoreAddress) -> None:
    with connect(database) as client:
        insertion = install(client, embedded=False)
        assert insertion.native, insertion.reason
        insertion.insert_segment(client, Signal.TRACES, [frame(big(), "default", RECEIVED)], "big")
        assert counted(client) == 60


def test_where_the_store_decodes_otherwise_python_inserts_and_says_so(
    database: StoreAddress, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(database) as client:
        client.command("ALTER TABLE verdicts MODIFY COLUMN threshold Nullable(Float32)")
        with caplog.at_level(logging.WARNING, "thinkmeter.collector.insertion"):
            insertion = install(client, embedded=True)
        assert not insertion.native
        assert "verdicts.threshold" in insertion.reason
        assert insertion.reason in caplog.text
        insertion.insert_segment(client, Signal.TRACES, [frame(big(), "default", RECEIVED)], "big")
        assert counted(client) == 60


def test_where_the_store_cannot_decode_python_inserts(database: StoreAddress) -> None:
    with connect(database) as client:
        client.set_client_setting("max_ast_elements", 1000)  # a profile under which the insert is too long
        insertion = install(client, embedded=True)
        assert not insertion.native
        assert "too big" in insertion.reason
        insertion.insert_segment(client, Signal.TRACES, [frame(big(), "default", RECEIVED)], "s")
        assert counted(client) == 60


def test_how_fast_segments_go_in(emptied: Client, installed: Insertion, capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        **CALL,
        a.RESPONSE_ID: "resp",
        a.REQUEST_ID: "r",
        a.TASK: "t",
        a.TIER: 1,
        a.USAGE_RAW: '{"prompt_tokens": 10}',
    }
    told |= {f"some.attribute.{number}": f"value {number}" for number in range(10)}
    for count, native in ((20_000, True), (100, True), (100, False)):
        whole = [frame(traces([span_of(told, number + 1) for number in range(count)]), "default", RECEIVED)]
        started = time.perf_counter()
        if native:
            installed.insert_natively(emptied, Signal.TRACES, whole, f"speed-{count}")
        else:
            installed.insert_segment(emptied, Signal.TRACES, whole, f"speed-{count}-rows")
        took = time.perf_counter() - started
        decoder = "store" if native else "Python"
        with capsys.disabled():
            print(f"\n{count} spans, {len(whole[0]) / 1e6:.1f} MB, {decoder}: {count / took:,.0f}/s, {took:.3f} s")
    assert counted(emptied) == 20_200
