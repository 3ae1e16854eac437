"""Spans per second from a sender's request to a row that can be queried, and what half of that takes.

`python -m tests.benchmarks.ingest [SECONDS [STEADY_SECONDS [SPANS_PER_SECOND]]]`: the second number adds a steady load
of so many seconds, at 60 % of the rate that came through or at a rate given.
"""

import http.client
import multiprocessing
import multiprocessing.pool
import os
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from tests.benchmarks.corpus import request
from tests.waiting import wait_for
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

BODY_SPANS = 512
SENDERS = 2
HEADERS = {"Content-Type": "application/x-protobuf"}


class Sent(NamedTuple):
    """What one sender got acknowledged, and how long each answer took."""

    spans: int
    answers_s: list[float]


class Body:
    """A request that can be sent many times, each time of other traces."""

    def __init__(self, chance: random.Random, spans: int = BODY_SPANS) -> None:
        """Make it of so many spans."""
        made = request(chance, spans)
        self._bytes = bytearray(made.SerializeToString())
        self._places = [self._bytes.index(span.trace_id) for span in made.resource_spans[0].scope_spans[0].spans]

    def renewed(self, chance: random.Random) -> bytes:
        """Its bytes, of other traces."""
        for place in self._places:
            self._bytes[place : place + 8] = chance.randbytes(8)
        return bytes(self._bytes)

    def named(self, trace_id: bytes) -> bytes:
        """Its bytes, its first span of this trace."""
        self._bytes[self._places[0] : self._places[0] + 16] = trace_id
        return bytes(self._bytes)


def send(port: int, seconds: float, seed: int, pause_s: float = 0.0) -> Sent:
    """Send body after body, or one in so many seconds."""
    chance = random.Random(seed)
    bodies = [Body(chance) for _ in range(8)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    acknowledged, answers_s = 0, []
    now_s = due_s = time.monotonic()
    end_s = now_s + seconds
    while now_s < end_s:
        body = chance.choice(bodies).renewed(chance)
        due_s += pause_s
        time.sleep(max(0.0, due_s - time.monotonic()) if pause_s else 0.0)  # the rate
        begun_s = time.monotonic()
        connection.request("POST", "/v1/traces", body, HEADERS)
        reply = connection.getresponse()
        reply.read()
        now_s = time.monotonic()
        answers_s.append(now_s - begun_s)
        if reply.status == 200:
            acknowledged += BODY_SPANS
        else:
            time.sleep(float(reply.headers.get("Retry-After", "0.1")))
    connection.close()
    return Sent(acknowledged, answers_s)


def probe(port: int, client: Client, seconds: float) -> list[float]:
    """Seconds from the acknowledgement of a span to when a query finds it, for one span after the other."""
    chance = random.Random(time.monotonic_ns())  # traces that no probe before had
    body = Body(chance, 1)
    taken_s = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        trace_id = chance.randbytes(16)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/v1/traces", body.named(trace_id), HEADERS)
        assert connection.getresponse().status == 200
        connection.close()
        begun_s = time.monotonic()
        found = "SELECT count() FROM spans WHERE project = 'default' AND trace_id = {id:String}"
        while not client.query(found, parameters={"id": trace_id.hex()}).result_rows[0][0]:
            time.sleep(0.02)  # between two looks
        taken_s.append(time.monotonic() - begun_s)
    return taken_s


@contextmanager
def peaks(*pids: int) -> Iterator[list[int]]:
    """The most megabytes that each process held in memory within the block."""
    most, ended = [0] * len(pids), threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            most[:] = [max(before, _resident_mb(pid)) for before, pid in zip(most, pids, strict=True)]

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        ended.set()
        watching.join()


def main(seconds: float = 10.0, steady_s: float = 0.0, steady_rate: float = 0.0) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedStore(Path(folder), port=0) as store:
        migrate(store.address)
        settings = CollectorSettings(http_port=0, grpc_port=0)
        with (
            Collector(store.address, Path(folder), settings) as collector,
            connect(store.address) as client,
            multiprocessing.get_context("spawn").Pool(SENDERS) as senders,
        ):
            wait_for(lambda: collector.health().ready)
            print(f"idle: collector {_resident_mb(os.getpid())} MB, store {_resident_mb(store.pid)} MB resident")
            with peaks(os.getpid(), store.pid) as most:
                rate = _full(collector, store, client, senders, seconds)
            print(f"at most: collector {most[0]} MB, store {most[1]} MB resident")
            pause_s = BODY_SPANS * SENDERS / (rate / 2)
            jobs = [(collector.http_port, seconds, SENDERS + seed, pause_s) for seed in range(SENDERS)]
            waiting = senders.starmap_async(send, jobs)
            fresh_s = probe(collector.http_port, client, seconds)
            answers_ms = [1000 * taken for sent in waiting.get() for taken in sent.answers_s]
            print(
                f"at half of that: acknowledged after {statistics.median(answers_ms):.1f} ms, p99"
                f" {_quantile(answers_ms, 0.99):.1f} ms; queryable {statistics.median(fresh_s):.2f} s later, p95"
                f" {_quantile(fresh_s, 0.95):.2f} s, of {len(fresh_s)}"
            )
            on_disk = "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'spans'"
            print(f"{float(str(client.command(on_disk))):.0f} bytes a span on disk")
            if steady_s:
                _steady(collector, store, client, senders, steady_s, steady_rate or 0.6 * rate)


def _steady(
    collector: Collector,
    store: EmbeddedStore,
    client: Client,
    senders: multiprocessing.pool.Pool,
    seconds: float,
    rate: float,
) -> None:
    """How soon spans can be queried, and what memory is held, by quarters of a load that does not change."""
    pause_s = BODY_SPANS * SENDERS / rate
    cpu_s = _cpu_s(store.pid)
    jobs = [(collector.http_port, seconds, 2 * SENDERS + seed, pause_s) for seed in range(SENDERS)]
    waiting = senders.starmap_async(send, jobs)
    for quarter in range(1, 5):
        with peaks(os.getpid(), store.pid) as most:
            fresh_s = probe(collector.http_port, client, seconds / 4)
        parts = client.command("SELECT count() FROM system.parts WHERE active AND table = 'spans'")
        print(
            f"steady, quarter {quarter}: queryable {statistics.median(fresh_s):.2f} s later, p95"
            f" {_quantile(fresh_s, 0.95):.2f} s, of {len(fresh_s)}; collector {most[0]} MB, store {most[1]} MB"
            f" resident; {parts} parts"
        )
    sent = waiting.get()
    acknowledged = sum(one.spans for one in sent)
    answers_ms = [1000 * taken for one in sent for taken in one.answers_s]
    own_s, store_s = (after - before for after, before in zip(_cpu_s(store.pid), cpu_s, strict=True))
    print(
        f"steady: {acknowledged / seconds:,.0f} of {rate:,.0f} spans/s acknowledged, p99"
        f" {_quantile(answers_ms, 0.99):.1f} ms; CPU us/span: collector {own_s / acknowledged * 1e6:.1f},"
        f" store {store_s / acknowledged * 1e6:.1f}, merges included"
    )


def _full(
    collector: Collector,
    store: EmbeddedStore,
    client: Client,
    senders: multiprocessing.pool.Pool,
    seconds: float,
) -> float:
    """Queryable spans per second of what comes as fast as it is acknowledged."""
    started_s, cpu_s = time.monotonic(), _cpu_s(store.pid)
    sent = senders.starmap(send, [(collector.http_port, seconds, seed) for seed in range(SENDERS)])
    acknowledged = sum(one.spans for one in sent)
    sent_s = time.monotonic() - started_s
    wait_for(lambda: _written(collector) >= acknowledged, timeout_s=600)
    stored_s = time.monotonic() - started_s
    own_s, store_s = (after - before for after, before in zip(_cpu_s(store.pid), cpu_s, strict=True))
    rows = client.command("SELECT uniqExact(trace_id, span_id) FROM spans")
    print(
        f"acknowledged {acknowledged / sent_s:,.0f} spans/s, queryable {acknowledged / stored_s:,.0f} spans/s"
        f" ({acknowledged:,} spans in bodies of {BODY_SPANS}, {rows:,} distinct; CPU us/span:"
        f" collector {own_s / acknowledged * 1e6:.1f}, store {store_s / acknowledged * 1e6:.1f})"
    )
    return acknowledged / stored_s


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


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
