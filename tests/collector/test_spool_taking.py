"""When the writer gets a segment: as soon as it is worth an insert, and not sooner."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from tests.collector.test_spool import NO_RESERVE, WAIT_S, contents, taken
from tests.collector.test_spool import spool as spool
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool import BESIDE, GAP_AGES, LARGE_BYTES, WORTH_BYTES, Spool
from thinkmeter.collector.telemetry import Telemetry


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
    settings = NO_RESERVE.model_copy(update={"segment_age_s": 2.0})
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    spool._removed_s[Signal.TRACES] -= 4.0  # so long ago the store took something
    begun_s = time.monotonic()
    spool.append(Signal.TRACES, b"first", 1).result(WAIT_S)
    segment = taken(spool)
    assert contents(segment) == [b"first"]
    assert time.monotonic() - begun_s < 2.0
    spool.remove(Signal.TRACES, segment)
    begun_s = time.monotonic()
    spool.append(Signal.TRACES, b"second", 1).result(WAIT_S)
    segment = taken(spool)
    assert contents(segment) == [b"second"]  # it waited for company
    assert time.monotonic() - begun_s >= 1.9
    spool.close()


def test_several_take_at_once_each_another_and_end_in_any_order(tmp_path: Path) -> None:
    settings = CollectorSettings(segment_spans=1, min_free_disk_bytes=0)
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    for number in range(3):
        spool.append(Signal.TRACES, b"%d" % number, 1).result(WAIT_S)
    first, second = taken(spool), taken(spool)
    assert (contents(first), contents(second), spool.waits(Signal.TRACES)) == ([b"0"], [b"1"], 1)
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


def test_one_beside_another_waits_until_it_is_worth_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_RESERVE.model_copy(update={"segment_age_s": 3600.0}), Telemetry())
    spool.append(Signal.TRACES, b"a" * LARGE_BYTES, 1).result(WAIT_S)
    first = taken(spool)
    for _ in range(BESIDE - 1):
        spool.append(Signal.TRACES, b"b" * LARGE_BYTES, 1).result(WAIT_S)
    with ThreadPoolExecutor() as pool:
        beside = pool.submit(taken, spool)
        assert not wait([beside], 0.2).done
        spool.append(Signal.TRACES, b"c" * LARGE_BYTES, 1).result(WAIT_S)
        assert [frame[:1] for frame in contents(beside.result(WAIT_S))] == [b"b"] * (BESIDE - 1) + [b"c"]
        spool.append(Signal.TRACES, b"d" * LARGE_BYTES, 1).result(WAIT_S)
        alone = pool.submit(taken, spool)
        for segment in (first, beside.result()):
            assert not alone.done()
            spool.remove(Signal.TRACES, segment)
        assert [frame[:1] for frame in contents(alone.result(WAIT_S))] == [b"d"]
    spool.close()


def test_what_is_left_of_a_burst_does_not_wait_for_its_age(tmp_path: Path) -> None:
    age_s = 5.0
    spool = Spool(tmp_path / "spool", NO_RESERVE.model_copy(update={"segment_age_s": age_s}), Telemetry())
    with ThreadPoolExecutor() as pool:
        for content, beside in ((b"a", 1), (b"b", BESIDE)):
            spool.append(Signal.TRACES, content, 1).result(WAIT_S)
            begun_s = time.monotonic()
            left = pool.submit(taken, spool)
            if beside > 1:  # too little to be planned by itself
                assert not wait([left], 3 * GAP_AGES * age_s).done
            spool.append(Signal.TRACES, content * (beside * WORTH_BYTES), 1).result(WAIT_S)
            assert [frame[:1] for frame in contents(left.result(WAIT_S))] == [content, content]
            assert time.monotonic() - begun_s < age_s
    spool.close()


def test_a_large_segment_is_taken_however_young_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", NO_RESERVE.model_copy(update={"segment_age_s": 3600.0}), Telemetry())
    spool.append(Signal.TRACES, b"a" * LARGE_BYTES, 1).result(WAIT_S)
    assert [len(frame) for frame in contents(taken(spool))] == [LARGE_BYTES]
    spool.close()
