"""The embedded store's own process: ClickHouse from the chdb-core wheel, listening on loopback.

Run as `python embedded_child.py CONFIG_DIR DATABASE_DIR LOG` with its output going to LOG, and not as a module of the
package: it imports nothing but the engine. It ends when its standard input does, that is with its parent, however that
ends. Durability does not depend on how it ends: inserts are fsynced parts, so ending is simply stopping.
"""

import ctypes
import mmap
import os
import select
import sys
import threading
import time
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

# The session of the child itself is the user `default`, which has no password and could be used by anyone
# on loopback. It is granted nothing but SYSTEM LISTEN, so the statement that keeps the server alive may
# touch no table and no file: a recursive query over constants that sleeps a second a step, 31 years long.
LISTEN = """
SYSTEM START LISTEN HTTP;
WITH RECURSIVE pulse AS (SELECT toUInt8(0) AS beat UNION ALL SELECT toUInt8(sleep(1)) AS beat FROM pulse)
SELECT max(beat) FROM pulse SETTINGS max_recursive_cte_evaluation_depth = 1000000000
"""


LARGEST_LOG_BYTES = 10_000_000
LOOK_INTERVAL_S = 2.0
RELEASE_INTERVAL_S = 60.0
MERGES = "MergeMutate"
"""What the engine calls its threads that merge."""
MERGES_NICE = 5
"""Of two cores that others keep busy, merges take a sixth: enough for them not to fall behind for ever."""


def end_with_parent(log: str, library: list[tuple[int, int]]) -> None:
    """Block until standard input ends, then stop at once; meanwhile take care of log, memory and merges."""
    released_s = 0.0
    while True:
        told, _, _ = select.select([0], [], [], LOOK_INTERVAL_S)
        if told and not os.read(0, 4096):
            os._exit(0)
        put_back_merges()
        if time.monotonic() - released_s > RELEASE_INTERVAL_S:
            released_s = time.monotonic()
            release(library)
        try:
            if os.fstat(2).st_size > LARGEST_LOG_BYTES:
                begin_log_anew(log)
        except OSError:
            pass  # a disk without room: the log goes on where it is, and is looked at again


def begin_log_anew(log: str) -> None:
    """Move what was said aside, in place of what was moved before, and say the rest to a new file."""
    os.replace(log, f"{log}.1")
    new = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(new, standard)
    os.close(new)


def engine() -> ModuleType:
    """The compiled module of chdb. The package around it would import pyarrow and open a second engine in memory.

    Raises:
        ModuleNotFoundError: chdb is not installed.
    """
    package = find_spec("chdb")
    found = PathFinder.find_spec("_chdb", package.submodule_search_locations) if package else None
    if found is None or found.loader is None or found.origin is None:
        raise ModuleNotFoundError("chdb is not installed", name="chdb")
    # as the package does: the library's own allocator comes before that of libraries that are loaded already
    ctypes.CDLL(found.origin, mode=sys.getdlopenflags() | getattr(os, "RTLD_DEEPBIND", 0))
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def untouched_pages(file: str) -> list[tuple[int, int]]:
    """Address and length of what is mapped of a file and was not written to; empty where there is no /proc."""
    pages: list[tuple[int, int]] = []
    mapped: tuple[int, int] | None = None
    try:
        with open("/proc/self/smaps") as lines:
            for line in lines:
                name, *words = line.split()
                if not name.endswith(":"):
                    start, end = (int(bound, 16) for bound in name.split("-"))
                    mapped = (start, end - start) if words[-1] == file and "w" not in words[0] else None
                elif name == "Anonymous:" and mapped and words[0] == "0":
                    pages.append(mapped)
    except FileNotFoundError:
        pass
    return pages


def release(pages: list[tuple[int, int]]) -> None:
    """Have memory no longer hold these, until they are read again: three quarters are for the start alone."""
    for start, length in pages:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def put_back_merges() -> None:
    """Have merges leave the cores to inserts and questions, where these want them."""
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/comm") as name:
                if name.read().strip() == MERGES:
                    os.setpriority(os.PRIO_PROCESS, int(thread), MERGES_NICE)
    except (FileNotFoundError, ProcessLookupError):
        pass  # no /proc, or a thread that has just ended; it is looked at again


def main() -> None:
    """Open the port and serve until the parent is gone; on failure the reason goes to standard error."""
    config_dir, database_dir, log = sys.argv[1:]
    os.umask(0o077)
    chdb = engine()
    os.chdir(config_dir)
    library = untouched_pages(chdb.__file__ or "")
    threading.Thread(target=end_with_parent, args=(log, library), daemon=True).start()
    result = chdb.query(LISTEN, "TabSeparated", path=database_dir)
    sys.exit(result.error_message() if result.has_error() else "the store stopped listening")


if __name__ == "__main__":
    main()
