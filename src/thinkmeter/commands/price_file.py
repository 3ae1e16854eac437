"""Prices from a file: what is one, and what is said of a row that is none."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from thinkmeter.schema.prices import PriceOverride

if TYPE_CHECKING:
    from thinkmeter.collector.labels import BadRow

COLUMNS: Final = ", ".join(PriceOverride.model_fields)


def read_price_file(file: Path) -> tuple[list[PriceOverride], "list[BadRow]"]:
    """Prices of a file, and the lines of rows that are none with their reason."""
    from thinkmeter.collector.call_files import read_rows
    from thinkmeter.collector.labels import BadRow

    read: list[PriceOverride] = []
    bad: list[BadRow] = []
    for line, values in read_rows(file, bad):
        try:
            read.append(PriceOverride.model_validate({k: v for k, v in values.items() if v not in (None, "")}))
        except ValidationError as error:
            bad.append(BadRow(line, why_no_price(error)))
    return read, bad


def why_no_price(error: ValidationError) -> str:
    """What is wrong with a price: where, and why; a column that there is not first, as others may be absent for it."""
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{place}: there is no such column; prices are USD per million tokens, and the columns are {COLUMNS}"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "timezone_aware":
        reason = f"{first['input']!r} needs a time zone, as in 2026-11-01T00:00:00Z"
    return f"{place}: {reason}" if place else reason
