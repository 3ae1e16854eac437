"""The usual classes of work: how long people wait for them, how much they need to think, and who checks the answer."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

WAIT_SCALE_MS: Final = 100.0
TOKEN_SCALE: Final = 100.0
"""Differences below these scales tell no classes apart."""


@dataclasses.dataclass(frozen=True, slots=True)
class Preset:
    """A class of work.

    Attributes:
        name: what it is called.
        waits: how long people wait for it, in words.
        wait_ms: the same as a range in milliseconds, of the time to the first token.
        thinking: how much it needs to think, in words.
        thinking_tokens: the same as a range.
        verifier: who can tell whether an answer is right.
        settings: keys of its policy.
        samples: whether it draws several answers and chooses.
    """

    name: str
    waits: str
    wait_ms: tuple[float, float]
    thinking: str
    thinking_tokens: tuple[int, int]
    verifier: str
    settings: Mapping[str, Any]
    samples: bool = False


PRESETS: Final = (
    Preset(
        "interactive chat",
        "2 s to the first token at most",
        (500, 2_000),
        "none: switch thinking off in the request",
        (0, 0),
        "a small model that grades against the conversation; spot checks by people",
        {"ttft_target_ms": 2_000, "thinking_cap_tokens": 500, "runaway_floor_tokens": 500},
    ),
    Preset(
        "code completion",
        "500 ms at most",
        (0, 500),
        "none: switch thinking off in the request",
        (0, 0),
        "whether the completion was kept; a parser",
        {"ttft_target_ms": 500, "thinking_cap_tokens": 200, "runaway_floor_tokens": 200},
    ),
    Preset(
        "code generation",
        "3 to 10 s",
        (3_000, 10_000),
        "4,000 to 8,000 tokens",
        (4_000, 8_000),
        "unit tests",
        {"ttft_target_ms": 10_000, "thinking_cap_tokens": 8_000},
    ),
    Preset(
        "data analysis and SQL",
        "5 to 15 s",
        (5_000, 15_000),
        "2,000 to 5,000 tokens",
        (2_000, 5_000),
        "execution: the query runs, and its result has the expected form",
        {"ttft_target_ms": 15_000, "thinking_cap_tokens": 5_000},
    ),
    Preset(
        "summarisation",
        "10 to 30 s",
        (10_000, 30_000),
        "up to 1,000 tokens",
        (0, 1_000),
        "a model that checks every statement against the source",
        {"ttft_target_ms": 30_000, "thinking_cap_tokens": 1_000},
    ),
    Preset(
        "agentic planning",
        "minutes",
        (60_000, 600_000),
        "8,000 to 20,000 tokens",
        (8_000, 20_000),
        "a process reward model over the steps; the outcome of the tools",
        {"thinking_cap_tokens": 20_000},
    ),
    Preset(
        "batch extraction",
        "without limit",
        (0, math.inf),
        "as the reward model decides: best of N",
        (0, 1_000_000),
        "a reward model that chooses among N answers",
        {"precision_target": 0.98},
        samples=True,
    ),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Behaviour:
    """How a task class behaves, as far as its calls tell.

    Attributes:
        thinking_p95_tokens: 95th percentile of thinking tokens a request.
        wait_ms: 95th percentile of the time to the first token of the answer where calls tell it, else to the end.
        sampled_share: share of attempts that draw several answers and choose among them.
    """

    thinking_p95_tokens: float
    wait_ms: float
    sampled_share: float


def nearest(behaviour: Behaviour) -> list[tuple[Preset, float]]:
    """The presets, the one that it behaves most like first, each with its distance: doublings outside of its ranges.

    A class that samples is unlike one that does not by as much as a sixteenfold in time.
    """
    return sorted(((preset, _distance(preset, behaviour)) for preset in PRESETS), key=lambda entry: entry[1])


def _distance(preset: Preset, behaviour: Behaviour) -> float:
    sampling = 4.0 if preset.samples != (behaviour.sampled_share >= 0.5) else 0.0
    return (
        sampling
        + _outside(behaviour.thinking_p95_tokens, preset.thinking_tokens, TOKEN_SCALE)
        + _outside(behaviour.wait_ms, preset.wait_ms, WAIT_SCALE_MS)
    )


def _outside(value: float, ends: tuple[float, float], scale: float) -> float:
    low, high = ends
    if value < low:
        return math.log2((low + scale) / (value + scale))
    return math.log2((value + scale) / (high + scale)) if value > high else 0.0
