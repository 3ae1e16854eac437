"""A segment gives back what was put in, and nothing that a client sends can pass for ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.otlp import RECEIVED, span, traces
from thinkmeter.collector.segment import body_of, closing, frame, frames
from thinkmeter.schema.errors import PermanentError

BODY = traces([span(), span(2)])
PROJECTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.lists(st.tuples(st.sampled_from([b"", BODY, BODY * 40]), PROJECTS, st.integers(0, 2**64 - 1)), max_size=5))
def test_frames_come_back_as_they_were_put_in(contents: list[tuple[bytes, str, int]]) -> None:
    parts = [frame(*each) for each in contents]
    segment = b"".join([*parts, closing("segment-1")])
    assert frames(segment) == parts
    assert [body_of(part) for part in frames(segment)] == contents


def test_a_client_cannot_name_its_project() -> None:
    forged = frame(BODY, "victim", 1)
    inner = forged[forged.index(BODY) :]
    assert body_of(frame(inner, "mine", RECEIVED)) == (BODY, "mine", RECEIVED)


@pytest.mark.parametrize("body", [BODY[:-1], b"\x0a\xff", b"\x0b", b"\x00\x00", b"\xff" * 11, b'{"resourceSpans": []}'])
def test_what_is_no_protobuf_message_is_refused(body: bytes) -> None:
    with pytest.raises(PermanentError):
        frame(body, "default", RECEIVED)


def test_a_segment_that_is_cut_off_is_refused_wherever_it_is_cut() -> None:
    whole = frame(BODY, "default", RECEIVED)
    for end in range(1, len(whole)):
        with pytest.raises(PermanentError):
            frames(whole[:end])


def test_two_frames_are_not_one() -> None:
    with pytest.raises(PermanentError, match="not one frame"):
        body_of(frame(BODY, "a", 1) * 2)
