"""The spool keeps what it acknowledged, and nothing by halves: cut files, full disks, kill -9."""

import json
import os
import signal as signals
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.waiting import wait_for
from thinkmeter.collector.record import marker, read_records, record
from thinkmeter.collector.refusal import STATUS, Deferred, Reason
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import SUFFIX, Segment
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.errors import ThinkmeterError

WAIT_S = 10
NO_RESERVE = CollectorSettings(min_free_disk_bytes=0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    yield opened
    opened.close()


def taken(spool: Spool, signal: Signal = Signal.TRACES) -> Segment:
    segment = spool.take(signal)
    assert segment is not None
    return segment


def contents(segment: Segment) -> list[bytes]:
    return list(segment.read().frames)


def test_an_acknowledged_frame_is_in_a_file(spool: Spool, tmp_path: Path) -> None:
    spool.append(Signal.TRACES, b"frame", 3).result(WAIT_S)
    (path,) = (tmp_path / "spool").glob(f"*{SUFFIX}")
    read = read_records(path.read_bytes(), marker(path.stem))
    assert (read.frames, read.items) == ([b"frame"], [3])
    assert path.stat().st_mode & 0o777 == 0o600


def test_signals_go_into_segments_of_their_own(spool: Spool) -> None:
    spool.append(Signal.TRACES, b"a span", 1).result(WAIT_S)
    spool.append(Signal.LOGS, b"a record", 1).result(WAIT_S)
    assert contents(taken(spool, Signal.LOGS)) == [b"a record"]
    segment = taken(spool)
    assert contents(segment) == [b"a span"]


def test_a_segment_closes_at_its_spans_and_bytes(tmp_path: Path) -> None:
    settings = CollectorSettings(
        segment_spans=10, segment_bytes=1000, segment_age_s=3600, max_decompressed_bytes=1000, min_free_disk_bytes=0
    )
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    for frame, items in [(b"1", 6), (b"2", 6), (b"3" * 600, 1), (b"4" * 600, 1), (b"5" * 5000, 50), (b"6", 1)]:
        spool.append(Signal.TRACES, frame, items).result(WAIT_S)
    spool.close()
    segments = []
    while (segment := spool.take(Signal.TRACES)) is not None:
        segments.append([frame[:1] for frame in contents(segment)])
        spool.remove(Signal.TRACES, segment)
    assert segments == [[b"1"], [b"2", b"3"], [b"4"], [b"5"], [b"6"]]
    assert spool.wait_until_empty(0)
    assert list((tmp_path / "spool").glob(f"*{SUFFIX}")) == []


def test_a_segment_grows_while_the_writer_is_busy(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_RESERVE.model_copy(update={"segment_age_s": 0.01}), Telemetry())
    spool.append(Signal.TRACES, b"1", 1).result(WAIT_S)
    segment = taken(spool)
    assert contents(segment) == [b"1"]
    for number in range(2, 6):  # the writer is not back yet: these share a segment, however old it gets
        spool.append(Signal.TRACES, b"%d" % number, 1).result(WAIT_S)
    assert spool.lag_s(Signal.TRACES) > 0.0
    spool.remove(Signal.TRACES, segment)
    segment = taken(spool)
    assert contents(segment) == [b"2", b"3", b"4", b"5"]
    spool.close()


def test_one_fsync_serves_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry()
    entered, go = threading.Event(), threading.Event()
    fdatasync = os.fdatasync

    def slow_disk(descriptor: int) -> None:
        entered.set()
        assert go.wait(WAIT_S)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow_disk)
    spool = Spool(tmp_path / "spool", NO_RESERVE, telemetry)
    appends = [spool.append(Signal.TRACES, b"first", 1)]
    assert entered.wait(WAIT_S)
    appends += [spool.append(Signal.TRACES, b"%d" % number, 1) for number in range(50)]
    assert not any(append.done() for append in appends)
    go.set()
    for append in appends:
        append.result(WAIT_S)
    assert telemetry.registry.get_sample_value("thinkmeter_collector_fsync_seconds_count") == 2
    spool.close()


def test_what_was_left_is_handed_over_at_the_next_start(tmp_path: Path) -> None:
    first = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    first.append(Signal.TRACES, b"old", 1).result(WAIT_S)
    first.close()
    (path,) = (tmp_path / "spool").glob(f"*{SUFFIX}")
    with path.open("ab") as file:
        file.write(b"".join(record(marker(path.stem), b"torn", 1))[:-1])
    (tmp_path / "spool" / "traces-stray.segment").write_text("not ours")
    second = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    second.append(Signal.TRACES, b"new", 1).result(WAIT_S)
    segment = taken(second)
    assert segment.segment_id == path.stem
    assert contents(segment) == [b"old"]
    second.remove(Signal.TRACES, segment)
    segment = taken(second)
    assert contents(segment) == [b"new"]
    second.close()


def test_two_collectors_cannot_share_a_spool(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(ThinkmeterError, match=f"in use by process {os.getpid()}"):
        Spool(tmp_path / "spool", NO_RESERVE, Telemetry())


def test_a_full_spool_puts_off_until_the_store_took_some(tmp_path: Path) -> None:
    settings = CollectorSettings(max_spool_bytes=1000, min_free_disk_bytes=0, segment_age_s=0.01)
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    spool.append(Signal.TRACES, b"a" * 900, 1).result(WAIT_S)
    with pytest.raises(Deferred, match="the spool is full") as put_off:
        spool.append(Signal.TRACES, b"b" * 900, 1)
    assert put_off.value.reason is Reason.SPOOL_FULL
    segment = taken(spool)
    assert contents(segment) == [b"a" * 900]
    spool.remove(Signal.TRACES, segment)
    spool.append(Signal.TRACES, b"b" * 900, 1).result(WAIT_S)
    spool.close()


def test_a_store_that_takes_nothing_for_too_long_puts_off_and_what_waits_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # What an earlier run left, however long ago it was by the clock, puts nobody off as long as the store takes it.
    left = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    left.append(Signal.TRACES, b"old", 1).result(WAIT_S)
    left.close()
    (path,) = (tmp_path / "spool").glob(f"*{SUFFIX}")
    long_ago = f"traces-{time.time_ns() - 10**18:020d}-{path.stem[-32:]}{SUFFIX}"
    path.rename(tmp_path / "spool" / long_ago)
    settings = CollectorSettings(max_spool_age_s=0.2, min_free_disk_bytes=0, segment_age_s=0.01)
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    spool.append(Signal.TRACES, b"new", 1).result(WAIT_S)
    assert spool.lag_s(Signal.TRACES) > 10**8
    wait_for(lambda: "the store has taken nothing for" in spool.refusal())
    with pytest.raises(Deferred, match="what is in the spool is kept") as put_off:
        spool.append(Signal.TRACES, b"refused", 1)
    assert (put_off.value.reason, put_off.value.retry_after_s) == (Reason.SPOOL_OLD, 10.0)
    assert STATUS[put_off.value.reason] == (503, "UNAVAILABLE")
    spool.append(Signal.LOGS, b"of another table", 1).result(WAIT_S)
    assert [told.event for told in caplog.records] == ["spool.puts_off"]  # type: ignore[attr-defined]  # given as `extra`
    segment = taken(spool)
    assert contents(segment) == [b"old"]
    spool.remove(Signal.TRACES, segment)
    spool.append(Signal.TRACES, b"taken again", 1).result(WAIT_S)
    segment = taken(spool)
    assert contents(segment) == [b"new", b"taken again"]
    spool.close()


def test_room_is_left_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", CollectorSettings(min_free_disk_bytes=2**60), Telemetry())
    with pytest.raises(Deferred, match="the disk of the spool is full") as put_off:
        spool.append(Signal.TRACES, b"a", 1)
    assert put_off.value.reason is Reason.DISK
    assert "the disk of the spool is full" in spool.refusal()
    spool.close()


def test_a_closing_spool_puts_off(spool: Spool) -> None:
    spool.close()
    with pytest.raises(Deferred, match="stopping"):
        spool.append(Signal.TRACES, b"a", 1)


# --- a disk that fails --------------------------------------------------------------------------------

FILE_SIZE_LIMIT = """
import json, resource, sys
from pathlib import Path
from thinkmeter.collector.refusal import Deferred
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.telemetry import Telemetry
spool = Spool(Path(sys.argv[1]), CollectorSettings(min_free_disk_bytes=0), Telemetry())
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
outcomes = []
for number in range(12):
    try:
        spool.append(Signal.TRACES, b"%02d" % number * (200_000 if number % 6 == 5 else 1_000), 1).result(10)
        outcomes.append("stored")
    except Deferred as put_off:
        outcomes.append(str(put_off))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.append(Signal.TRACES, b"after" * 1_000_000, 1).result(10)
spool.close()
frames = []
while (segment := spool.take(Signal.TRACES)) is not None:
    assert segment.size == segment.path.stat().st_size
    frames += [frame[:5].decode() for frame in segment.read().frames]
    spool.remove(Signal.TRACES, segment)
print(json.dumps({"outcomes": outcomes, "frames": frames, "bytes": spool._bytes}))
"""


def test_a_write_that_fails_is_told_and_leaves_nothing_by_halves(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", FILE_SIZE_LIMIT, str(tmp_path / "spool")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told = json.loads(ran.stdout)
    stored = [number for number, outcome in enumerate(told["outcomes"]) if outcome == "stored"]
    assert 0 < len(stored) < 11
    assert {o for o in told["outcomes"] if o != "stored"} == {"the spool cannot be written: File too large"}
    assert told["frames"] == [f"{number:02d}" * 2 + f"{number:02d}"[0] for number in stored] + ["after"]
    assert told["bytes"] == 0


def test_after_a_failed_fsync_the_file_is_not_used_any_further(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel forgets which pages it failed to write, so a later fsync of the same file proves nothing.
    spool.append(Signal.TRACES, b"safe", 1).result(WAIT_S)
    with monkeypatch.context() as broken:

        def fails(descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        broken.setattr(os, "fdatasync", fails)
        with pytest.raises(Deferred, match="Input/output error"):
            spool.append(Signal.TRACES, b"lost", 1).result(WAIT_S)
    spool.append(Signal.TRACES, b"again", 1).result(WAIT_S)
    segment = taken(spool)
    assert contents(segment) == [b"safe"]
    spool.remove(Signal.TRACES, segment)
    segment = taken(spool)
    assert contents(segment) == [b"again"]


# --- kill -9 ------------------------------------------------------------------------------------------

APPENDS_UNTIL_KILLED = """
import sys
from pathlib import Path
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.telemetry import Telemetry
spool = Spool(Path(sys.argv[1]), CollectorSettings(min_free_disk_bytes=0, segment_spans=20), Telemetry())
number = 0
while True:
    appends = [spool.append(Signal.TRACES, b"%d " % (number + i) * 100, 1) for i in range(7)]
    for append in appends:
        append.result(10)
        number += 1
        print(number, flush=True)
"""


def test_kill_9_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", APPENDS_UNTIL_KILLED, str(tmp_path / "spool")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        acknowledged = 0
        while acknowledged < 300:
            acknowledged = int(child.stdout.readline())
        child.send_signal(signals.SIGKILL)
        acknowledged = max([acknowledged, *map(int, child.stdout.read().split("\n")[:-1])])
    spool = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    spool.close()
    found: list[int] = []
    while (segment := spool.take(Signal.TRACES)) is not None:
        found += [int(frame.split()[0]) for frame in contents(segment)]
        spool.remove(Signal.TRACES, segment)
    assert found[:acknowledged] == list(range(acknowledged))


def test_a_sender_that_hangs_up_does_not_stop_the_spool(spool: Spool) -> None:
    append: Future[None] = spool.append(Signal.TRACES, b"a", 1)
    assert not append.cancel()
    append.result(WAIT_S)
