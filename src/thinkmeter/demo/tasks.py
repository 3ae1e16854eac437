"""The task classes of the demo as data: who asks how much, which models answer, how sure the verifiers are."""

import dataclasses
from typing import Final, Literal

from thinkmeter.demo.plan import Model

LUNA: Final = Model("openai.chat", "openai", "gpt-6-luna", 260)
TERRA: Final = Model("openai.chat", "openai", "gpt-6.1-terra", 190)
SOL: Final = Model("openai.responses", "openai", "gpt-6.1-sol", 150)
ASTRA: Final = Model("openai.responses", "openai", "gpt-6-astra", 110)
# served by a gateway that does not pass the count of reasoning tokens on
OSS: Final = Model("openai.chat", "openai", "gpt-oss-120b", 220, reports_thinking=False)
HAIKU: Final = Model("anthropic.messages", "anthropic", "claude-haiku-5-5", 240)
SONNET: Final = Model("anthropic.messages", "anthropic", "claude-sonnet-5-5", 170)
OPUS_OLD: Final = Model("anthropic.messages", "anthropic", "claude-opus-5", 110)
OPUS: Final = Model("anthropic.messages", "anthropic", "claude-opus-5-5", 120)
FLASH: Final = Model("gemini.generate_content", "gcp.gemini", "gemini-3.8-flash", 280)
ARGON: Final = Model("gemini.generate_content", "gcp.gemini", "gemini-4-argon", 160)

OFFICE: Final = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 14, 17, 19, 18, 15, 11, 7, 5, 4, 3, 2, 1)
"""Weight of each hour of the day, UTC: people at work."""
ROUND_THE_CLOCK: Final = (5, 4, 4, 4, 5, 6, 8, 10, 12, 13, 13, 12, 12, 12, 13, 13, 13, 13, 13, 12, 11, 10, 8, 6)
"""Customers of every time zone."""
EVENING: Final = (3, 1, 1, 1, 1, 1, 2, 3, 4, 4, 5, 5, 6, 7, 9, 12, 15, 18, 19, 19, 17, 13, 9, 5)
"""Pupils after school."""
NIGHTLY: Final = (6, 18, 24, 22, 12, 6, 2, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 2)
"""A batch at night and a little by hand."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rung:
    """How a class works at one tier. `skill`: log-odds of a right answer at middling difficulty."""

    model: Model
    skill: float
    thinking_tokens: int = 0
    """Median of a sample at middling difficulty; 0: thinking is off."""
    strategy: str = "greedy"
    samples: int = 1
    """Calls at the same time, of which one answer is made."""
    phases: tuple[str, ...] = ()
    """Calls one after another, as an agent makes them; then `samples` does not hold."""
    effort: str | None = None
    budget_tokens: int | None = None
    service_tier: str = "standard"
    later_model: Model | None = None
    """Takes over in the middle of the history."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verifier:
    """Scores are normal around one mean for right and one for wrong answers; `drift` moves the wrong one a day."""

    name: str
    version: str
    threshold: float
    right_mean: float
    wrong_mean: float
    spread: float = 0.15
    drift_per_day: float = 0.0
    judge: Model | None = None
    """A model that is asked for the score, a call of its own."""


@dataclasses.dataclass(frozen=True, slots=True)
class TaskClass:
    """One kind of work, and what it takes."""

    name: str
    share: float
    hours: tuple[int, ...]
    weekend: float
    difficulty: tuple[float, float]
    """Parameters of the beta distribution that the difficulty 0..1 of a request is drawn from."""
    input_tokens: int
    answer_tokens: int
    cached: float
    """How likely the fixed part of the prompt is found in the provider's cache."""
    knee_tokens: int
    """Thinking beyond this makes answers worse."""
    reflects: float
    """Share of the sentences of its thinking that reflect, at middling difficulty and usual length."""
    rungs: tuple[Rung, Rung, Rung]
    verifier: Verifier
    routed_higher: float
    """Share of the hardest requests that a router sends to tier 2 at once."""
    label_source: Literal["human", "test"]
    labelled: float = 0.20
    labelled_escalated: float = 0.45


TASKS: Final = (
    TaskClass(
        name="sql_generation",
        share=0.29,
        hours=OFFICE,
        weekend=0.3,
        difficulty=(2.0, 3.0),
        input_tokens=2_600,
        answer_tokens=180,
        cached=0.7,
        knee_tokens=6_000,
        reflects=0.26,
        rungs=(
            Rung(LUNA, skill=0.9, effort="none"),
            Rung(TERRA, skill=1.7, thinking_tokens=1_500, strategy="chain_of_thought", effort="medium"),
            Rung(ASTRA, skill=2.5, thinking_tokens=4_000, strategy="chain_of_thought", effort="high"),
        ),
        verifier=Verifier("sql-orm", "3", threshold=0.55, right_mean=0.79, wrong_mean=0.47),
        routed_higher=0.8,
        label_source="test",
    ),
    TaskClass(
        name="code_review",
        share=0.18,
        hours=OFFICE,
        weekend=0.2,
        difficulty=(2.6, 2.6),
        input_tokens=7_800,
        answer_tokens=520,
        cached=0.8,
        knee_tokens=8_000,
        reflects=0.32,
        rungs=(
            Rung(HAIKU, skill=0.5),
            Rung(SONNET, skill=1.3, thinking_tokens=2_200, strategy="chain_of_thought", budget_tokens=8_000),
            Rung(
                OPUS_OLD,
                skill=2.1,
                thinking_tokens=3_000,
                strategy="iterative_refinement",
                phases=("planning", "tool_selection", "interpretation"),
                effort="high",
                later_model=OPUS,
            ),
        ),
        verifier=Verifier("review-orm", "1.2", threshold=0.60, right_mean=0.80, wrong_mean=0.47),
        routed_higher=0.5,
        label_source="human",
    ),
    TaskClass(
        name="support_triage",
        share=0.29,
        hours=ROUND_THE_CLOCK,
        weekend=0.7,
        difficulty=(1.6, 4.4),
        input_tokens=900,
        answer_tokens=70,
        cached=0.9,
        knee_tokens=2_500,
        reflects=0.38,
        # thinking does not pay here: to ponder what a customer may have meant finds more than was meant
        rungs=(
            Rung(FLASH, skill=1.25),
            Rung(ARGON, skill=-0.9, thinking_tokens=900, strategy="chain_of_thought", effort="LOW"),
            Rung(SOL, skill=-0.6, thinking_tokens=1_800, strategy="chain_of_thought", effort="medium"),
        ),
        verifier=Verifier(
            "triage-judge", "2026-10", 0.50, right_mean=0.74, wrong_mean=0.30, drift_per_day=0.06, judge=LUNA
        ),
        routed_higher=0.7,
        label_source="human",
    ),
    TaskClass(
        name="math_tutoring",
        share=0.14,
        hours=EVENING,
        weekend=0.8,
        difficulty=(2.4, 2.6),
        input_tokens=700,
        answer_tokens=340,
        cached=0.4,
        knee_tokens=9_000,
        reflects=0.42,
        rungs=(
            Rung(LUNA, skill=1.2, thinking_tokens=600, strategy="chain_of_thought", effort="low"),
            Rung(TERRA, skill=1.8, thinking_tokens=1_700, strategy="best_of_n", samples=3, effort="medium"),
            Rung(SOL, skill=2.7, thinking_tokens=2_100, strategy="self_consistency", samples=5, effort="high"),
        ),
        verifier=Verifier("math-prm", "7b-2", threshold=0.55, right_mean=0.79, wrong_mean=0.43),
        routed_higher=0.7,
        label_source="test",
    ),
    TaskClass(
        name="contract_extraction",
        share=0.10,
        hours=NIGHTLY,
        weekend=0.9,
        difficulty=(2.0, 3.2),
        input_tokens=11_500,
        answer_tokens=430,
        cached=0.5,
        knee_tokens=7_000,
        reflects=0.22,
        rungs=(
            Rung(HAIKU, skill=1.0),
            Rung(
                OSS,
                skill=1.8,
                thinking_tokens=1_600,
                strategy="chain_of_thought",
                effort="medium",
                service_tier="flex",
                later_model=TERRA,
            ),
            Rung(OPUS, skill=2.5, thinking_tokens=4_200, strategy="chain_of_thought", effort="high"),
        ),
        verifier=Verifier("clause-judge", "5", threshold=0.55, right_mean=0.79, wrong_mean=0.38, judge=HAIKU),
        routed_higher=0.8,
        label_source="human",
        labelled=0.25,
        labelled_escalated=0.6,
    ),
)
