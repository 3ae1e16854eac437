"""Silences: what nobody is to be told of for a while. It is judged and stored all the same."""

import contextlib
import dataclasses
import datetime as dt
import secrets

from thinkmeter.schema.alerting.records import Silence
from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress


def silence(
    address: StoreAddress,
    lasting: dt.timedelta,
    *,
    project: str = "",
    rule: str = "",
    task: str = "",
    key: str = "",
    reason: str = "",
    created_by: str = "",
) -> Silence:
    """Silence alerts that fire from now on; an empty condition holds for all.

    What fired before is still told, and so is its end. `key` is, for runaways, the request.

    Raises:
        ThinkmeterError: it would not last, or the store refuses or does not answer.
    """
    if lasting <= dt.timedelta(0):
        raise ThinkmeterError("a silence has to last for some time")
    now = dt.datetime.now(dt.UTC)
    made = Silence(secrets.token_hex(4), now, now + lasting, project, rule, task, key, reason, created_by)
    with contextlib.closing(AlertStore(address)) as store:
        store.add_silence(made)
    return made


def silences(address: StoreAddress) -> list[Silence]:
    """Silences that are not over, oldest first.

    Raises:
        ThinkmeterError: the store refuses or does not answer.
    """
    with contextlib.closing(AlertStore(address)) as store:
        return store.silences(dt.datetime.now(dt.UTC))


def end_silence(address: StoreAddress, id: str) -> Silence:
    """End a silence now.

    Raises:
        ThinkmeterError: there is none of that id that is not over, or the store refuses or does not answer.
    """
    now = dt.datetime.now(dt.UTC)
    with contextlib.closing(AlertStore(address)) as store:
        for one in store.silences(now):
            if one.id == id:
                ended = dataclasses.replace(one, until=now)
                store.add_silence(ended)
                return ended
    raise ThinkmeterError(f"no silence {id!r} holds; `thinkmeter alerts silence --list` shows those that do")
