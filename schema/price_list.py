"""The prices that the store keeps: books that hold, prices set by command, and how old the list behind them is."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from clickhouse_connect.driver.client import Client
from genai_prices import data_snapshot
from genai_prices.types import StartDateConstraint

from thinkmeter.schema.prices import BEGINNING, END, PriceList, PriceOverride, PriceSettings, Rate, price_book
from thinkmeter.schema.rules import Rule, store_rules
from thinkmeter.schema.store.statement import statement

Key = tuple[str, str, str]
"""Provider, model and service tier."""

STALE: Final = dt.timedelta(days=30)
"""A price list older than this may miss models and changed prices."""

_KIND: Final = "price"


def read_books(client: Client) -> dict[Key, list[Rate]]:
    """The price book of every key that calls were made with, as it now holds."""
    books: dict[Key, list[Rate]] = {}
    rows = client.query(statement(__package__, "price_books")).result_rows
    for provider, model, tier, valid_from, valid_until, *rest in rows:
        rate = Rate(valid_from.replace(tzinfo=dt.UTC), valid_until.replace(tzinfo=dt.UTC), *rest)
        books.setdefault((provider, model, tier), []).append(rate)
    return books


def proposed_books(
    books: Mapping[Key, Sequence[Rate]], prices: PriceSettings, keys: Iterable[Key]
) -> dict[Key, list[Rate]]:
    """The books that these prices would give for keys, where they differ from `books` or those have none."""
    proposed = {key: price_book(*key, prices) for key in keys}
    return {key: book for key, book in proposed.items() if book != books.get(key)}


def set_prices(client: Client) -> list[PriceOverride]:
    """The prices that were set by command, in the order in which they hold over each other."""
    found = client.query(statement(__package__, "current_rules"), parameters={"kind": _KIND}).result_rows
    return [PriceOverride.model_validate_json(value) for _, _, value in found]


def with_set_prices(client: Client, settings: PriceSettings) -> PriceList:
    """The configuration's prices with those set by command over them."""
    return PriceList(override=settings.override, self_hosted=settings.self_hosted, by_command=tuple(set_prices(client)))


def record_prices(client: Client, prices: Sequence[PriceOverride]) -> bool:
    """Make these the prices set by command; whether that changed anything.

    They are looked up for new models at once; books that hold change when `refresh_prices` compares them.
    """
    return store_rules(client, _KIND, [Rule("", "", one.model_dump_json(exclude_none=True)) for one in prices])


def put(prices: Sequence[PriceOverride], price: PriceOverride) -> list[PriceOverride]:
    """These prices with one more, in place of the one that speaks of the same calls."""
    return [*without(prices, price), price]


def without(prices: Sequence[PriceOverride], price: PriceOverride) -> list[PriceOverride]:
    """These prices without the one that speaks of the same calls as `price`."""
    return [one for one in prices if _identity(one) != _identity(price)]


def overlaps(known: Sequence[PriceOverride], more: Sequence[PriceOverride]) -> list[str]:
    """Sentences on each of `more` that overlaps, and holds over, an earlier price of the same models."""
    told, before = [], list(known)
    for price in more:
        for one in without(before, price):
            since = max(one.valid_from or BEGINNING, price.valid_from or BEGINNING)
            until = min(one.valid_until or END, price.valid_until or END)
            if _of(one) == _of(price) and since < until:
                begin = "the beginning" if since == BEGINNING else f"{since:%Y-%m-%d %H:%M} UTC"
                end = "ever" if until == END else f"{until:%Y-%m-%d %H:%M} UTC"
                told.append(
                    f"{price.provider} {price.model}: two prices hold from {begin} to {end}; the later one counts, "
                    f"input {price.input_per_mtok_usd:g} and answer {price.answer_per_mtok_usd:g}, not "
                    f"{one.input_per_mtok_usd:g} and {one.answer_per_mtok_usd:g}"
                )
        before = put(before, price)
    return told


def newest_listed(today: dt.date) -> dt.date:
    """Day on which the newest price of the installed list of genai-prices took effect; it tells no other date.

    Prices that are announced for later do not count.
    """
    return max(
        price.constraint.start_date
        for provider in data_snapshot.get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for price in model.prices
        if isinstance(price.constraint, StartDateConstraint) and price.constraint.start_date <= today
    )


def _identity(price: PriceOverride) -> tuple[object, ...]:
    return (*_of(price), price.valid_from, price.valid_until)


def _of(price: PriceOverride) -> tuple[object, ...]:
    return price.provider.lower(), price.model.lower(), price.service_tier.lower(), price.above_input_tokens
