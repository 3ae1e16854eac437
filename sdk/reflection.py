"""The reflection ratio: the share of sentences of a thought that reflect, turn or conclude. The words are data."""

import functools
import re
import tomllib
from importlib.resources import files
from typing import Any, Final

SAMPLE: Final = 1000
"""Characters from which the language is told."""
STEP: Final = 2000
"""Characters that are gathered before they are counted, so that a stream pays little for each chunk."""
LONGEST: Final = 1000
"""Characters after which a sentence ends, whatever it says."""
KINDS: Final = ("reflect", "turn", "conclude")
END: Final = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|[。！？\n]+")  # noqa: RUF001 (ends of Chinese and Japanese sentences)
WORD: Final = re.compile(r"\w")


class Reflection:
    """Counts sentences as they come; of the text, only what is not counted yet is held."""

    __slots__ = ("_held", "_language", "_length", "_reflecting", "_sentences")

    def __init__(self) -> None:
        """Nothing read."""
        self._held: list[str] = []
        self._length = 0
        self._language: re.Pattern[str] | None = None
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
            self._language = markers(_language_of(" ".join(sentences)[:SAMPLE]))
        for sentence in sentences:
            if WORD.search(sentence):
                self._sentences += 1
                if self._language is not None and self._language.search(sentence):
                    self._reflecting += 1


@functools.cache
def languages() -> dict[str, dict[str, Any]]:
    """Language -> its words."""
    return tomllib.loads((files(__package__) / "reflection.toml").read_text(encoding="utf-8"))


@functools.cache
def markers(language: str) -> re.Pattern[str]:
    """What finds a word that reflects, turns or concludes, as the language writes words."""
    words = languages()[language]
    found = sorted((word for kind in KINDS for word in words[kind]), key=len, reverse=True)
    either = "|".join(map(re.escape, found))
    return re.compile(either if words.get("unspaced") else rf"\b(?:{either})\b", re.IGNORECASE)


def _language_of(text: str) -> str:
    """The language whose most common words, or letters, stand in the text most often."""
    counts = {name: len(_common(name).findall(text)) for name in languages()}
    return max(counts, key=lambda name: counts[name])


@functools.cache
def _common(language: str) -> re.Pattern[str]:
    words = languages()[language]
    if "letters" in words:
        return re.compile(f"[{words['letters']}]")
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words['common']))})\b", re.IGNORECASE)
