"""What other prices would make of the cost of past calls: the same view over other price books."""

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.price_list import Key
from thinkmeter.schema.prices import DAY_S, Rate
from thinkmeter.schema.store.statement import statement

BYTES_AT_ONCE: Final = 100_000
"""Books travel in one parameter, of which the store takes 128 KiB."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """Calls of one key in a window, and what they cost by the prices that hold and by others."""

    provider: str
    model: str
    service_tier: str
    calls: int
    tokens: int
    now_usd: float
    then_usd: float
    now_unpriced_calls: int
    then_unpriced_calls: int

    @property
    def difference_usd(self) -> float:
        """What the other prices add."""
        return self.then_usd - self.now_usd

    @property
    def differs(self) -> bool:
        """Whether the other prices make another amount of it, or have a price for other calls."""
        is_same = math.isclose(self.now_usd, self.then_usd, rel_tol=1e-9, abs_tol=1e-12)
        return not is_same or self.now_unpriced_calls != self.then_unpriced_calls


def changes(
    client: Client,
    propose: Callable[[Collection[Key]], Mapping[Key, Sequence[Rate]]],
    *,
    since: dt.datetime,
    until: dt.datetime,
    project: str,
) -> list[Change]:
    """Every key with calls in the window [since, until): what they cost now, and what by other books.

    Args:
        client: of the store; nothing is written.
        propose: keys -> the books of those of them whose books would change.
        since: begin of the window.
        until: its end.
        project: '' for all.
    """
    window = {"since": since, "until": until, "project": project}
    now = _costs(client, "SELECT * FROM calls", window)
    then = dict(now)
    for some in _batches(propose(now)):
        proposed = _costs(client, _calls_with(client), {**window, "proposed": json.dumps(some)})
        then |= {(provider, model, tier): proposed[provider, model, tier] for provider, model, tier, _ in some}
    return [
        Change(*key, calls, tokens, usd, then[key][2], unpriced, then[key][3])
        for key, (calls, tokens, usd, unpriced) in now.items()
    ]


def _calls_with(client: Client) -> str:
    """The query of the view `calls`, over proposed books in place of its own."""
    text = str(client.query(statement(__package__, "calls_view")).result_rows[0][0])
    own = f"{client.database}.price_books"
    if text.count(own) != 1:
        raise ThinkmeterError("the view `calls` of this store is of another version: migrate it")
    books = statement(__package__, "proposed_books").replace(
        "FROM proposed_rates", f"FROM (\n{statement(__package__, 'proposed_rates')})"
    )
    return text.replace(own, f"(\n{books})")


def _costs(client: Client, calls: str, values: dict[str, Any]) -> dict[Key, tuple[int, int, float, int]]:
    sql = statement(__package__, "cost_by_key").replace("FROM priced_calls", f"FROM (\n{calls}\n)")
    rows = client.query(sql, parameters=values).result_rows
    return {
        (provider, model, tier): (calls, tokens, usd, none) for provider, model, tier, calls, tokens, usd, none in rows
    }


def _batches(books: Mapping[Key, Sequence[Rate]]) -> Iterator[list[list[Any]]]:
    batch: list[list[Any]] = []
    size = 0
    for key, book in books.items():
        row = [*key, [_plain(rate) for rate in sorted(book, key=_order)]]
        length = len(json.dumps(row))
        if batch and size + length > BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


def _order(rate: Rate) -> tuple[Any, ...]:
    """As the view sorts them: the last that holds is the one."""
    return rate.above_input_tokens, rate.valid_from, rate.daily_until_s - rate.daily_from_s < DAY_S


def _plain(rate: Rate) -> list[Any]:
    begin, end, *rest = dataclasses.astuple(rate)[:-1]
    return [round(begin.timestamp() * 1000), round(end.timestamp() * 1000), *rest]
