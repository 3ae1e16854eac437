"""A store whose clock went back: what was written by the clock before would stand above all that comes now."""

import datetime as dt
from typing import Final

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.store.statement import statement

TOLERANCE: Final = dt.timedelta(seconds=1)
"""How far the clocks of a cluster's servers may be apart."""
_NOW: Final = {"lightweight_deletes_sync": 2}


def went_back(written: dt.datetime, now: dt.datetime) -> bool:
    """Whether what the store's clock said once lies ahead of what it says now."""
    return written > now + TOLERANCE


def bring_back(client: Client, table: str, now: dt.datetime) -> None:
    """Let the newest versions in a table whose rows replace each other be of now, where they are of a time to come.

    Can be cut off anywhere and repeated: whichever of two equal rows is read, it says the same.
    """
    [(key,)] = client.query(statement(__package__, "clock_key"), parameters={"table": table}).result_rows
    values = {"table": table, "now": now}
    client.command(statement(__package__, "clock_copy").replace("sorting_key", key), parameters=values)
    client.command("DELETE FROM {table:Identifier} WHERE version > {now:DateTime64(6)}", values, settings=_NOW)


def forget_marks(client: Client, table: str, column: str, now: dt.datetime) -> None:
    """Take out of a table of marks those that lie ahead, since the highest or newest holds."""
    values = {"table": table, "column": column, "now": now}
    sql = "DELETE FROM {table:Identifier} WHERE {column:Identifier} > {now:DateTime64(6)}"
    client.command(sql, parameters=values, settings=_NOW)
