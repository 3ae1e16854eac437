"""A segment gives back what was put in, and nothing that a client sends can pass for ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.otlp import RECEIVED, span, traces
from thinkmeter.collector.segment import body_of, frame
from thinkmeter.schema.errors import PermanentError

BODY = traces([span(), span(2)])
PROJECTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.tuples(st.sampled_from([b"", BODY, BODY * 40]), PROJECTS, st.integers(0, 2**64 - 1)))
def test_a_body_comes_back_as_it_was_put_in(content: tuple[bytes, str, int]) -> None:
    assert body_of(frame(*content)) == content


def test_a_client_cannot_name_its_project() -> None:
    forged = frame(BODY, "victim", 1)
    inner = forged[forged.index(BODY) :]
    assert body_of(frame(inner, "mine", RECEIVED)) == (BODY, "mine", RECEIVED)


@pytest.mark.parametrize("body", [BODY[:-1], b"\x0a\xff", b"\x0b", b"\x00\x00", b"\xff" * 11, b'{"resourceSpans": []}'])
def test_what_is_no_protobuf_message_is_refused(body: bytes) -> None:
    with pytest.raises(PermanentError):
        frame(body, "default", RECEIVED)


def test_a_frame_that_is_cut_off_is_refused_wherever_it_is_cut() -> None:
    whole = frame(BODY, "default", RECEIVED)
    for end in range(len(whole)):
        with pytest.raises(PermanentError):
            body_of(whole[:end])


def test_two_frames_are_not_one() -> None:
    with pytest.raises(PermanentError, match="not one frame"):
        body_of(frame(BODY, "a", 1) * 2)
