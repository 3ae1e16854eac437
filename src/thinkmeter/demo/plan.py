"""What a request of the demo will do, decided before anything is sent: calls, verdicts, labels, and what is true."""

import dataclasses
import datetime as dt
from typing import Literal

Api = Literal["openai.chat", "openai.responses", "anthropic.messages", "gemini.generate_content"]
Role = Literal["answer", "verifier"]


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """A model under the name its provider gives it, the provider under the name of the GenAI conventions."""

    api: Api
    provider: str
    name: str
    tokens_per_s: float
    reports_thinking: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedCall:
    """One inference request and its whole answer; a call with an `error` is refused and bills nothing."""

    response_id: str
    model: Model
    role: Role
    start: dt.datetime
    duration_s: float
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    thinking_tokens: int
    sample: int | None = None
    phase: str | None = None
    effort: str | None = None
    budget_tokens: int | None = None
    service_tier: str = "standard"
    stream: bool = False
    refusals: int = 0
    error: str | None = None
    thought: tuple[bool, ...] = ()
    """Of each sentence of thinking that the answer shows whether it reflects, turns or concludes."""

    @property
    def reflection_ratio(self) -> float | None:
        """Share of those sentences that do; None where the answer shows no thinking."""
        return sum(self.thought) / len(self.thought) if self.thought else None

    @property
    def end(self) -> dt.datetime:
        """When the last token has arrived."""
        return self.start + dt.timedelta(seconds=self.duration_s)

    @property
    def told_thinking_tokens(self) -> int | None:
        """Thinking tokens as the provider tells them; None where it does not."""
        return self.thinking_tokens if self.model.reports_thinking else None


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedVerdict:
    """What a verifier says of an attempt."""

    verifier: str
    version: str
    score: float
    threshold: float

    @property
    def passed(self) -> bool:
        """Whether the answer is good enough to be shown."""
        return self.score >= self.threshold


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedAttempt:
    """One try at one tier; `correct` is the truth, known to the generator alone unless a label tells it."""

    number: int
    tier: int
    strategy: str
    effort: str | None
    calls: tuple[PlannedCall, ...]
    verdict: PlannedVerdict | None
    correct: bool


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedLabel:
    """Ground truth of one attempt, from a person or a test run, with the probability of having been asked for."""

    attempt: int
    correct: bool
    source: Literal["human", "test"]
    labeler: str
    sampling_probability: float
    delay_s: float
    """From the end of the request."""


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One unit of work of a user: its attempts in order, the last of them final."""

    request_id: str
    task: str
    user: str
    session: str
    difficulty: float
    runaway: bool
    attempts: tuple[PlannedAttempt, ...]
    labels: tuple[PlannedLabel, ...]

    @property
    def start(self) -> dt.datetime:
        """When the first call starts."""
        return self.attempts[0].calls[0].start

    @property
    def end(self) -> dt.datetime:
        """When the last call ends."""
        return max(call.end for attempt in self.attempts for call in attempt.calls)
