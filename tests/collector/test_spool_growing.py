"""A segment that is taken while it grows: read as it comes, ended once it is read, begun before anything is there."""

import errno
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.collector.test_spool import NO_RESERVE, WAIT_S, contents, taken
from tests.collector.test_spool_taking import NEVER_S, opened, put
from tests.waiting import wait_for
from thinkmeter.collector import spool_queue
from thinkmeter.collector.refusal import Deferred
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import SUFFIX, Segment
from thinkmeter.collector.spool_queue import (
    ALONG_BYTES,
    BEHIND_BYTES,
    LASTING_AGES,
    LASTING_BYTES,
    PILE_BYTES,
    WORTH_BYTES,
)
from thinkmeter.collector.telemetry import Telemetry


def has_ended(segment: Segment) -> bool:
    return segment.ended_s is not None


class Reading:
    """Reads a segment as it grows, in a thread of its own."""

    def __init__(self, pool: ThreadPoolExecutor, spool: Spool, segment: Segment) -> None:
        self.sizes: list[int] = []
        self._spool, self._segment = spool, segment
        self.done: Future[None] = pool.submit(self._read)

    def _read(self) -> None:
        for frame in self._spool.growing(self._segment):
            self.sizes.append(len(frame))


def test_a_large_segment_is_taken_however_young_it_is_and_read_as_it_grows(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with ThreadPoolExecutor() as pool:
        put(spool, b"a" * ALONG_BYTES)
        segment = taken(spool)
        reading = Reading(pool, spool, segment)
        put(spool, b"b" * 10)
        wait_for(lambda: reading.sizes == [ALONG_BYTES, 10])
        put(spool, b"b" * 20)
        wait_for(lambda: reading.sizes == [ALONG_BYTES, 10, 20])
        assert not has_ended(segment)
        spool.close()
        reading.done.result(WAIT_S)
    assert has_ended(segment)
    assert contents(segment) == [b"a" * ALONG_BYTES, b"b" * 10, b"b" * 20]
    assert list(spool.growing(segment)) == contents(segment)  # again, from the first


def test_a_segment_ends_once_it_is_read_and_old_enough_and_not_while_its_reader_is_busy(tmp_path: Path) -> None:
    spool = opened(tmp_path, age_s=0.05)
    put(spool, b"a" * ALONG_BYTES)
    segment = taken(spool)
    frames = iter(spool.growing(segment))
    assert len(next(frames)) == ALONG_BYTES
    wait_for(lambda: time.monotonic() - segment.opened_s > 1.0)  # many times its age
    put(spool, b"b")
    assert not has_ended(segment)
    assert list(frames) == [b"b"]
    assert has_ended(segment)
    put(spool, b"c")  # goes into another
    assert contents(segment)[1:] == [b"b"]
    spool.close()
    assert contents(taken(spool)) == [b"c"]


def test_a_segment_ends_when_it_is_full_though_somebody_reads_it(tmp_path: Path) -> None:
    settings = NO_RESERVE.model_copy(update={"segment_age_s": NEVER_S, "segment_spans": 3})
    spool = Spool(tmp_path / "spool", settings, Telemetry())
    put(spool, b"a" * ALONG_BYTES)
    with ThreadPoolExecutor() as pool:
        reading = Reading(pool, spool, taken(spool))
        put(spool, b"b")
        put(spool, b"c")
        reading.done.result(WAIT_S)
        assert reading.sizes == [ALONG_BYTES, 1, 1]
    spool.close()


def test_another_grows_beside_one_whose_reader_is_behind_and_waits_for_nobody(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with ThreadPoolExecutor() as pool:
        put(spool, b"a" * ALONG_BYTES)
        first = taken(spool)
        second = pool.submit(taken, spool)
        wait_for(lambda: spool._queues[Signal.TRACES].hungry == 1)
        put(spool, b"a" * BEHIND_BYTES)
        assert not second.done()
        put(spool, b"b" * ALONG_BYTES)
        reading = Reading(pool, spool, second.result(WAIT_S))
        wait_for(lambda: reading.sizes == [ALONG_BYTES])
        put(spool, b"b")  # its reader keeps up, that of the first does not
        wait_for(lambda: reading.sizes == [ALONG_BYTES, 1])
        assert len(first.places) == 2
        whole = Reading(pool, spool, first)
        wait_for(lambda: len(whole.sizes) == 2)
        put(spool, b"a")  # the first is read again, and the one to grow
        wait_for(lambda: len(whole.sizes) == 3)
        spool.close()
        reading.done.result(WAIT_S)
        whole.done.result(WAIT_S)
    assert reading.sizes == [ALONG_BYTES, 1]


@pytest.mark.parametrize(("size", "ages"), [(ALONG_BYTES, 1.0), (LASTING_BYTES, LASTING_AGES)], ids=["some", "lasting"])
def test_a_load_that_lasts_is_fewer_and_larger_segments(tmp_path: Path, size: int, ages: float) -> None:
    age_s = 1.0
    spool = opened(tmp_path, age_s)
    with ThreadPoolExecutor() as pool:
        put(spool, b"a" * size)
        segment = taken(spool)
        reading = Reading(pool, spool, segment)
        while not has_ended(segment):
            put(spool, b"b")
        reading.done.result(WAIT_S)
    assert segment.ended_s is not None
    assert ages * age_s <= segment.ended_s - segment.opened_s < (ages + 1.0) * age_s
    spool.close()


def test_it_is_behind_while_much_was_not_read_however_many_segments_that_is(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for _ in range(2):
        put(spool, b"a" * (PILE_BYTES // 2))
    segment = taken(spool)
    assert spool.is_behind(Signal.TRACES)
    frames = iter(spool.growing(segment))
    for behind in (True, False):  # what it hands out it counts as read once it is asked for the next
        assert len(next(frames)) == PILE_BYTES // 2
        assert spool.is_behind(Signal.TRACES) is behind
    spool.close()


def test_a_burst_that_nobody_else_waits_for_is_one_segment(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    put(spool, b"a" * ALONG_BYTES)
    segment = taken(spool)
    put(spool, b"a" * BEHIND_BYTES)
    put(spool, b"a")
    assert [place.size for place in segment.places] == [ALONG_BYTES, BEHIND_BYTES, 1]
    spool.close()


def test_what_a_failing_disk_has_not_got_is_not_read_and_the_segment_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    with ThreadPoolExecutor() as pool:
        put(spool, b"a" * ALONG_BYTES)
        segment = taken(spool)
        reading = Reading(pool, spool, segment)
        wait_for(lambda: segment.is_awaited)
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", fails)
            with pytest.raises(Deferred, match="Input/output error"):
                put(spool, b"lost")
        reading.done.result(WAIT_S)
        assert reading.sizes == [ALONG_BYTES]
        assert contents(segment) == [b"a" * ALONG_BYTES]
        put(spool, b"again")
        assert len(segment.places) == 1
    spool.close()


def fails(descriptor: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


# --- segments ahead -----------------------------------------------------------------------------------


def after_a_large_one(spool: Spool) -> None:
    """One that ended a moment ago, and that the store has."""
    put(spool, b"a" * WORTH_BYTES)
    segment = taken(spool)
    assert [len(frame) for frame in spool.growing(segment)] == [WORTH_BYTES]
    spool.remove(Signal.TRACES, segment)


def test_after_a_large_segment_one_is_taken_ahead_and_what_comes_is_read_at_once(tmp_path: Path) -> None:
    spool = opened(tmp_path, age_s=0.2)
    after_a_large_one(spool)
    segment = taken(spool)
    assert (segment.size, has_ended(segment), list((tmp_path / "spool").glob(f"*{SUFFIX}"))) == (0, False, [])
    assert (spool.underway(Signal.TRACES), spool.lag_s(Signal.TRACES)) == (0, 0.0)
    assert spool.wait_until_empty(0)
    with ThreadPoolExecutor() as pool:
        reading = Reading(pool, spool, segment)
        wait_for(lambda: segment.is_awaited)
        put(spool, b"small")
        reading.done.result(WAIT_S)
        assert reading.sizes == [5]
        assert segment.path.exists()
        assert spool.underway(Signal.TRACES) == 1
        assert not spool.wait_until_empty(0)
        spool.remove(Signal.TRACES, segment)
        # that was not a large one: the next is one that holds something
        nothing = pool.submit(spool.take, Signal.TRACES)
        assert not wait([nothing], 0.1).done
        spool.close()
        assert nothing.result(WAIT_S) is None


def test_one_that_was_taken_ahead_ends_after_a_while_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_queue, "AHEAD_S", 0.2)
    spool = opened(tmp_path, age_s=0.01)
    after_a_large_one(spool)
    segment = taken(spool)
    begun_s = time.monotonic()
    assert list(spool.growing(segment)) == []
    assert 0.15 < time.monotonic() - begun_s < WAIT_S
    assert contents(segment) == []
    spool.remove(Signal.TRACES, segment)
    put(spool, b"later")
    later = taken(spool)
    assert (contents(later), list((tmp_path / "spool").glob(f"*{SUFFIX}"))) == ([b"later"], [later.path])
    spool.close()


def test_one_that_was_taken_ahead_ends_when_the_spool_is_closed_or_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path, age_s=0.01)
    for ending in ("failing", "closing"):
        after_a_large_one(spool)
        segment = taken(spool)
        assert segment.size == 0
        if ending == "failing":
            with monkeypatch.context() as broken:
                broken.setattr(os, "fdatasync", fails)
                with pytest.raises(Deferred):
                    put(spool, b"lost")
        else:
            spool.close()
        assert list(spool.growing(segment)) == []
        assert contents(segment) == []
        spool.remove(Signal.TRACES, segment)
    assert list((tmp_path / "spool").glob(f"*{SUFFIX}")) == []
    assert spool.take(Signal.TRACES) is None
