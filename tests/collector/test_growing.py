"""A segment goes into the store as it grows: whole or not at all, once, whatever happens in the middle of it."""

import errno
import os
import signal as signals
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.inserting import CALL, big, body, counted, cut_inside
from tests.collector.inserting import emptied as emptied
from tests.collector.inserting import installed as installed
from tests.collector.inserting import module_client as module_client
from tests.collector.otlp import RECEIVED, logs, record, span_of, traces
from tests.collector.test_http import post
from tests.collector.test_writer import counter, own_store, send
from tests.collector.traffic import spans, stored_spans, with_odd_field
from tests.waiting import WAIT_S, wait_for
from thinkmeter.collector import spool_queue, writer
from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_queue import ALONG_BYTES
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema import attributes as a
from thinkmeter.schema.errors import PermanentError, RetryableError
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore

own_store = own_store
TABLES = {Signal.TRACES: ("spans", "verdicts", "labels"), Signal.LOGS: ("log_records", "verdicts", "labels")}
UNDERWAY = "SELECT count() FROM system.processes WHERE current_database = currentDatabase() AND query_kind = 'Insert'"


def rows_of(client: Client, signal: Signal) -> list[Sequence[Any]]:
    """How many rows each table has, and a sum over all that is in them but for when they came."""
    return [
        client.query(
            f"SELECT count(), sum(cityHash64(*)) FROM (SELECT * EXCEPT '^inserted$' FROM {table})"
        ).result_rows[0]
        for table in TABLES[signal]
    ]


def requests(signal: Signal, evaluations: bool) -> list[bytes]:
    """Twenty frames of 600 kB."""
    verdict = {a.EVALUATION_NAME: "orm", a.EVALUATION_SCORE_VALUE: 0.4, a.VERDICT_THRESHOLD: 0.7}
    made = []
    for number in range(0, 600, 30):
        said = [{a.REQUEST_ID: f"r{n}", "padding": "x" * 20_000} for n in range(number, number + 30)]
        if signal is Signal.TRACES:
            events = [(a.EVALUATION_EVENT, verdict)] if evaluations else []
            exported = traces([span_of({**CALL, **each}, number + n + 1, events=events) for n, each in enumerate(said)])
        else:
            event = a.EVALUATION_EVENT if evaluations else "app.event"
            exported = logs([record({**verdict, **each}, event=event) for each in said])
        made.append(frame(exported, f"project {number % 4}", RECEIVED + number))
    return made


@pytest.mark.parametrize("evaluations", [False, True], ids=["calls", "evaluations"])
@pytest.mark.parametrize("signal", Signal)
def test_what_came_as_it_grew_is_what_would_have_come_whole(
    emptied: Client, installed: Insertion, tmp_path: Path, signal: Signal, evaluations: bool
) -> None:
    frames = requests(signal, evaluations)
    spool = Spool(tmp_path / "spool", CollectorSettings(segment_age_s=3600, min_free_disk_bytes=0), Telemetry())
    for each in frames[:4]:
        spool.append(signal, each, 30).result(WAIT_S)
    segment = spool.take(signal)
    assert segment is not None
    assert (segment.ended_s, len(segment.places)) == (None, 4)
    with ThreadPoolExecutor() as pool:
        insert = pool.submit(installed.insert_growing, emptied, signal, spool.growing(segment), segment.segment_id)
        for each in frames[4:]:
            spool.append(signal, each, 30).result(WAIT_S)
            wait_for(lambda: segment.is_awaited)
        assert not insert.done()
        spool.close()
        insert.result(WAIT_S)
    grown = rows_of(emptied, signal)
    # after a crash it is sent whole, under the same token
    installed.insert_segment(emptied, signal, segment.read().frames, segment.segment_id)
    assert rows_of(emptied, signal) == grown
    for table in TABLES[signal]:
        emptied.command(f"TRUNCATE TABLE {table}")
    installed.insert_segment(emptied, signal, frames, f"whole {signal} {evaluations}")
    assert rows_of(emptied, signal) == grown
    assert grown[0][0] == 600
    assert grown[1][0] == (600 if evaluations else 0)


def test_an_insert_is_planned_before_the_first_frame_is_there(
    emptied: Client, installed: Insertion, database: StoreAddress
) -> None:
    come = threading.Event()

    def later() -> Iterator[bytes]:
        assert come.wait(WAIT_S)
        yield frame(body(3), "default", RECEIVED)

    with ThreadPoolExecutor() as pool, connect(database.with_database(str(emptied.database))) as other:
        insert = pool.submit(installed.insert_growing, emptied, Signal.TRACES, Frames(later), "later")
        wait_for(lambda: other.command(UNDERWAY) == 1)
        come.set()
        insert.result(WAIT_S)
    assert counted(emptied) == 3


def test_one_into_which_nothing_came_stores_nothing(emptied: Client, installed: Insertion) -> None:
    for signal in Signal:
        installed.insert_growing(emptied, signal, [], f"nothing of {signal}")
    assert counted(emptied) == counted(emptied, "log_records") == 0


@pytest.mark.parametrize("sent", [0, 1, 3])
def test_of_one_that_is_cut_off_nothing_is_stored_and_it_comes_whole_when_tried_again(
    emptied: Client, installed: Insertion, sent: int
) -> None:
    def broken() -> Iterator[bytes]:
        for number in range(sent):
            yield frame(big(60), "default", RECEIVED + number)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(RetryableError, match="Input/output error"):
        installed.insert_growing(emptied, Signal.TRACES, Frames(broken), f"cut {sent}")
    assert counted(emptied) == 0
    whole = [frame(big(60), "default", RECEIVED + number) for number in range(4)]
    installed.insert_growing(emptied, Signal.TRACES, whole, f"cut {sent}")
    assert counted(emptied) == 240


def test_one_in_which_nobody_can_decode_something_is_refused_for_good(emptied: Client, installed: Insertion) -> None:
    frames = [frame(sent, "default", RECEIVED) for sent in (big(60), cut_inside(), big(60))]
    with pytest.raises(PermanentError, match="does not take a segment"):
        installed.insert_growing(emptied, Signal.TRACES, frames, "broken")
    assert counted(emptied) == 0


class Frames:
    """Frames that are made whenever they are gone through."""

    def __init__(self, made: Callable[[], Iterator[bytes]]) -> None:
        self._made = made

    def __iter__(self) -> Iterator[bytes]:
        return self._made()


# --- the collector ------------------------------------------------------------------------------------


@pytest.fixture
def patient(settings: CollectorSettings) -> CollectorSettings:
    """Segments grow as long as a test wants them to, unless they are large."""
    return settings.model_copy(update={"segment_age_s": 600.0, "drain_s": 60.0})


def large(numbers: range) -> bytes:
    """A request of which a segment is large enough to be inserted as it grows, and too small to end by itself."""
    request = spans(numbers)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.status.message = "x" * (ALONG_BYTES // len(numbers))
    return request.SerializeToString()


def begin_to_grow(collector: Collector, client: Client, numbers: range) -> None:
    assert post(collector, "/v1/traces", large(numbers))[0] == 200
    wait_for(lambda: client.command(UNDERWAY) == 1)


def test_a_stop_ends_what_grows(
    database: StoreAddress, client: Client, tmp_path: Path, patient: CollectorSettings
) -> None:
    with Collector(database, tmp_path, patient) as collector:
        begin_to_grow(collector, client, range(1, 11))
        send(collector, range(11, 21))
        assert stored_spans(client) == []
    assert stored_spans(client) == list(range(1, 21))
    assert list((tmp_path / "spool").glob("*.segment")) == []


def test_a_store_that_dies_while_one_grows_gets_it_whole(
    own_store: EmbeddedStore, tmp_path: Path, patient: CollectorSettings
) -> None:
    with Collector(own_store.address, tmp_path, patient) as collector:
        with connect(own_store.address) as client:
            begin_to_grow(collector, client, range(1, 11))
        os.kill(own_store.pid, signals.SIGKILL)
        own_store.restart()
        send(collector, range(11, 21))
        with connect(own_store.address) as client:
            wait_for(lambda: client.command(UNDERWAY) == 1)  # again, from the first
            send(collector, range(21, 31))
            assert stored_spans(client) == []
    with connect(own_store.address) as client:
        assert stored_spans(client) == list(range(1, 31))


def test_what_the_store_refuses_of_one_that_grows_goes_its_own_way(
    database: StoreAddress, client: Client, tmp_path: Path, patient: CollectorSettings
) -> None:
    with Collector(database, tmp_path, patient) as collector:
        begin_to_grow(collector, client, range(1, 11))
        assert post(collector, "/v1/traces", with_odd_field(11))[0] == 200
        send(collector, range(12, 21))
    assert stored_spans(client) == list(range(1, 21))
    assert counter(collector, "split_segments", signal="traces") == 1
    assert counter(collector, "written_items", signal="traces") == 20


def test_a_burst_goes_in_side_by_side_through_as_many_lanes_as_there_are(
    database: StoreAddress, client: Client, tmp_path: Path, patient: CollectorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(writer.LANES, Signal.TRACES, 4)
    monkeypatch.setattr(spool_queue, "BEHIND_BYTES", 1)  # whoever waits always gets another one
    with Collector(database, tmp_path, patient) as collector:
        for start in range(1, 801, 10):
            assert post(collector, "/v1/traces", large(range(start, start + 10)))[0] == 200
        wait_for(lambda: client.command(UNDERWAY) == 4)
    assert stored_spans(client) == list(range(1, 801))
    assert counter(collector, "written_items", signal="traces") == 800


def test_deep_spans_in_one_that_grows_are_stored_once(
    database: StoreAddress, client: Client, tmp_path: Path, patient: CollectorSettings
) -> None:
    with Collector(database, tmp_path, patient) as collector:
        begin_to_grow(collector, client, range(1, 11))
        deep = traces([span_of({**CALL, "deep": {"a": {"b": 1}}}, 11)])
        assert post(collector, "/v1/traces", deep)[0] == 200
        send(collector, range(12, 21))
    assert stored_spans(client) == list(range(1, 21))
    assert counter(collector, "split_segments", signal="traces") == 0
