"""A segment knows what was written to it, and reads it where the disk may have changed it since."""

import dataclasses
import errno
import os
from pathlib import Path

import pytest

from tests.collector.test_spool import NO_RESERVE, WAIT_S, contents, taken
from thinkmeter.collector.refusal import Deferred
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.spool_files import FRESH_S, Segment
from thinkmeter.collector.telemetry import Telemetry


def aged(segment: Segment) -> Segment:
    return dataclasses.replace(segment, opened_s=segment.opened_s - FRESH_S)


def test_a_segment_that_was_just_written_is_not_read_and_an_older_one_is(tmp_path: Path) -> None:
    frames = [b"one", b"t" * 5000, b"three"]
    spool = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    for number, frame in enumerate(frames, 1):
        spool.append(Signal.TRACES, frame, number).result(WAIT_S)
    segment = taken(spool)
    spool.close()
    fresh, older = segment.read(), aged(segment).read()
    for read in (fresh, older):
        assert (list(read.frames), read.items, read.damaged) == (frames, [1, 2, 3], [])
    with segment.path.open("r+b") as file:
        file.seek(segment.size - 1)
        file.write(b"X")
    assert list(segment.read().frames) == [*frames[:2], b"threX"]  # it was not looked at
    assert list(aged(segment).read().frames) == frames[:2]


def test_a_segment_that_was_cut_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool", NO_RESERVE, Telemetry())
    spool.append(Signal.TRACES, b"kept", 1).result(WAIT_S)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", full_disk)
        with pytest.raises(Deferred):
            spool.append(Signal.TRACES, b"lost", 1).result(WAIT_S)
    segment = taken(spool)
    spool.close()
    assert not segment.is_known
    assert contents(segment) == [b"kept"]


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
