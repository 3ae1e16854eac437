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


def show_changes(
    console: Console, found: Sequence[Change], since: dt.datetime, until: dt.datetime, *, with_unchanged: bool = False
) -> None:
    """Print models whose cost changes, on request the others too, and what all calls of the window come to."""
    span = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    if not found:
        console.print(f"{span}: no calls", markup=False)
        return
    same = [one for one in found if not one.differs]
    shown = found if with_unchanged else [one for one in found if one.differs]
    if not shown:
        cost = usd(sum(one.now_usd for one in found))
        console.print(f"{span}: nothing changes in {_counted(found)}, {cost}", markup=False)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=span, title_style="dim")
    for name in ("provider", "model", "service tier"):
        table.add_column(name)
    for name in ("calls", "now", "then", "difference", "unpriced now", "unpriced then"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in shown:
        table.add_row(one.provider, one.model, one.service_tier, *_sums([one]))
    table.add_section()
    if same and not with_unchanged:
        table.add_row("", f"{len(same)} more that stay", "", *_sums(same), style="dim")
    table.add_row("", "all", "", *_sums(found), style="bold")
    console.print(table)


def _counted(found: Sequence[Change]) -> str:
    calls = sum(one.calls for one in found)
    return f"{calls:,} calls of {len(found)} {'model' if len(found) == 1 else 'models'}"


def _sums(found: Sequence[Change]) -> list[str]:
    """Calls, cost now and then, difference, unpriced calls now and then of several together."""
    now, then = sum(one.now_usd for one in found), sum(one.then_usd for one in found)
    is_same = not any(one.differs for one in found)
    counts = [sum(one.now_unpriced_calls for one in found), sum(one.then_unpriced_calls for one in found)]
    return [
        f"{sum(one.calls for one in found):,}",
        usd(now),
        usd(then),
        usd(0.0 if is_same else then - now),
        *(f"{count:,}" for count in counts),
    ]


def _validity(line: dict[str, Any]) -> str:
    parts = [f"from {line['valid_from'][:10]}" if line["valid_from"] else ""]
    parts += [f"until {line['valid_until'][:10]}" if line["valid_until"] else ""]
    if (line["daily_from_s"], line["daily_until_s"]) != (0, 86_400):
        parts += [f"{line['daily_from_s'] // 3600:02}-{line['daily_until_s'] // 3600:02} h UTC"]
    parts += [f"above {line['above_input_tokens']:,} input" if line["above_input_tokens"] else ""]
    return " ".join(part for part in parts if part) or "always"
