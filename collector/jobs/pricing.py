"""Looks up prices for every provider, model and service tier that calls were made with."""

import dataclasses
import datetime as dt

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.price_list import Key, read_books, with_set_prices
from thinkmeter.schema.prices import PriceSettings, Rate, price_book
from thinkmeter.schema.rules import after
from thinkmeter.schema.store.statement import statement

RATE_COLUMNS = tuple(field.name for field in dataclasses.fields(Rate))


def refresh_prices(client: Client, settings: PriceSettings, *, since: dt.datetime | None = None) -> list[Key]:
    """Bring the price books up to date; the keys whose book was new or changed.

    Args:
        client: of the store.
        settings: overrides of the configuration; those that were set by command hold over them.
        since: look only at keys of spans inserted from then on, which is what a frequent run needs; None
            compares all, which a start needs, since prices or the configuration may have changed meanwhile.
    """
    seen: list[Key] = [
        (provider, model, tier)
        for provider, model, tier in client.query(
            statement(__package__, "price_keys"),
            parameters={"since": since or dt.datetime(1970, 1, 1, tzinfo=dt.UTC)},
        ).result_rows
    ]
    known, settings = read_books(client), with_set_prices(client, settings)
    changed = {}
    for key in seen:
        if since is not None and key in known:
            continue
        book = price_book(*key, settings)
        if known.get(key) != book:
            changed[key] = book
    if changed:
        # One record instant and one insert: a book is replaced whole or not at all.
        recorded = after(client, "newest_prices")
        client.insert(
            "prices",
            [[*key, recorded, *dataclasses.astuple(rate)] for key, book in changed.items() for rate in book],
            column_names=["provider", "model", "service_tier", "recorded", *RATE_COLUMNS],
        )
    return list(changed)
