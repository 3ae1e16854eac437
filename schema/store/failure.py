"""Why something failed on the way to the store or in it, in a phrase that can be logged and shown."""

import re
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from thinkmeter.schema.errors import ThinkmeterError

LONGEST: Final = 300
_ADDRESS: Final = re.compile(r"\s*\(for url [^)]*\)|\bhttps?://\S+")
_QUOTED: Final = re.compile(r"'[^']*'?|\"[^\"]*\"?")
_SAYS: Final = re.compile(r"^.*?server response: (?:Code: \d+\. )?(?:DB::Exception: )?")


def reason(error: BaseException) -> str:
    """The cause in a phrase.

    No address stands in it, and nothing that the store quotes: that may be content of calls.
    """
    if isinstance(error, ThinkmeterError):
        return str(error)
    if isinstance(error, ClickHouseError) and not (isinstance(error, Error) and error.code is not None):
        error = _root(error)  # there was no answer: the network says why
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    if not isinstance(error, ClickHouseError):
        return type(error).__name__
    said = _SAYS.sub("", (str(error).strip() or type(error).__name__).splitlines()[0])
    return _QUOTED.sub("'...'", _ADDRESS.sub("", said))[:LONGEST].strip()


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
