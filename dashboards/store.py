"""The store that the pages read: where it is, and connections to it that are kept."""

import collections
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.query import Known, Reader
from thinkmeter.schema.store.client import StoreAddress

Answer = TypeVar("Answer")

_source: StoreAddress | Path | None = None
_idle: collections.deque[Reader] = collections.deque()
_known = Known()


def read_from(source: StoreAddress | Path) -> None:
    """Say what all pages of this process read.

    Args:
        source: an address, or the data directory of an embedded store, which is looked up for every new connection.
    """
    global _source, _known
    _source, _known = source, Known()
    _let_go()


def ask(question: Callable[[Reader], Answer]) -> Answer:
    """Answer a question with a reader that nobody else uses meanwhile.

    Raises:
        RetryableError: the store does not answer.
        ThinkmeterError: it refuses, or there is none.
    """
    try:
        reader = _idle.pop()
    except IndexError:
        return _ask(question, _connected())
    try:
        return _ask(question, reader)
    except RetryableError:
        _let_go()  # the store may have come back since, on other connections
        return _ask(question, _connected())


def _ask(question: Callable[[Reader], Answer], reader: Reader) -> Answer:
    try:
        answer = question(reader)
    except BaseException:
        reader.close()
        raise
    _idle.append(reader)
    return answer


def _connected() -> Reader:
    if _source is None:
        raise ThinkmeterError("no store was named: start the dashboard with `thinkmeter dashboard` or `thinkmeter up`")
    return Reader(StoreAddress.of_running(_source) if isinstance(_source, Path) else _source, known=_known)


def _let_go() -> None:
    while True:
        try:
            _idle.pop().close()
        except IndexError:
            return
