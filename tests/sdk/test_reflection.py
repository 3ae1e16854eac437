"""The reflection ratio: counted in passing from what is shown, in several languages; the text goes nowhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.cases import CASES, Case
from tests.sdk.provider_server import ProviderServer
from tests.sdk.told import Told
from thinkmeter.schema import attributes as names
from thinkmeter.sdk.reflection import KINDS, Reflection, languages, markers
from thinkmeter.sdk.testing import Captured

THOUGHT = (
    "We need six times seven. It is 41. Wait, that is not right! Let me check: 6 x 7 is 42. "
    "Is it? The sum of six sevens is 42.\nTherefore the answer is 42."
)


def ratio(*pieces: str) -> float | None:
    reflection = Reflection()
    for piece in pieces:
        reflection.add(piece)
    return reflection.ratio()


def test_sentences_that_reflect_turn_or_conclude_are_counted() -> None:
    assert ratio(THOUGHT) == pytest.approx(3 / 7)
    assert ratio("The cat is on the mat. It sleeps.") == 0.0
    assert ratio("", " \n ", "...") is None
    assert ratio("The await keyword and the hum of the fan.") == 0.0  # words, not parts of words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Das ist sechs mal sieben. Moment, das stimmt nicht. Also ist die Antwort 42.", 2 / 3),
        ("The result is also even. This is the end of it.", 0.0),  # `also` concludes in German alone
        ("C'est le produit de six et sept. Attends, vérifions. Donc la réponse est 42.", 2 / 3),
        ("Es el producto de seis y siete. Espera, me equivoqué. Por lo tanto, la respuesta es 42.", 2 / 3),
        ("六乘以七是四十一。等等，不对。所以答案是四十二。", 2 / 3),  # noqa: RUF001
        ("六かける七は四十一です。待って、間違えた。したがって答えは四十二です。", 2 / 3),
    ],
)
def test_the_language_is_told_from_the_text(text: str, expected: float) -> None:
    assert ratio(text) == pytest.approx(expected)


@given(st.lists(st.sampled_from([*THOUGHT.split(" "), "\n", "Hmm.", "?", "等等。"]), max_size=600), st.integers(1, 40))
def test_how_the_text_is_cut_into_chunks_does_not_matter(words: list[str], size: int) -> None:
    text = " ".join(words)
    assert ratio(*(text[at : at + size] for at in range(0, len(text), size))) == ratio(*([text] if text else []))


def test_a_text_without_an_end_is_counted_piece_by_piece_and_not_kept() -> None:
    reflection = Reflection()
    for _ in range(1000):
        reflection.add("and so on " * 10)
    assert sum(map(len, reflection._held)) <= 2100
    assert reflection.ratio() == 0.0


def test_every_language_has_every_kind_of_word_once() -> None:
    for language, words in languages().items():
        listed = [word for kind in KINDS for word in words[kind]]
        assert all(words[kind] for kind in KINDS)
        assert len(set(listed)) == len(listed), language
        assert all(markers(language).mark(word) for word in listed), language


def shown(node: Any) -> Any:
    """The example with that thought in it."""
    if isinstance(node, dict):
        return {key: shown(value) for key, value in node.items()}
    if isinstance(node, list):
        return [shown(item) for item in node]
    return THOUGHT if node == "hm" else node


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_it_is_sent_with_each_call_that_shows_thinking_and_nothing_else_of_it(
    case: Case, provider: ProviderServer, captured: Captured, streamed: bool
) -> None:
    events = shown(case.events(Told()))
    if case.name == "openai responses":
        place = {"item_id": "rs", "output_index": 0, "summary_index": 0, "sequence_number": 9}
        events[2:2] = [{"type": "response.reasoning_summary_text.delta", **place, "delta": w} for w in THOUGHT]
    client = case.client(provider.port, False)
    if streamed:
        provider.stream(events, done=case.done, framing=case.framing, headers=case.headers)
        list(case.create(client, True))
    else:
        provider.reply(shown(case.whole(Told())), headers=case.headers)
        case.create(client, False)
    client.close()
    assert captured.call[names.REFLECTION_RATIO] == pytest.approx(3 / 7)
    assert "sevens" not in repr([(span.attributes, span.events) for span in captured.spans])


def test_without_visible_thinking_there_is_none(provider: ProviderServer, captured: Captured) -> None:
    for case in CASES:
        provider.reply(case.whole(Told(), shown=False))
        client = case.client(provider.port, False)
        case.create(client, False)
        client.close()
    assert [call for call in captured.calls if names.REFLECTION_RATIO in call] == []
