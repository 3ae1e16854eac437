"""Lets spans be merged in the embedded store where a collector that had merges wait was killed."""

from typing import Final

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.store.statement import statement

QUIET_S: Final = 60
"""Three times as long as a collector that writes has merges wait."""


def let_merges_go_on(client: Client, quiet_s: int = QUIET_S) -> bool:
    """Let merges of `spans` go on where nothing has been written for so long; whether that was so.

    The store is asked whether it is the embedded one, as its address need not tell it: a server's merges are its
    operator's. It is said again and again while nothing is written, since nobody can ask whether they wait.
    """
    asked = {"quiet_s": quiet_s}
    is_quiet = bool(client.query(statement(__package__, "merging_quiet"), parameters=asked).result_rows[0][0])
    if is_quiet:
        client.command("SYSTEM START MERGES spans")
    return is_quiet
