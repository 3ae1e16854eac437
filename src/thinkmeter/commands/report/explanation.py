"""`thinkmeter report cost --explain`: one call's cost, line by line."""

import csv
import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

if TYPE_CHECKING:
    from thinkmeter.schema.query.explanation import Explanation

EVER: Final = ("1970-01-01", "2199-01-01")
"""Ends of a validity that has none."""


def print_explanation(address: StoreAddress, span_id: str, project: str, form: Literal["table", "json", "csv"]) -> None:
    """Print how the cost of a call comes about.

    Raises:
        ThinkmeterError: no call has that span id.
    """
    from thinkmeter.schema.query import Reader

    with Reader(address) as reader:
        found = reader.explain_cost(span_id.lower(), project=project)
    if not found:
        raise ThinkmeterError(
            f"no call of project {project} has the span id {span_id}: a span that wraps or repeats another call has no "
            "cost of its own, and a new one is counted a second after it arrived"
        )
    if form == "json":
        told = [one.as_json() for one in found]
        json.dump(told[0] if len(told) == 1 else told, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, ["span_id", "bucket", "tokens", "per_mtok_usd", "usd"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"span_id": span_id, **dataclasses.asdict(line)} for one in found for line in one.lines)
    else:
        console = Console(highlight=False, soft_wrap=True)
        for one in found:
            _show(console, one)


def _show(console: Console, one: "Explanation") -> None:
    call = one.call
    console.print(
        f"{call['model']} of {call['provider'] or 'an unnamed provider'}, {call['service_tier']}, at "
        f"{call['time']:%Y-%m-%d %H:%M:%S} UTC, request {call['request_id']}, attempt {call['attempt']}",
        markup=False,
    )
    console.print(_price(one), markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("bucket")
    for name in ("tokens", "USD a million", "USD"):
        table.add_column(name, justify="right")
    for line in one.lines:
        tokens = "unknown" if line.tokens is None else f"{line.tokens:,}"
        table.add_row(line.bucket, tokens, _usd(line.per_mtok_usd, 6), _usd(line.usd, 9))
    table.add_section()
    table.add_row("computed", "", "", _usd(one.computed_usd, 9), style="bold")
    if call["cost_source"] == "provider":
        table.add_row("reported by the provider, which holds", "", "", _usd(call["cost_usd"], 9), style="bold")
    console.print(table)
    if one.scale is not None:
        console.print(f"  the buckets of reports are the lines above times {one.scale:.6g}", markup=False)


def _price(one: "Explanation") -> str:
    rate, call = one.rate, one.call
    if rate is None:
        return (
            "no price holds for it, so that it has no cost: type `thinkmeter prices set --provider "
            f"{call['provider'] or '*'} --model {call['model']} --input USD --answer USD`, then `thinkmeter reprice`"
        )
    begin, end = (f"{moment:%Y-%m-%d}" for moment in (rate.valid_from, rate.valid_until))
    valid = [f"from {begin}" if begin != EVER[0] else "", f"until {end}" if end != EVER[1] else ""]
    said = " ".join(part for part in valid if part) or "always"
    if (rate.daily_from_s, rate.daily_until_s) != (0, 86_400):
        said += f", daily from {_clock(rate.daily_from_s)} to {_clock(rate.daily_until_s)} UTC"
    if rate.above_input_tokens >= 0:
        said += f", above {rate.above_input_tokens:,} input tokens"
    recorded = f", recorded {one.recorded:%Y-%m-%d %H:%M} UTC" if one.recorded else ""
    return f"price of {rate.source}, valid {said}{recorded}"


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"


def _usd(amount: float | None, digits: int) -> str:
    return "unknown" if amount is None else f"{amount:.{digits}f}"
