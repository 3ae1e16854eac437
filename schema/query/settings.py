"""What the store says of itself before it is asked: the policies, the project's days, and how far its tables are."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any, Final, Self, TypeAlias

from clickhouse_connect.driver.query import QueryResult

from thinkmeter.schema.metrics.catalogue import Source
from thinkmeter.schema.policy import Policies
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.known import Known
from thinkmeter.schema.query.population import may_use_facts
from thinkmeter.schema.store.statement import statement

RULES_S: Final = 600.0
"""How long it is kept what rules say: for as long as they are the same ones, which is told in a third of the time."""

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
    def read(cls, ask: Callable[[str, dict[str, Any]], QueryResult], known: Known) -> Self:
        """The settings of now.

        Args:
            ask: the store.
            known: where it is kept what rules say.
        """
        [row] = ask(statement(__package__, "settings"), {}).result_rows
        as_of, rules, (made_by, whole_from), (facts, first, last), prices = row

        def said() -> tuple[Policies, str, int]:
            [(policies, timezone, made_by)] = ask(statement(__package__, "rules"), {}).result_rows
            return Policies.from_json(dict(policies)), timezone or "UTC", made_by

        (policies, timezone, rules_of_requests), _ = known.told(("rules", rules), said, RULES_S)
        facts_from = whole_from.astimezone(dt.UTC) if made_by == rules_of_requests else None
        facts_per_s = facts / max((last - first).total_seconds(), 1.0)
        return cls(as_of, policies, timezone, facts_from, facts_per_s, tuple(prices))
