"""Any prefix of a spool file can be trusted: records check themselves."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkmeter.collector.record import (
    FORMER_PREFIX_BYTES,
    HEADER_BYTES,
    marker,
    new_segment_id,
    read_records,
    read_whole,
    record,
    sizes,
)
from thinkmeter.collector.segment import Signal

SEGMENT_ID = new_segment_id(Signal.TRACES)
MARKER = marker(SEGMENT_ID)
frames = st.lists(st.tuples(st.binary(max_size=80), st.integers(0, 5)), max_size=8)


def written(records: list[tuple[bytes, int]]) -> bytes:
    return b"".join(b"".join(record(MARKER, frame, items)) for frame, items in records)


@given(frames, st.data())
def test_any_cut_of_a_file_yields_exactly_the_frames_before_it(
    records: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    whole = written(records)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [sum(HEADER_BYTES + len(frame) for frame, _ in records[:count]) for count in range(len(records) + 1)]
    kept = max(count for count, end in enumerate(ends) if end <= cut)
    read = read_records(whole[:cut], MARKER)
    assert list(zip(read.frames, read.items, strict=True)) == records[:kept]
    assert read.damaged == []


@given(frames.filter(lambda records: len(records) > 1), st.data())
def test_a_changed_byte_costs_one_frame_which_is_kept_apart(
    records: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    whole = bytearray(written(records))
    last = HEADER_BYTES + len(records[-1][0])
    place = data.draw(st.integers(0, len(whole) - last - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    read = read_records(bytes(whole), MARKER)
    assert len(read.frames) == len(records) - 1
    assert [frame for frame, _ in records if frame not in read.frames][1:] == []
    assert len(read.damaged) == 1


@given(frames, st.binary(min_size=FORMER_PREFIX_BYTES, max_size=FORMER_PREFIX_BYTES))
def test_files_of_versions_with_a_prefix_are_read(records: list[tuple[bytes, int]], prefix: bytes) -> None:
    former = b"".join(prefix + b"".join(record(MARKER, frame, items)) for frame, items in records)
    read = read_records(former, MARKER)
    assert list(zip(read.frames, read.items, strict=True)) == records
    assert read.damaged == []


@given(frames.filter(bool))
def test_a_record_of_another_file_is_none(records: list[tuple[bytes, int]]) -> None:
    # A sender could put a whole record into a body; a torn record must not set it free.
    planted = written(records)
    other = marker(new_segment_id(Signal.TRACES))
    torn = b"".join(record(other, planted + b"more", 1))[:-1]
    assert read_records(torn, other).frames == []
    assert read_records(b"".join(record(other, planted, 1)), other).frames == [planted]


@given(frames, st.data())
def test_a_whole_file_yields_its_frames_and_any_stretch_of_them(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "whole"
    path.write_bytes(written(records))
    read = read_whole(path, path.stat().st_size, MARKER)
    assert read is not None
    whole = [frame for frame, _ in records]
    assert (list(read.frames), list(read.items), sizes(read.frames)) == (
        whole,
        [items for _, items in records],
        [len(frame) for frame in whole],
    )
    first, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    assert list(read.frames[first:end]) == whole[first:end]
    assert [read.frames[place] for place in range(first, end)] == whole[first:end]


@given(frames.filter(bool), st.data())
def test_a_file_with_a_changed_byte_is_not_whole(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    changed = bytearray(written(records))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(changed)
    assert read_whole(path, len(changed), MARKER) is None


def test_a_file_is_read_as_far_as_it_is_told_to_be(tmp_path: Path) -> None:
    path = tmp_path / "longer"
    path.write_bytes(written([(b"one", 1), (b"two", 1)]))
    read = read_whole(path, HEADER_BYTES + 3, MARKER)
    assert read is not None
    assert list(read.frames) == [b"one"]


def test_a_file_that_becomes_shorter_under_its_reader_is_a_failure_of_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "shorter"
    path.write_bytes(written([(b"one", 1), (b"two", 1)]))
    read = read_whole(path, path.stat().st_size, MARKER)
    assert read is not None
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(OSError, match="became shorter"):
        list(read.frames)


def test_ids_of_segments_differ() -> None:
    assert len({new_segment_id(Signal.LOGS) for _ in range(1000)}) == 1000
