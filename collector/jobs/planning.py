"""How statements of jobs are done: planned soon, and on one core each, as another is done beside it."""

from typing import Any

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.query.questions import WITHOUT


def planned_soon(client: Client) -> dict[str, Any]:
    """Settings by which the store plans a statement without what takes it longer than it saves, as for questions."""
    known = {name: client.server_settings.get(name) for name in WITHOUT}
    return {name: 0 for name, setting in known.items() if setting is not None and not setting.readonly}


def on_one_core(client: Client) -> dict[str, Any]:
    """The same, and on one core: what two have put together need not be joined, and takes half the memory."""
    return {**planned_soon(client), "max_threads": 1}
