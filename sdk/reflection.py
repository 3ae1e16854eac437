"""The reflection ratio: the share of sentences of a thought that reflect, turn or conclude. The words are data."""

import functools
import re
import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

SAMPLE: Final = 1000
"""Characters from which the language is told."""
STEP: Final = 2000
"""Characters that are gathered before they are counted, so that a stream pays little for each chunk."""
LONGEST: Final = 1000
"""Characters after which a sentence ends, whatever it says."""
KINDS: Final = ("reflect", "turn", "conclude")
END: Final = re.compile(r"[.!?…][\"')\]]*\s+|[。！？\n]+")  # noqa: RUF001 (ends of Chinese and Japanese sentences)
WORD: Final = re.compile(r"\w")
WORDS: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Markers:
    """The words of one language that reflect, turn or conclude.

    Most sentences are told by a look at their words as a set, several times faster than a pattern of all markers.

    Attributes:
        words: those of one word.
        phrases: first word -> pattern of those that begin with it and go on.
        unspaced: pattern of all, in a language that does not part its words; None: it does.
    """

    words: frozenset[str]
    phrases: Mapping[str, re.Pattern[str]]
    unspaced: re.Pattern[str] | None

    def mark(self, text: str, words: Set[str] | None = None) -> bool:
        """Whether one of them is in a text in lower case, which has those words (None: to be found)."""
        if self.unspaced is not None:
            return self.unspaced.search(text) is not None
        if words is None:
            words = set(WORDS.findall(text))
        return not self.words.isdisjoint(words) or any(
            self.phrases[first].search(text) for first in self.phrases.keys() & words
        )


class Reflection:
    """Counts sentences as they come; of the text, only what is not counted yet is held."""

    __slots__ = ("_held", "_language", "_length", "_reflecting", "_sentences")

    def __init__(self) -> None:
        """Nothing read."""
        self._held: list[str] = []
        self._length = 0
        self._language: Markers | None = None
        self._sentences = self._reflecting = 0

    def add(self, text: str) -> None:
        """Read on."""
        self._held.append(text)
        self._length += len(text)
        if self._length >= STEP:
            text = "".join(self._held)
            ends = [*END.finditer(text)]
            done = ends[-1].end() if ends else 0
            if len(text) - done > LONGEST:
                done = len(text)
            sentences, reflecting = self._count(text[:done])
            self._sentences += sentences
            self._reflecting += reflecting
            self._held, self._length = [text[done:]], len(text) - done

    def ratio(self) -> float | None:
        """The share so far, 0..1; None: there was no sentence. More may be read after it, and it may be asked again."""
        sentences, reflecting = self._count("".join(self._held))
        sentences += self._sentences
        return (self._reflecting + reflecting) / sentences if sentences else None

    def _count(self, text: str) -> tuple[int, int]:
        """How many sentences a text has, none of which goes on behind it, and how many of them reflect."""
        text = text.lower()
        words = set(WORDS.findall(text))
        if not words:
            return 0, 0
        if self._language is None:
            self._language = markers(_language_of(text[:SAMPLE], words if len(text) <= SAMPLE else None))
        sentences = [sentence for sentence in END.split(text) if WORD.search(sentence)]
        if not self._language.mark(text, words):  # in most texts that do not reflect, none is found at once
            return len(sentences), 0
        return len(sentences), sum(map(self._language.mark, sentences))


@functools.cache
def languages() -> dict[str, dict[str, Any]]:
    """Language -> its words."""
    return tomllib.loads((files(__package__) / "reflection.toml").read_text(encoding="utf-8"))


@functools.cache
def markers(language: str) -> Markers:
    """What finds a word that reflects, turns or concludes, as the language writes words."""
    told = languages()[language]
    listed = sorted((word for kind in KINDS for word in told[kind]), key=len, reverse=True)
    if told.get("unspaced"):
        return Markers(frozenset(), {}, re.compile("|".join(map(re.escape, listed))))
    begun: dict[str, list[str]] = {}
    for marker in listed:
        first = WORDS.findall(marker)[0]
        if first != marker:
            begun.setdefault(first, []).append(re.escape(marker))
    phrases = {first: re.compile(rf"\b(?:{'|'.join(found)})\b") for first, found in begun.items()}
    return Markers(frozenset(word for word in listed if WORDS.fullmatch(word)), phrases, None)


def _language_of(text: str, words: Set[str] | None) -> str:
    """The language most of whose common words, or whose letters most often, stand in a text in lower case."""
    common, letters = _common()
    found = set(WORDS.findall(text)) if words is None else words
    counts = {language: len(known & found) for language, known in common.items()}
    if not text.isascii():
        counts |= {language: len(pattern.findall(text)) for language, pattern in letters.items()}
    return max(counts, key=lambda name: counts[name])


@functools.cache
def _common() -> tuple[dict[str, frozenset[str]], dict[str, re.Pattern[str]]]:
    """Language -> its common words, and -> what finds its letters, of those that are told by them."""
    words = {name: frozenset(told["common"]) for name, told in languages().items() if "common" in told}
    letters = {name: re.compile(f"[{told['letters']}]") for name, told in languages().items() if "letters" in told}
    return words, letters
