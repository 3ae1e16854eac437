"""Prices and what they change, as tables."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from thinkmeter.schema.metrics.wording import usd
from thinkmeter.schema.price_list import Key
from thinkmeter.schema.prices import BEGINNING, END, Rate
from thinkmeter.schema.query.repricing import Change

RATES: Final = ("input", "cache_read", "cache_write", "cache_write_1h", "thinking", "answer")


def told(key: Key, rate: Rate) -> dict[str, Any]:
    """One rate as plain values; None for an end that is nowhere and for a price that is not known."""
    provider, model, tier = key
    return {
        "provider": provider,
        "model": model,
        "service_tier": tier,
        "valid_from": None if rate.valid_from == BEGINNING else rate.valid_from.isoformat(),
        "valid_until": None if rate.valid_until == END else rate.valid_until.isoformat(),
        "daily_from_s": rate.daily_from_s,
        "daily_until_s": rate.daily_until_s,
        "above_input_tokens": rate.above_input_tokens if rate.above_input_tokens >= 0 else None,
        **{f"{name}_per_mtok_usd": getattr(rate, f"{name}_per_mtok_usd") for name in RATES},
        "source": rate.source or None,
    }


def show_prices(console: Console, lines: Sequence[dict[str, Any]]) -> None:
    """Print rates, as `told` gives them."""
    if not lines:
        console.print("no model was called yet")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="USD per million tokens", title_style="dim")
    for name in ("provider", "model", "service tier", "valid"):
        table.add_column(name, overflow="fold")
    for name in RATES:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("source")
    for line in lines:
        amounts = [line[f"{name}_per_mtok_usd"] for name in RATES]
        table.add_row(
            line["provider"],
            line["model"],
            line["service_tier"],
            _validity(line),
            *("-" if amount is None else f"{amount:.4g}" for amount in amounts),
            line["source"] or "no price",
            style="" if line["source"] else "red",
        )
    console.print(table)


def show_changes(console: Console, found: Sequence[Change], since: dt.datetime, until: dt.datetime) -> None:
    """Print changes by model, and their sum."""
    span = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    if not found:
        console.print(f"{span}: nothing changes", markup=False)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=span, title_style="dim")
    for name in ("provider", "model", "service tier"):
        table.add_column(name)
    for name in ("calls", "now", "then", "difference", "unpriced now", "unpriced then"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        money = (usd(amount) for amount in (one.now_usd, one.then_usd, one.difference_usd))
        unpriced = (f"{count:,}" for count in (one.now_unpriced_calls, one.then_unpriced_calls))
        table.add_row(one.provider, one.model, one.service_tier, f"{one.calls:,}", *money, *unpriced)
    table.add_section()
    now, then = sum(one.now_usd for one in found), sum(one.then_usd for one in found)
    calls = sum(one.calls for one in found)
    table.add_row("", "all that change", "", f"{calls:,}", usd(now), usd(then), usd(then - now), style="bold")
    console.print(table)


def _validity(line: dict[str, Any]) -> str:
    parts = [f"from {line['valid_from'][:10]}" if line["valid_from"] else ""]
    parts += [f"until {line['valid_until'][:10]}" if line["valid_until"] else ""]
    if (line["daily_from_s"], line["daily_until_s"]) != (0, 86_400):
        parts += [f"{line['daily_from_s'] // 3600:02}-{line['daily_until_s'] // 3600:02} h UTC"]
    parts += [f"above {line['above_input_tokens']:,} input" if line["above_input_tokens"] else ""]
    return " ".join(part for part in parts if part) or "always"
