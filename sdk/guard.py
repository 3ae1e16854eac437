"""The cap on thinking: held against the budget before a call is sent, and against what a stream shows while it runs."""

from typing import Any, Final

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.asked import Asked, replaced
from thinkmeter.sdk.health import LOG
from thinkmeter.sdk.scope import current_scope
from thinkmeter.sdk.settings import EVERY_TASK, Settings

STOPPED: Final = "thinking_cap"
"""Finish reason of a stream that was stopped because the thinking that it showed went over the cap."""


class ThinkingBudgetExceeded(ValueError):
    """A call asked for a larger thinking budget than `max_thinking_tokens`, and `on_exceed` is `raise`.

    The one exception that thinkmeter raises into the application, and only where it was told to. The call was not sent;
    or, where no budget was asked for and a stream showed more thinking than that, it was ended.

    Attributes:
        budget_tokens: what the call asked for, or had shown.
        max_thinking_tokens: the cap.
    """

    def __init__(self, model: str, budget_tokens: int, max_thinking_tokens: int, *, shown: bool = False) -> None:
        """Say which model, what was asked for or shown, and what is allowed."""
        said = f"showed about {budget_tokens}" if shown else f"asks for {budget_tokens}"
        super().__init__(f"a call to {model} {said} thinking tokens; max_thinking_tokens is {max_thinking_tokens}")
        self.budget_tokens = budget_tokens
        self.max_thinking_tokens = max_thinking_tokens


def cap_tokens(settings: Settings) -> int | None:
    """The cap for the task class that the running code is in; None: none."""
    caps = settings.max_thinking_tokens
    if not caps:
        return None
    return caps.get(str(current_scope().attributes.get(names.TASK, "")), caps.get(EVERY_TASK))


def exceeds(asked: Asked, settings: Settings) -> bool:
    """Whether the call asks for more than the cap, warning about it where that is wanted."""
    budget = asked.budget_tokens
    cap = None if budget is None else cap_tokens(settings)
    if cap is None or budget is None or budget <= cap:
        return False
    if settings.on_exceed == "warn":
        LOG.warning("a call to %s asks for %d thinking tokens, more than the cap of %d", asked.model, budget, cap)
    return True


def clamped(body: Any, asked: Asked, settings: Settings) -> Any:
    """A copy of the request body with the cap as its budget; `asked` is updated to what is sent.

    A provider's own least budget (1024 at Anthropic) is kept: below it, the call would be refused.
    """
    budget_tokens = max(cap_tokens(settings) or 0, asked.least_budget_tokens)
    if asked.budget_path is None or asked.budget_tokens is None or budget_tokens >= asked.budget_tokens:
        return body
    asked.budget_tokens = budget_tokens
    return replaced(body, asked.budget_path, budget_tokens)


def refusal(asked: Asked, settings: Settings) -> ThinkingBudgetExceeded:
    """The exception for a call that asks for more than the cap."""
    return ThinkingBudgetExceeded(asked.model, asked.budget_tokens or 0, cap_tokens(settings) or 0)
