"""`thinkmeter reconcile`: a provider's usage or cost export beside what the store counted."""

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.table import Table

from thinkmeter.collector.provider_exports import read_export
from thinkmeter.commands.line import app, wide_console
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address, store_client
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.query.reconciliation import Difference, Reconciled, daily_usage
from thinkmeter.schema.query.reconciliation import reconcile as compared

TITLES = {
    "calls": "calls",
    "input_tokens": "input",
    "cache_read_tokens": "cache read",
    "cache_write_tokens": "cache write",
    "output_tokens": "output",
    "usd": "USD",
}


@app.command()
def reconcile(
    files: Annotated[
        list[Path],
        typer.Argument(help="Exports: JSON of the usage or cost API of OpenAI or Anthropic, or a console's CSV."),
    ],
    provider: Annotated[
        str | None, typer.Option("--provider", help="Whose calls to compare with, by the name that calls have.")
    ] = None,
    renames: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="What a column of a CSV means: --map Spend=usd."),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="Only our calls of this project; default: of all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Show, per day (UTC) and model, what a provider says it billed and what was counted here, and why they may differ.

    Usage and cost exports of the same days may be given together. Numbers within 1 % of each other agree.
    """
    names = {}
    for rename in renames or []:
        theirs, equals, ours = rename.partition("=")
        if not theirs or not equals:
            raise ThinkmeterError(f"--map {rename!r} is not of the form theirs=ours")
        names[theirs] = ours
    billed = [line for file in files for line in read_export(file, provider=provider, names=names)]
    with store_client(store_address(data, store_url, config), read_only=True) as client:
        rows = compared(billed, daily_usage(client, billed, project))
    if as_json:
        typer.echo(orjson.dumps({"rows": [row.as_json() for row in rows]}, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(rows)


def _show(rows: list[Reconciled]) -> None:
    console = wide_console()
    shown = [name for name in TITLES if any(name in row.quantities for row in rows)]
    table = Table(box=None, pad_edge=False)
    for title in ("day", "model"):
        table.add_column(title, overflow="fold")
    for name in shown:
        table.add_column(f"{TITLES[name]}: theirs", justify="right")
        table.add_column("ours", justify="right")
        table.add_column("off", justify="right")
    for row in rows:
        cells = [cell for name in shown for cell in _cells(name, row.quantities.get(name))]
        table.add_row(row.day.isoformat(), row.model or f"all of {row.provider}", *cells)
    console.print(table)
    differing = [row for row in rows if row.meaning]
    console.print(f"\n{len(rows) - len(differing)} of {len(rows)} rows agree within 1 %")
    for row in differing:
        console.print(f"{row.day.isoformat()} {row.model or row.provider}: {' '.join(row.meaning)}", markup=False)


def _cells(name: str, of: Difference | None) -> tuple[str, str, str]:
    if of is None:
        return "", "", ""
    form = "{:,.4f}" if name == "usd" else "{:,.0f}"
    off = "" if of.agrees else "only ours" if of.share is None else f"{of.share:+.1%}"
    return form.format(of.theirs), form.format(of.ours), off
