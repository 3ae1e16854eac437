"""What the stand-in is asked to answer: the plan of one call, carried in a header of the request itself."""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Final

import orjson

from thinkmeter.demo.plan import PlannedCall
from thinkmeter.demo.thoughts import sentences

HEADER: Final = "x-demo-answer"

TEXT: Final = ("Here is ", "what was asked for, ", "in its ", "shorter form.")
"""The answer, a piece a stream event."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Counts of one answer, in tokens, and how it comes about."""

    response_id: str
    input_tokens: int
    output_tokens: int
    thinking_tokens: int | None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    service_tier: str = "standard"
    duration_s: float = 0.0
    refusals: int = 0
    """How often 429 comes first."""
    error: str | None = None
    """Refused whatever the client tries."""
    thought: tuple[bool, ...] = ()
    """As in the plan of the call."""

    @property
    def fresh_tokens(self) -> int:
        """Input that neither came from the cache nor went into it."""
        return self.input_tokens - self.cache_read_tokens - self.cache_write_tokens

    @property
    def shown(self) -> tuple[str, ...]:
        """The thinking that the answer shows, a piece a stream event."""
        return sentences(self.thought)

    @property
    def thinking_share(self) -> float:
        """Of the whole time, until the first token of the answer proper."""
        return (self.thinking_tokens or 0) / max(self.output_tokens, 1)

    def header(self) -> dict[str, str]:
        """The header that asks for this answer."""
        return {HEADER: orjson.dumps(self).decode()}


def answer_of(call: PlannedCall) -> Answer:
    """What the provider of a planned call is to answer."""
    return Answer(
        response_id=call.response_id,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        thinking_tokens=call.told_thinking_tokens,
        cache_read_tokens=call.cache_read_tokens,
        cache_write_tokens=call.cache_write_tokens,
        cache_write_1h_tokens=call.cache_write_1h_tokens,
        service_tier=call.service_tier,
        duration_s=call.duration_s,
        refusals=call.refusals,
        error=call.error,
        thought=call.thought,
    )


def answer_asked_for(headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer that a request's header asks for; without one, a short answer without thinking."""
    if asked := headers.get(HEADER):
        return Answer(**orjson.loads(asked))
    return Answer(uuid.uuid4().hex, input_tokens=max(1, len(body) // 4), output_tokens=12, thinking_tokens=0)


def paced(pieces: tuple[str, ...], start: float, end: float) -> list[tuple[float, str]]:
    """The pieces with when each is due, as shares of the whole time, evenly within (start, end]."""
    return [(start + (end - start) * (n + 1) / len(pieces), piece) for n, piece in enumerate(pieces)]
