"""The reflection ratio: the share of sentences of a thought that reflect, turn or conclude. The words are data."""

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
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
WORDS: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Markers:
    """The words of one language that reflect, turn or conclude.

    Nearly every sentence is told by a look at its words as a set, several times faster than a pattern of all of them.

    Attributes:
        words: those of one word.
        phrases: first word -> pattern of those that begin with it and go on.
        unspaced: pattern of all, in a language that does not part its words; None: it does.
    """

    words: frozenset[str]
    phrases: Mapping[str, re.Pattern[str]]
    unspaced: re.Pattern[str] | None

    def mark(self, sentence: str, words: Sequence[str]) -> bool:
        """Whether one of them is in a sentence, which consists of those words; both in lower case."""
        if self.unspaced is not None:
            return self.unspaced.search(sentence) is not None
        return not self.words.isdisjoint(words) or any(
            self.phrases[first].search(sentence) for first in self.phrases.keys() & words
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
            *done, rest = END.split("".join(self._held))
            if len(rest) > LONGEST:
                done, rest = [*done, rest], ""
            self._count(done)
            self._held, self._length = [rest], len(rest)

    def ratio(self) -> float | None:
        """The share so far, 0..1; None: there was no sentence."""
        self._count(END.split("".join(self._held)))
        self._held, self._length = [], 0
        return self._reflecting / self._sentences if self._sentences else None

    def _count(self, sentences: list[str]) -> None:
        if self._language is None and sentences:
            self._language = markers(_language_of(" ".join(sentences)[:SAMPLE].lower()))
        for sentence in sentences:
            lower = sentence.lower()
            words = WORDS.findall(lower)
            if words:
                self._sentences += 1
                if self._language is not None and self._language.mark(lower, words):
                    self._reflecting += 1


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


def _language_of(text: str) -> str:
    """The language whose most common words, or letters, stand in the text, in lower case, most often."""
    counts = dict.fromkeys(languages(), 0)
    common, letters = _common()
    for word in WORDS.findall(text):
        for language in common.get(word, ()):
            counts[language] += 1
    if not text.isascii():
        for language, pattern in letters.items():
            counts[language] += len(pattern.findall(text))
    return max(counts, key=lambda name: counts[name])


@functools.cache
def _common() -> tuple[dict[str, list[str]], dict[str, re.Pattern[str]]]:
    """Common word -> its languages, and what finds the letters of those that are told by them."""
    words: dict[str, list[str]] = {}
    letters = {}
    for language, told in languages().items():
        for word in told.get("common", ()):
            words.setdefault(word, []).append(language)
        if "letters" in told:
            letters[language] = re.compile(f"[{told['letters']}]")
    return words, letters
