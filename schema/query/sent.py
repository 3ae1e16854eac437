"""Rows that are sent along with a question, and stand in it as a table: of a view, where one has that name."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from clickhouse_connect.driver.external import ExternalData

WITH_HEAD: Final = "RowBinaryWithNamesAndTypes"
"""Format of rows that say themselves what their columns are."""


class Sent(NamedTuple):
    """Rows in RowBinary, and their columns: `a UInt8, b String`."""

    rows: bytes
    columns: str
    format: str = "RowBinary"

    @classmethod
    def told(cls, rows: bytes) -> Self:
        """Rows as the store gives them in `WITH_HEAD`: how many columns, their names, their types, then the rows."""
        at = 0

        def number() -> int:
            """LEB128: seven bits a byte, the lowest first, the eighth where more follow."""
            nonlocal at
            found, shift = 0, 0
            while True:
                found |= (rows[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if rows[at - 1] < 0x80:
                    return found

        def word() -> str:
            nonlocal at
            size = number()
            at += size
            return rows[at - size : at].decode()

        count = number()
        names = [word() for _ in range(count)]
        return cls(rows, ", ".join(f"`{name}` {word()}" for name in names), WITH_HEAD)


def divided(values: Mapping[str, Any]) -> tuple[dict[str, Any], ExternalData | None]:
    """What a question is bound to, and the tables among it."""
    tables = ExternalData()
    for name, sent in values.items():
        if isinstance(sent, Sent):
            tables.add_file(file_name=name, data=sent.rows, fmt=sent.format, structure=sent.columns)
    bound = {name: value for name, value in values.items() if not isinstance(value, Sent)}
    return bound, tables if tables.files else None
