"""`thinkmeter prices`: what tokens cost, what has no price, and what other prices would change."""

import csv
import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from thinkmeter.commands.bad_rows import refuse_bad_rows
from thinkmeter.commands.line import app, wide_console
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address, store_client
from thinkmeter.commands.price_file import read_price_file, why_no_price
from thinkmeter.commands.price_tables import show_changes, show_prices, told
from thinkmeter.commands.window import moment, window
from thinkmeter.configuration import load
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.price_list import (
    STALE,
    newest_listed,
    overlaps,
    proposed_books,
    put,
    read_books,
    record_prices,
    set_prices,
    with_set_prices,
    without,
)
from thinkmeter.schema.prices import PriceList, PriceOverride
from thinkmeter.schema.query import Reader
from thinkmeter.schema.query.repricing import Change, changes
from thinkmeter.schema.store.client import StoreAddress

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
prices = typer.Typer(
    help="What tokens cost: list it, set or import prices, and see what they would change.", no_args_is_help=True
)
app.add_typer(prices, name="prices")

Since = Annotated[str, typer.Option("--since", metavar="T", help="Begin: 30d before the end, or an ISO time.")]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help="End, not included.")]
Project = Annotated[str, typer.Option("--project", help="The project.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV.")]


@prices.command("list")
def list_prices(
    history: Annotated[bool, typer.Option("--history", help="Prices of all times, not only today's.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Show the prices of all models that were called, and what to type for those without one."""
    now = dt.datetime.now(dt.UTC)
    with store_client(store_address(data, store_url, config), read_only=True) as client:
        books = read_books(client)
    shown = [(k, r) for k, book in books.items() for r in book if history or r.valid_from <= now < r.valid_until]
    lines = [told(key, rate) for key, rate in sorted(shown, key=lambda entry: (entry[0], entry[1].valid_from))]
    if as_json or as_csv:
        _write(lines, as_json=as_json)
    else:
        show_prices(wide_console(), lines)
    unpriced = [key for key, book in books.items() if not any(rate.source for rate in book)]
    for provider, model, tier in sorted(unpriced):
        typer.echo(f"no price: {_typing(provider, model, tier)}", err=True)
    warn_of_age(now.date())


@prices.command("set")
def set_price(
    model: Annotated[str, typer.Option("--model", help="Glob over model names.")],
    provider: Annotated[str, typer.Option("--provider", help="Glob over provider names.")] = "*",
    service_tier: Annotated[str, typer.Option("--service-tier", help="Glob over service tiers.")] = "*",
    valid_from: Annotated[str | None, typer.Option("--from", metavar="T", help="Valid from; absent: always.")] = None,
    valid_until: Annotated[str | None, typer.Option("--until", metavar="T", help="Valid until, not included.")] = None,
    above: Annotated[int, typer.Option("--above", min=-1, help="Only calls with more input tokens than this.")] = -1,
    input_usd: Annotated[
        float | None, typer.Option("--input", min=0, metavar="USD", help="USD per million tokens.")
    ] = None,
    cache_read: Annotated[
        float | None, typer.Option("--cache-read", min=0, metavar="USD", help="Absent: as the input.")
    ] = None,
    cache_write: Annotated[
        float | None, typer.Option("--cache-write", min=0, metavar="USD", help="Absent: as the input.")
    ] = None,
    cache_write_1h: Annotated[
        float | None,
        typer.Option("--cache-write-1h", min=0, metavar="USD", help="With the long life; absent: as the other."),
    ] = None,
    thinking: Annotated[
        float | None, typer.Option("--thinking", min=0, metavar="USD", help="Absent: as the answer.")
    ] = None,
    answer: Annotated[
        float | None, typer.Option("--answer", min=0, metavar="USD", help="USD per million tokens.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take such a price back.")] = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Set a price, in USD per million tokens; it holds over the price list and the configuration.

    `thinkmeter prices diff` shows what it changes, `thinkmeter reprice` applies it to past calls.
    """
    if not remove and (input_usd is None or answer is None):
        raise typer.BadParameter("a price needs at least --input and --answer", param_hint="--input")
    try:
        price = PriceOverride(
            provider=provider,
            model=model,
            service_tier=service_tier,
            valid_from=_instant(valid_from, "--from"),
            valid_until=_instant(valid_until, "--until"),
            above_input_tokens=above,
            input_per_mtok_usd=input_usd or 0,
            cache_read_per_mtok_usd=cache_read,
            cache_write_per_mtok_usd=cache_write,
            cache_write_1h_per_mtok_usd=cache_write_1h,
            thinking_per_mtok_usd=thinking,
            answer_per_mtok_usd=answer or 0,
        )
    except ValidationError as error:
        raise typer.BadParameter(why_no_price(error)) from None
    address = store_address(data, store_url, config)
    with store_client(address) as client:
        known = set_prices(client)
        if remove and len(without(known, price)) == len(known):
            raise ThinkmeterError(
                "no such price was set: provider, model, service tier, times and length have to agree"
            )
        for warning in () if remove else overlaps(known, [price]):
            typer.echo(warning, err=True)
        changed = record_prices(client, without(known, price) if remove else put(known, price))
        said = "taken back" if remove else "set" if changed else "set already"
        matching = sum(price.matches(*key) for key in read_books(client))
    typer.echo(f"{said}; {matching} of the models that were called are concerned: see `thinkmeter prices diff`,")
    typer.echo("then apply it with `thinkmeter reprice`")


@prices.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, columns named as in [[prices.override]].")],
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Set all prices of a file; the same file again changes nothing.

    Rows that are not valid are listed and left out.
    """
    read, bad = read_price_file(file)
    with store_client(store_address(data, store_url, config)) as client:
        known = before = set_prices(client)
        for warning in overlaps(known, read):
            typer.echo(warning, err=True)
        for price in read:
            known = put(known, price)
        if sorted(known, key=repr) != sorted(before, key=repr):
            record_prices(client, known)
    typer.echo(f"{len(read)} prices set: see `thinkmeter prices diff`, then apply them with `thinkmeter reprice`")
    refuse_bad_rows(file, bad)


@prices.command("diff")
def diff_prices(
    file: Annotated[
        Path | None, typer.Argument(help="Prices that are not set yet, as `prices import` takes them.")
    ] = None,
    since: Since = "30d",
    until: Until = None,
    project: Project = "default",
    with_unchanged: Annotated[bool, typer.Option("--all", help="Models whose cost stays, too.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Show what the price list, the configuration and set prices would change in the cost of past calls.

    Nothing is written: `thinkmeter reprice` applies it.
    """
    read, bad = read_price_file(file) if file else ([], [])
    address = store_address(data, store_url, config)
    start, end = moments(address, since, until)
    with store_client(address, read_only=True) as client:
        listed = price_list(client, config, read)
        found = difference(client, listed, start, end, project)
        for warning in overlaps(set_prices(client), read):
            typer.echo(warning, err=True)
    if as_json or as_csv:
        shown = [one for one in found if one.differs or with_unchanged]
        _write([{**_fields(one), "difference_usd": one.difference_usd} for one in shown], as_json=as_json)
    else:
        show_changes(wide_console(), found, start, end, with_unchanged=with_unchanged)
    idle = [one for one in read if not any(one.matches(c.provider, c.model, c.service_tier) for c in found)]
    for provider, model in dict.fromkeys((one.provider, one.model) for one in idle):
        typer.echo(f"{provider} {model}: no call of the window is concerned", err=True)
    tell_unpriced(found)
    warn_of_age(dt.datetime.now(dt.UTC).date())
    if file:
        refuse_bad_rows(file, bad, aside=as_json or as_csv)


def price_list(client: "Client", config: Path | None, more: Sequence[PriceOverride] = ()) -> PriceList:
    """The prices that would hold: list, configuration, those set by command, and `more` over them."""
    listed = with_set_prices(client, load(config).prices)
    known = list(listed.by_command)
    for price in more:
        known = put(known, price)
    return listed.model_copy(update={"by_command": tuple(known)})


def difference(
    client: "Client", listed: PriceList, since: dt.datetime, until: dt.datetime, project: str
) -> list[Change]:
    """Every model with calls in a window, with what these prices would make of its cost: the largest change first."""
    books = read_books(client)
    found = changes(client, lambda keys: proposed_books(books, listed, keys), since=since, until=until, project=project)
    return sorted(found, key=lambda one: (-abs(one.difference_usd), -one.now_usd))


def tell_unpriced(found: Sequence[Change]) -> None:
    """Say on standard error which models have calls that no price holds for, by either list."""
    for one in found:
        if one.then_unpriced_calls:
            also = "" if one.now_unpriced_calls else ", which have one now"
            typer.echo(
                f"no price for {one.then_unpriced_calls:,} of {one.calls:,} calls{also}: "
                f"{_typing(one.provider, one.model, one.service_tier)}",
                err=True,
            )


def moments(address: StoreAddress, since: str, until: str | None) -> tuple[dt.datetime, dt.datetime]:
    """The window that is meant, in UTC."""
    start, end = moment(since, "--since"), None if until is None else moment(until, "--until")
    with Reader(address) as reader:
        return window(start, end, reader)


def warn_of_age(today: dt.date) -> None:
    """Say so on standard error where the price list is old."""
    newest = newest_listed(today)
    if today - newest > STALE:
        typer.echo(
            f"the price list may be stale: its newest price took effect on {newest}, {(today - newest).days} days ago; "
            "update it with `pip install -U genai-prices`, then `thinkmeter prices diff` and `thinkmeter reprice`",
            err=True,
        )


def _typing(provider: str, model: str, tier: str) -> str:
    named = "" if tier == "standard" else f" --service-tier {tier}"
    return f"thinkmeter prices set --provider {provider or '*'!r} --model {model!r}{named} --input USD --answer USD"


def _instant(text: str | None, option: str) -> dt.datetime | None:
    if text is None:
        return None
    read = moment(text, option)
    if isinstance(read, dt.timedelta):
        raise typer.BadParameter("a time such as 2026-11-15 is needed", param_hint=option)
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)


def _fields(one: Change) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Change.__slots__}


def _write(lines: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        json.dump(lines, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    elif lines:
        writer = csv.DictWriter(sys.stdout, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
