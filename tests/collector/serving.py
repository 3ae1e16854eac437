"""A process with a store and a collector, to be killed.

Run as `python -m tests.collector.serving DATA HTTP-PORT SETTINGS`, with further settings of the collector as JSON.
Prints `up PID-OF-THE-STORE` whenever the store answers; a store that dies is started again, as `thinkmeter up` does,
unless the line `hold` came on standard input, until the line `go` comes.
"""

import json
import sys
import threading
from pathlib import Path

from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate


def main() -> None:
    """Serve until standard input ends."""
    data_dir, http_port, more = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    own = {"http_port": http_port, "grpc_port": 0, "segment_age_s": 0.05, "min_free_disk_bytes": 0}
    with EmbeddedStore(data_dir, port=0) as store:
        migrate(store.address)
        with Collector(store.address, data_dir, CollectorSettings.model_validate({**own, **more})):
            ended, held = threading.Event(), threading.Event()
            threading.Thread(target=obey, args=(ended, held), daemon=True).start()
            print("up", store.pid, flush=True)
            while not ended.wait(0.05):
                if not store.running and not held.is_set():
                    store.restart()
                    print("up", store.pid, flush=True)


def obey(ended: threading.Event, held: threading.Event) -> None:
    """Set the events as standard input says."""
    for line in sys.stdin:
        if line == "hold\n":
            held.set()
        else:
            held.clear()
    ended.set()


if __name__ == "__main__":
    main()
