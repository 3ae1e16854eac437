"""`thinkmeter report review`: a month as people read it, task class by task class."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from thinkmeter.commands.line import wide_console
from thinkmeter.schema.store.client import StoreAddress

if TYPE_CHECKING:
    from thinkmeter.schema.query.break_even import Gpus
    from thinkmeter.schema.query.review import MonthlyReview, Review


def print_review(
    address: StoreAddress,
    month: str | None,
    task: str | None,
    project: str,
    gpus: "Gpus | None",
    *,
    as_json: bool,
) -> None:
    """Print the review of a month.

    Raises:
        ThinkmeterError: there is no such month, or the store does not answer.
    """
    from thinkmeter.schema.query import Reader
    from thinkmeter.schema.query.review import review

    with Reader(address) as reader:
        found = review(reader, month, task=task, project=project, gpus=gpus)
    if as_json:
        json.dump(found.as_json(), sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    else:
        _show(wide_console(), found)


def _show(console: Console, found: "MonthlyReview") -> None:
    until = "" if found.month.elapsed == 1 else f", {found.month.elapsed:.0%} of it so far"
    console.print(f"Review of {found.month.name}{until}, against {found.month.before().name}", style="bold")
    if not found.reviews:
        console.print("No request began in that month.")
    for one in found.reviews:
        _show_task(console, one)
    if found.whole is None and found.reviews:
        console.print(
            "\nBreak-even of self-hosting: name hardware by --gpu-hour-usd 2.80 --gpus 8 --gpu-tokens-per-second 2400 "
            "or in [[prices.self_hosted]]",
            markup=False,
        )
    if found.whole is not None and len(found.reviews) > 1:
        console.print()
        typer.echo(f"All task classes together: {found.whole.said}")


def _show_task(console: Console, one: "Review") -> None:
    from thinkmeter.schema.metrics.catalogue import METRICS
    from thinkmeter.schema.metrics.wording import interval, state, usd, value

    console.print(f"\n{one.task or 'unknown task'}", style="bold", markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "value", "95 % interval", "n", "state"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name in ("cpq", "ttr", "escr", "vrate"):
        for row in one.now[name]:
            of = " ".join(str(row.key[key]) for key in ("verifier", "version") if row.key.get(key))
            told = state(row.state, row.detail) if row.value is None else row.state.value.replace("_", " ")
            metric = METRICS[name]
            title = f"{metric.title}{f', {of}' if of else ''}"
            table.add_row(title, value(metric, row.value), interval(metric, row.low, row.high), f"{row.n:,}", told)
    console.print(table)
    if one.repriced is not None:
        same = one.repriced
        console.print(
            f"  Thinking a request: {usd(same.before_usd)} -> {usd(same.now_usd)}; prices "
            f"{_signed(same.price_effect_usd)}, mix of models {_signed(same.mix_effect_usd)}, "
            f"length {_signed(same.length_effect_usd)}"
        )
    if one.change.ratio is not None:
        change = one.change
        console.print(
            f"  One more correct answer, same prices and mix: {usd(change.before_usd)} -> {usd(change.now_usd)}, "
            f"{change.ratio:.2f} times ({change.low:.2f} to {change.high:.2f})"
        )
    for row in one.now["vrate"]:
        _list(console, "verifier: how often answers of a score are correct", row.detail.get("reliability"), "score")
    for row in one.now["routing"]:
        _list(
            console,
            "router: how often requests are right where they enter",
            row.detail.get("calibration"),
            "entry_tier",
        )
    if one.break_even is not None:
        console.print(f"  Hardware of your own: {one.break_even.said}")
    for sentence in one.advice or ("Nothing to change that the numbers would show.",):
        console.print(f"  * {sentence}", markup=False)


def _list(console: Console, title: str, entries: Sequence[Mapping[str, Any]] | None, key: str) -> None:
    from thinkmeter.schema.metrics.wording import rate

    if not entries:
        return
    right = "right_there" if key == "entry_tier" else "correct"
    cells = (
        f"{f'tier {one[key]}' if key == 'entry_tier' else f'{one[key]:.2f}'}: {rate(one[right])} "
        f"({rate(one['low'])} to {rate(one['high'])}, n = {one['n']:,})"
        for one in entries
    )
    console.print(f"  {title}: {'; '.join(cells)}", markup=False)


def _signed(amount: float) -> str:
    from thinkmeter.schema.metrics.wording import usd

    return usd(amount) if amount < 0 else f"+{usd(amount)}"
