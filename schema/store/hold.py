"""A directory that one process has for itself, as long as it lives."""

import fcntl
import os
from typing import IO

from thinkmeter.schema.errors import ThinkmeterError


def hold(lock: IO[str], what: str, other: str) -> IO[str]:
    """Lock a file for this process until it is closed, and write down whose it is; `lock` comes out again.

    Args:
        lock: the file, open for appending and reading.
        what: is locked by it, as the beginning of a sentence.
        other: what a process is called that holds it.

    Raises:
        ThinkmeterError: another process holds it.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise ThinkmeterError(
            f"{what} is in use by process {owner}; stop that {other} or name another with --data"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
