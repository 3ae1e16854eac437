"""The embedded store's own process: ClickHouse from the chdb-core wheel, listening on loopback.

Run as `python embedded_child.py CONFIG_DIR DATABASE_DIR LOG` with its output going to LOG, and not as a module of the
package: it imports nothing but chdb. It ends when its standard input does, that is with its parent, however the parent
ends. Durability does not depend on how it ends: inserts are fsynced parts, so ending is simply stopping.
"""

import os
import select
import sys
import threading

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


def end_with_parent(log: str) -> None:
    """Block until standard input ends, then stop at once; meanwhile see to it that the log stays small."""
    while True:
        told, _, _ = select.select([0], [], [], LOOK_INTERVAL_S)
        if told and not os.read(0, 4096):
            os._exit(0)
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


def main() -> None:
    """Open the port and serve until the parent is gone; on failure the reason goes to standard error."""
    config_dir, database_dir, log = sys.argv[1:]
    os.umask(0o077)
    from chdb import _chdb  # its import reads config.xml of the working directory, which must not be ours yet

    os.chdir(config_dir)
    threading.Thread(target=end_with_parent, args=(log,), daemon=True).start()
    result = _chdb.query(LISTEN, "TabSeparated", path=database_dir)  # type: ignore[attr-defined]  # compiled
    sys.exit(result.error_message() if result.has_error() else "the store stopped listening")


if __name__ == "__main__":
    main()
