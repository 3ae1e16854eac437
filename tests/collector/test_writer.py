"""The writer: a store that goes and comes, bodies that it refuses, segments that come twice."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.test_http import get, post
from tests.collector.traffic import TRACES_GARBAGE, log_records, spans, stored_spans, with_odd_field
from tests.waiting import wait_for
from thinkmeter.collector.record import marker, new_segment_id, record
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import SUFFIX
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

RECEIVED = 1_793_491_200 * 10**9


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store that a test may kill."""
    with EmbeddedStore(tmp_path / "store", port=0) as running:
        migrate(running.address)
        yield running


@pytest.fixture
def reference_decoder() -> None:
    """What reads the bodies that the store does not; its tests are skipped where it is not there."""
    pytest.importorskip("thinkmeter.collector.reference")


def send(collector: Collector, numbers: range) -> None:
    status, _, reply = post(collector, "/v1/traces", spans(numbers).SerializeToString())
    assert status == 200, reply


def spooled(directory: Path, signal: Signal, frames: list[bytes]) -> Path:
    """A segment as an earlier collector left it."""
    directory.mkdir(parents=True, exist_ok=True)
    segment_id = new_segment_id(signal)
    path = directory / f"{segment_id}{SUFFIX}"
    path.write_bytes(b"".join(b"".join(record(marker(segment_id), one, 1)) for one in frames))
    return path


def counter(collector: Collector, name: str, **labels: str) -> float:
    return collector.telemetry.registry.get_sample_value(f"thinkmeter_collector_{name}_total", labels) or 0.0


# --- a store that goes and comes ----------------------------------------------------------------------


def test_a_store_that_dies_in_the_middle_loses_nothing(
    own_store: EmbeddedStore, tmp_path: Path, settings: CollectorSettings
) -> None:
    with Collector(own_store.address, tmp_path, settings) as collector:
        send(collector, range(1, 101))
        os.kill(own_store.pid, signal.SIGKILL)
        for start in range(101, 501, 100):
            send(collector, range(start, start + 100))
        wait_for(lambda: json.loads(get(collector, "/readyz")[1])["problems"])
        own_store.restart()
        send(collector, range(501, 601))
        with connect(own_store.address) as client:
            wait_for(lambda: len(stored_spans(client)) >= 600)
            assert stored_spans(client) == list(range(1, 601))
        wait_for(lambda: get(collector, "/readyz")[0] == 200)


def test_a_collector_starts_before_its_store(tmp_path: Path, settings: CollectorSettings) -> None:
    with EmbeddedStore(tmp_path / "store", port=0) as first:
        address = first.address
    with Collector(address, tmp_path, settings) as collector:
        send(collector, range(1, 11))
        assert post(collector, "/v1/logs", log_records(range(5)).SerializeToString())[0] == 200
        with EmbeddedStore(tmp_path / "store", port=address.port) as second:
            migrate(second.address)  # a store without tables is as good as none
            with connect(second.address) as client:
                wait_for(lambda: stored_spans(client) == list(range(1, 11)))
                wait_for(lambda: client.command("SELECT count() FROM log_records") == 5)


def test_a_stop_writes_what_was_accepted(database: StoreAddress, client: Client, tmp_path: Path) -> None:
    patient = CollectorSettings(http_port=0, grpc_port=0, segment_age_s=60, min_free_disk_bytes=0, drain_s=60)
    with Collector(database, tmp_path, patient) as collector:
        send(collector, range(1, 51))
        assert stored_spans(client) == []
    assert stored_spans(client) == list(range(1, 51))
    assert list((tmp_path / "spool").glob(f"*{SUFFIX}")) == []


def test_a_stop_while_the_store_is_away_keeps_the_spool(
    client: Client, database: StoreAddress, tmp_path: Path, settings: CollectorSettings
) -> None:
    nowhere = StoreAddress("127.0.0.1", 1)
    with Collector(nowhere, tmp_path, settings.model_copy(update={"drain_s": 0})) as collector:
        send(collector, range(1, 11))
    assert len(list((tmp_path / "spool").glob(f"*{SUFFIX}"))) == 1
    with Collector(database, tmp_path, settings):
        wait_for(lambda: stored_spans(client) == list(range(1, 11)))


# --- bodies that the store refuses --------------------------------------------------------------------


@pytest.mark.usefixtures("reference_decoder")
def test_what_the_store_refuses_and_protobuf_does_not_is_stored_all_the_same(
    collector: Collector, client: Client
) -> None:
    for number in range(1, 20):
        body = with_odd_field(number) if number in (5, 6, 17) else spans([number]).SerializeToString()
        assert post(collector, "/v1/traces", body)[0] == 200
    wait_for(lambda: len(stored_spans(client)) >= 19)
    assert stored_spans(client) == list(range(1, 20))
    wait_for(lambda: counter(collector, "written_items", signal="traces") == 19)
    assert counter(collector, "quarantined_requests", signal="traces") == 0


@pytest.mark.usefixtures("reference_decoder")
@pytest.mark.parametrize("filler_bytes", [0, 700_000])
def test_what_both_refuse_is_kept_in_quarantine_and_its_neighbours_are_stored(
    database: StoreAddress, client: Client, tmp_path: Path, settings: CollectorSettings, filler_bytes: int
) -> None:
    # Small segments are read by Python from the start; large ones by the store, which refuses them whole.
    frames = [frame(spans([n]).SerializeToString(), "p", RECEIVED) for n in range(1, 12)]
    frames[3] = frame(TRACES_GARBAGE, "alpha", RECEIVED)
    frames[7] = frame(with_odd_field(8), "p", RECEIVED)
    large = spans([11])
    large.resource_spans[0].scope_spans[0].spans[0].status.message = "x" * filler_bytes
    frames[10] = frame(large.SerializeToString(), "p", RECEIVED)
    path = spooled(tmp_path / "spool", Signal.TRACES, frames)
    with Collector(database, tmp_path, settings) as collector:
        wait_for(lambda: not path.exists())
        assert stored_spans(client) == [n for n in range(1, 12) if n != 4]
        assert counter(collector, "quarantined_requests", signal="traces") == 1
    kept = sorted((tmp_path / "quarantine").iterdir())
    assert [file.suffix for file in kept] == [".json", ".pb"]
    assert kept[1].name == f"{path.stem}_3.pb"
    assert kept[1].read_bytes() == TRACES_GARBAGE
    told = json.loads(kept[0].read_text())
    assert (told["signal"], told["project"], told["received"]) == ("traces", "alpha", "2026-11-01T00:00:00+00:00")
    assert told["reason"]


@pytest.fixture
def unmerged(client: Client) -> Iterator[None]:
    """Spans of one key stay as many rows as were inserted."""
    # a collector starts merges that were stopped, so that they may but find nothing that is small enough
    sizes = ("max_bytes_to_merge_at_max_space_in_pool", "max_bytes_to_merge_at_min_space_in_pool")
    client.command(f"ALTER TABLE spans MODIFY SETTING {', '.join(f'{size} = 1' for size in sizes)}")
    yield
    client.command(f"ALTER TABLE spans RESET SETTING {', '.join(sizes)}")


@pytest.mark.usefixtures("reference_decoder", "unmerged")
def test_a_segment_that_comes_again_is_stored_once(
    database: StoreAddress, client: Client, tmp_path: Path, settings: CollectorSettings
) -> None:
    # As after a crash between the last insert and the deletion of the file, for a whole segment and for ones in parts.
    frames = [frame(spans([n]).SerializeToString(), "p", RECEIVED) for n in range(1, 12)]
    odd = [frame(with_odd_field(n), "p", RECEIVED) for n in range(12, 15)]
    paths = [
        spooled(tmp_path / "spool", Signal.TRACES, frames[:6]),
        spooled(tmp_path / "spool", Signal.TRACES, [*frames[6:], *odd[:2]]),
        # inserted beside one of the others
        spooled(tmp_path / "spool", Signal.TRACES, [frame(spans([15]).SerializeToString(), "p", RECEIVED), odd[2]]),
    ]
    for path in paths:
        shutil.copy(path, tmp_path / path.name)
    for _ in range(2):
        with Collector(database, tmp_path, settings):
            wait_for(lambda: not any(path.exists() for path in paths))
            assert stored_spans(client) == list(range(1, 16))
        for path in paths:
            shutil.copy(tmp_path / path.name, path)


def test_a_stretch_that_the_disk_changed_is_kept_apart(
    database: StoreAddress, client: Client, tmp_path: Path, settings: CollectorSettings
) -> None:
    frames = [frame(spans([n]).SerializeToString(), "p", RECEIVED) for n in range(1, 4)]
    path = spooled(tmp_path / "spool", Signal.TRACES, frames)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with Collector(database, tmp_path, settings):
        wait_for(lambda: not path.exists())
        assert stored_spans(client) == [1, 3]
    assert (tmp_path / "quarantine" / f"{path.stem}_damaged-0.pb").read_bytes() in bytes(data)


def test_a_spool_that_only_holds_a_torn_record_is_emptied(
    database: StoreAddress, tmp_path: Path, settings: CollectorSettings
) -> None:
    path = spooled(tmp_path / "spool", Signal.TRACES, [frame(spans([1]).SerializeToString(), "p", 1)])
    path.write_bytes(path.read_bytes()[:-3])
    with Collector(database, tmp_path, settings):
        wait_for(lambda: not path.exists())
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    spool.close()
    assert spool.waiting_bytes == 0
