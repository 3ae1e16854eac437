"""The cap on thinking budgets: checked before a call is sent."""

from typing import Any

from thinkmeter.sdk.asked import Asked, replaced
from thinkmeter.sdk.health import LOG
from thinkmeter.sdk.settings import Settings


class ThinkingBudgetExceeded(ValueError):
    """A call asked for a larger thinking budget than `max_thinking_tokens`, and `on_exceed` is `raise`.

    The one exception that thinkmeter raises into the application, and only where it was told to. The call was not sent.

    Attributes:
        budget_tokens: what the call asked for.
        max_thinking_tokens: the cap.
    """

    def __init__(self, model: str, budget_tokens: int, max_thinking_tokens: int) -> None:
        """Say which model, what was asked for and what is allowed."""
        super().__init__(
            f"a call to {model} asks for {budget_tokens} thinking tokens; max_thinking_tokens is {max_thinking_tokens}"
        )
        self.budget_tokens = budget_tokens
        self.max_thinking_tokens = max_thinking_tokens


def exceeds(asked: Asked, settings: Settings) -> bool:
    """Whether the call asks for more than the cap, warning about it where that is wanted."""
    cap, budget = settings.max_thinking_tokens, asked.budget_tokens
    if cap is None or budget is None or budget <= cap:
        return False
    if settings.on_exceed == "warn":
        LOG.warning("a call to %s asks for %d thinking tokens, more than the cap of %d", asked.model, budget, cap)
    return True


def clamped(body: Any, asked: Asked, settings: Settings) -> Any:
    """A copy of the request body with the cap as its budget; `asked` is updated to what is sent.

    A provider's own least budget (1024 at Anthropic) is kept: below it, the call would be refused.
    """
    budget_tokens = max(settings.max_thinking_tokens or 0, asked.least_budget_tokens)
    if asked.budget_path is None or asked.budget_tokens is None or budget_tokens >= asked.budget_tokens:
        return body
    asked.budget_tokens = budget_tokens
    return replaced(body, asked.budget_path, budget_tokens)


def refusal(asked: Asked, settings: Settings) -> ThinkingBudgetExceeded:
    """The exception for a call that asks for more than the cap."""
    return ThinkingBudgetExceeded(asked.model, asked.budget_tokens or 0, settings.max_thinking_tokens or 0)
