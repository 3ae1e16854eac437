"""What the store says of itself before it is asked: the policies, the project's days, and how far its tables are."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Self, TypeAlias

from thinkmeter.schema.metrics.catalogue import Source
from thinkmeter.schema.policy import Policies
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.population import may_use_facts

PriceState: TypeAlias = tuple[int, int]
"""How many prices the store has, and all that they say as one number."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What holds while a question is answered.

    Attributes:
        as_of: now, by the store's clock.
        policies: by task class.
        timezone: where the project's days begin.
        facts_from: from when on `request_facts` says all; None where it was not made by the rules of now.
        facts_per_s: its rows, about, for each second between the first and the last.
        prices: the ones that hold.
    """

    as_of: dt.datetime
    policies: Policies
    timezone: str
    facts_from: dt.datetime | None
    facts_per_s: float
    prices: PriceState

    def facts_of(self, filters: Filters) -> float:
        """About how many rows of `request_facts` the window has."""
        return self.facts_per_s * (filters.until - filters.since).total_seconds()

    def has_facts(self, filters: Filters, by: Iterable[str] = (), source: Source = "requests", sql: str = "") -> bool:
        """Whether `request_facts` can answer for the window, the filters, the groups and the query."""
        if self.facts_from is None or self.facts_from > filters.since:
            return False
        return may_use_facts([*by, *filters.where], source, sql)

    @classmethod
    def by(cls, row: Sequence[Any]) -> Self:
        """The settings that a row of `settings.sql` tells."""
        as_of, policies, timezone, rules, (made_by, whole_from), (facts, first, last), prices = row
        facts_from = whole_from.astimezone(dt.UTC) if made_by == rules else None
        facts_per_s = facts / max((last - first).total_seconds(), 1.0)
        return cls(as_of, Policies.from_json(dict(policies)), timezone or "UTC", facts_from, facts_per_s, tuple(prices))
