"""A process with a store and a collector, to be killed. Run as `python -m tests.collector.serving DATA HTTP-PORT`.

Prints `up PID-OF-THE-STORE` whenever the store answers; a store that dies is started again, as `thinkmeter up` does.
"""

import sys
import threading
from pathlib import Path

from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate


def main() -> None:
    """Serve until standard input ends."""
    data_dir, http_port = Path(sys.argv[1]), int(sys.argv[2])
    settings = CollectorSettings(http_port=http_port, grpc_port=0, segment_age_s=0.05, min_free_disk_bytes=0)
    with EmbeddedStore(data_dir, port=0) as store:
        migrate(store.address)
        with Collector(store.address, data_dir, settings):
            ended = threading.Event()
            threading.Thread(target=await_end, args=(ended,), daemon=True).start()
            print("up", store.pid, flush=True)
            while not ended.wait(0.05):
                if not store.running:
                    store.restart()
                    print("up", store.pid, flush=True)


def await_end(ended: threading.Event) -> None:
    """Set the event once standard input ends."""
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main()
