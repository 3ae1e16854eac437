"""What may be spent: the month's budget, and how much users and sessions may think in a day."""

from pydantic import BaseModel, ConfigDict, Field


class Budgets(BaseModel):
    """`[budgets]`: what calls may cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    monthly_usd: float | None = Field(default=None, gt=0, description="of all calls of a calendar month")


class Quotas(BaseModel):
    """`[quotas]`: thinking tokens a day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_daily_thinking_tokens: int | None = Field(default=None, gt=0, description="of one user")
    session_daily_thinking_tokens: int | None = Field(default=None, gt=0, description="of one session")
