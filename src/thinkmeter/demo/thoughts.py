"""The thinking that replies show: sentences that go on, and sentences that hesitate, turn or conclude."""

import math
import random
from collections.abc import Iterable, Mapping
from typing import Final

from thinkmeter.demo.plan import Api, Model
from thinkmeter.demo.tasks import Rung, TaskClass

GOING_ON: Final = (
    "The request has two parts. ",
    "The first part names a period and a customer. ",
    "I read the second part as a limit on the first. ",
    "The longer form covers both of them. ",
    "That leaves three cases. ",
    "The first case is the common one. ",
    "In the second case the input is empty. ",
    "The third case comes from the older format. ",
    "Each of them has the same shape. ",
    "I write down what is known so far. ",
    "The shorter form holds for all three. ",
)
REFLECTING: Final = (
    "Wait, the second part changes how the first must be read. ",
    "Hmm, that leaves out the empty case. ",
    "Let me double-check that against the schema. ",
    "Alternatively, both parts could be answered at once. ",
    "Actually, the limit holds for the period alone. ",
    "But what if the older format is meant? ",
    "I was wrong about the third case. ",
    "However, the customer may have several accounts. ",
    "Let me verify the count once more. ",
    "Therefore the shorter form is enough. ",
)

SHOWN: Final[Mapping[Api, float]] = {
    "openai.chat": 0.0,
    "openai.responses": 0.8,
    "anthropic.messages": 1.0,
    "gemini.generate_content": 1.0,
}
"""How often thinking shows: chat completions never show it, and a summary is not made of every thought."""
WAVERING: Final = 0.7
"""How much more of the thinking reflects from the easiest to the hardest request."""
LENGTHENING: Final = 0.04
"""The same for each doubling of the usual length."""
SPREAD: Final = 0.08


def thought(
    dice: random.Random, task: TaskClass, rung: Rung, model: Model, difficulty: float, thinking_tokens: int
) -> tuple[bool, ...]:
    """Of each sentence that an answer shows of its thinking whether it reflects; none where it shows no thinking."""
    if not thinking_tokens or dice.random() >= SHOWN[model.api]:
        return ()
    longer = math.log2(thinking_tokens / rung.thinking_tokens)
    share = task.reflects + WAVERING * (difficulty - 0.5) + LENGTHENING * longer + dice.gauss(0, SPREAD)
    share = min(0.9, max(0.03, share))
    return tuple(dice.random() < share for _ in range(min(16, 4 + thinking_tokens // 250)))


def sentences(reflects: Iterable[bool]) -> tuple[str, ...]:
    """The sentences of a thought, a piece a stream event; `reflects` says of each whether it does.

    Far fewer words than are billed, as with summaries of real providers.
    """
    chosen = []
    for place, does in enumerate(reflects):
        of = REFLECTING if does else GOING_ON
        chosen.append(of[place % len(of)])
    return tuple(chosen)
