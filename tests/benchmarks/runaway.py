"""How long after its arrival a runaway is found, through `thinkmeter up`; run as a module it prints the figures."""

import datetime as dt
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from tests.alerts.traffic import insert_settled
from tests.commands.running import up
from tests.commands.test_up_alerts import send
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

PLANTED: Final = 40
CALM_A_SECOND: Final = 50
FOUND: Final = "SELECT request_id, min(time) AS found FROM alert_events WHERE state = 'firing' GROUP BY request_id"


def measure(data: Path) -> list[float]:
    """Seconds from the answer to a runaway's span to the instant at which it was found, among calm requests."""
    with EmbeddedStore(data, port=0) as store:
        migrate(store.address)
        with connect(store.address) as client:
            insert_settled(client, range(100, 300))
    arrived: dict[str, dt.datetime] = {}
    with up(data) as running:
        running.wait_for("ready")
        url = running.url("OTLP/HTTP")
        ended = threading.Event()
        calm = threading.Thread(target=_calm, args=(url, ended))
        calm.start()
        try:
            for number in range(PLANTED):
                name = f"planted-{number}"
                send(url, 1 + number, name, 50_000)
                arrived[name] = dt.datetime.now(dt.UTC)
                time.sleep(0.75)  # so that they fall anywhere within the rounds of the jobs
            found = _found(StoreAddress.of_running(data))
        finally:
            ended.set()
            calm.join()
    return sorted((found[name] - at).total_seconds() for name, at in arrived.items())


def _calm(url: str, ended: threading.Event) -> None:
    number = 1_000_000
    while not ended.wait(1 / CALM_A_SECOND):
        number += 1
        send(url, number, f"calm-{number}", 150)


def _found(address: StoreAddress) -> dict[str, dt.datetime]:
    with connect(address) as client:
        deadline = time.monotonic() + 30
        while len(rows := client.query(FOUND, tz_mode="aware").result_rows) < PLANTED:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(rows)} of {PLANTED} runaways were found")
            time.sleep(0.2)
    return {str(name): found for name, found in rows}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        waits_s = measure(Path(folder) / "data")
    at = {"p50": statistics.median(waits_s), "p95": waits_s[round(0.95 * len(waits_s)) - 1], "longest": waits_s[-1]}
    sys.stdout.write(f"{len(waits_s)} runaways among {CALM_A_SECOND} calm calls a second: ")
    sys.stdout.write(", ".join(f"{name} {wait:.2f} s" for name, wait in at.items()) + "\n")
