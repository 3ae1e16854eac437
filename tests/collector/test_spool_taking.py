"""When the writer gets a segment: as soon as it is worth an insert, and not sooner."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from tests.collector.test_spool import NO_RESERVE, WAIT_S, contents, taken
from tests.collector.test_spool import spool as spool
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_queue import GAP_AGES, WORTH_BYTES
from thinkmeter.collector.telemetry import Telemetry

NEVER_S = 3600.0


def opened(folder: Path, age_s: float = NEVER_S) -> Spool:
    return Spool(folder / "spool", NO_RESERVE.model_copy(update={"segment_age_s": age_s}), Telemetry())


def put(spool: Spool, frame: bytes) -> None:
    spool.append(Signal.TRACES, frame, 1).result(WAIT_S)


def test_takers_that_wait_leave_the_processor_alone(spool: Spool) -> None:
    takers = [threading.Thread(target=spool.take, args=(signal,)) for signal in Signal]
    for taker in takers:
        taker.start()
    spent = time.process_time()
    for taker in takers:
        taker.join(0.25)  # nothing comes: how long is watched
    assert all(taker.is_alive() for taker in takers)
    assert time.process_time() - spent < 0.1
    spool.close()
    for taker in takers:
        taker.join(WAIT_S)
    assert not any(taker.is_alive() for taker in takers)


def test_the_first_segment_after_a_pause_is_taken_as_soon_as_nothing_more_comes(tmp_path: Path) -> None:
    spool = opened(tmp_path, age_s=2.0)
    spool._queues[Signal.TRACES]._removed_s -= 4.0  # so long ago the store took something
    begun_s = time.monotonic()
    put(spool, b"first")
    segment = taken(spool)
    assert contents(segment) == [b"first"]
    assert time.monotonic() - begun_s < 2.0
    spool.remove(Signal.TRACES, segment)
    begun_s = time.monotonic()
    put(spool, b"second")
    segment = taken(spool)
    assert contents(segment) == [b"second"]  # it waited for company
    assert time.monotonic() - begun_s >= 1.9
    spool.close()


def test_several_take_at_once_each_another_and_end_in_any_order(tmp_path: Path) -> None:
    settings = CollectorSettings(segment_spans=1, min_free_disk_bytes=0)
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    for number in range(3):
        put(spool, b"%d" % number)
    first, second = taken(spool), taken(spool)
    assert (contents(first), contents(second)) == ([b"0"], [b"1"])
    assert spool.underway(Signal.TRACES) == 2
    spool.remove(Signal.TRACES, second)
    assert not second.path.exists()
    assert first.path.exists()
    assert spool.lag_s(Signal.TRACES) >= time.monotonic() - first.opened_s - 0.1
    third = taken(spool)
    spool.remove(Signal.TRACES, third)
    assert not spool.wait_until_empty(0)
    spool.remove(Signal.TRACES, first)
    assert spool.wait_until_empty(0)
    assert (spool.lag_s(Signal.TRACES), spool.waiting_bytes) == (0.0, 0)
    spool.close()


def test_what_is_left_of_a_burst_does_not_wait_for_its_age(tmp_path: Path) -> None:
    age_s = 5.0
    spool = opened(tmp_path, age_s)
    with ThreadPoolExecutor() as pool:
        put(spool, b"a")
        left = pool.submit(taken, spool)
        assert not wait([left], 3 * GAP_AGES * age_s).done  # too little to be planned by itself
        begun_s = time.monotonic()
        put(spool, b"a" * WORTH_BYTES)
        assert list(spool.growing(left.result(WAIT_S))) == [b"a", b"a" * WORTH_BYTES]
        assert time.monotonic() - begun_s < age_s - 3 * GAP_AGES * age_s
    spool.close()
