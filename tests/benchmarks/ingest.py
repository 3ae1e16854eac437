"""Spans per second from a sender's request to a row that can be queried, and what an idle collector holds in memory.

`python -m tests.benchmarks.ingest [SECONDS]`
"""

import http.client
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.corpus import request
from tests.waiting import wait_for
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

BODY_SPANS = 512
SENDERS = 2


class Body:
    """A request that can be sent many times, each time of other traces."""

    def __init__(self, chance: random.Random) -> None:
        made = request(chance, BODY_SPANS)
        self._bytes = bytearray(made.SerializeToString())
        spans = made.resource_spans[0].scope_spans[0].spans
        self._places = [self._bytes.index(span.trace_id) for span in spans]

    def renewed(self, chance: random.Random) -> bytes:
        for place in self._places:
            self._bytes[place : place + 8] = chance.randbytes(8)
        return bytes(self._bytes)


def send(port: int, seconds: float, seed: int) -> int:
    """Spans that one sender got acknowledged."""
    chance = random.Random(seed)
    bodies = [Body(chance) for _ in range(8)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-protobuf"}
    acknowledged = 0
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        connection.request("POST", "/v1/traces", chance.choice(bodies).renewed(chance), headers)
        reply = connection.getresponse()
        reply.read()
        if reply.status == 200:
            acknowledged += BODY_SPANS
        else:
            time.sleep(float(reply.headers.get("Retry-After", "0.1")))
    connection.close()
    return acknowledged


def main(seconds: float = 10.0) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedStore(Path(folder), port=0) as store:
        migrate(store.address)
        settings = CollectorSettings(http_port=0, grpc_port=0)
        with Collector(store.address, Path(folder), settings) as collector, connect(store.address) as client:
            wait_for(lambda: collector.health().ready)
            print(f"idle: collector {_resident_mb(os.getpid())} MB, store {_resident_mb(store.pid)} MB resident")
            started_s, cpu_s = time.monotonic(), _cpu_s(store.pid)
            with multiprocessing.get_context("spawn").Pool(SENDERS) as senders:
                jobs = [(collector.http_port, seconds, seed) for seed in range(SENDERS)]
                acknowledged = sum(senders.starmap(send, jobs))
            sent_s = time.monotonic() - started_s
            wait_for(lambda: _written(collector) >= acknowledged, timeout_s=600)
            stored_s = time.monotonic() - started_s
            own_s, store_s = (after - before for after, before in zip(_cpu_s(store.pid), cpu_s, strict=True))
            rows = client.command("SELECT uniqExact(trace_id, span_id) FROM spans")
            print(
                f"acknowledged {acknowledged / sent_s:,.0f} spans/s, queryable {acknowledged / stored_s:,.0f} spans/s "
                f"({acknowledged:,} spans in bodies of {BODY_SPANS}, {rows:,} distinct; CPU us/span: "
                f"collector {own_s / acknowledged * 1e6:.1f}, store {store_s / acknowledged * 1e6:.1f})"
            )
            print(f"after: collector {_resident_mb(os.getpid())} MB, store {_resident_mb(store.pid)} MB resident")


def _written(collector: Collector) -> float:
    name, labels = "thinkmeter_collector_written_items_total", {"signal": "traces"}
    return collector.telemetry.registry.get_sample_value(name, labels) or 0.0


def _resident_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 2**20


def _cpu_s(pid: int) -> tuple[float, float]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return own.ru_utime + own.ru_stime, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
