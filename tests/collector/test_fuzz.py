"""Nearly valid bodies by the thousand: each is answered, none does harm, and what was acknowledged is in the store."""

import itertools
import os
import random
import resource
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.fuzzing import FIRST, PROTOBUF, Body, GrpcSender, HttpSender, bodies
from tests.collector.traffic import spans
from tests.waiting import wait_for
from thinkmeter.collector.export import TRACES
from thinkmeter.collector.service import Collector

BATCH = 100
GROWTH_MB = 100
HTTP_ANSWERS = {200, 400, 413}
GRPC_ANSWERS = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}


def bombard(collector: Collector, client: Client, seed: int, count: int) -> None:
    """Send so many mutated bodies, four of five over HTTP, with a valid one in each batch."""
    started_s = time.monotonic()
    stream = bodies(random.Random(seed))
    numbers = itertools.count(1)
    settled_mb = 0.0
    with closing(HttpSender(collector.http_port)) as http, closing(GrpcSender(collector.grpc_port)) as grpc:
        for sent in range(0, count, BATCH):
            valid = Body(TRACES, PROTOBUF, "", spans([next(numbers)]).SerializeToString())
            batch = [*itertools.islice(stream, BATCH - 1), valid]
            if sent // BATCH % 5:
                statuses = http.send(batch)
                assert set(statuses) <= HTTP_ANSWERS, (seed, sent)
                assert statuses[200] >= 1
            else:
                # gRPC has no types and encodings of its own: JSON is one more kind of garbage there
                codes = grpc.send(batch)
                assert set(codes) <= GRPC_ANSWERS, (seed, sent)
                assert codes["OK"] >= 1
            if sent <= count // 4:
                settled_mb = resident_mb()
    for signal in ("traces", "logs"):
        acknowledged = total(collector, "accepted_items", signal)
        wait_for(partial(has_written, collector, signal, acknowledged))
        assert total(collector, "written_items", signal) == acknowledged
        assert total(collector, "quarantined_requests", signal) == 0
    own = client.query(
        "SELECT reinterpretAsUInt64(reverse(unhex(span_id))) AS number FROM spans"
        " WHERE number < {first:UInt64} AND trace_id = leftPad(span_id, 32, '0')"
        " AND name = concat('chat ', toString(number))",
        parameters={"first": FIRST},
    ).result_rows
    assert {row[0] for row in own} >= set(range(1, next(numbers)))
    growth_mb = resident_mb() - settled_mb
    assert growth_mb < GROWTH_MB
    print(
        f"{count} bodies in {time.monotonic() - started_s:.0f} s, {growth_mb:+.0f} MB resident after the first quarter"
    )


def has_written(collector: Collector, signal: str, items: float) -> bool:
    return total(collector, "written_items", signal) >= items


def total(collector: Collector, name: str, signal: str) -> float:
    return (
        collector.telemetry.registry.get_sample_value(f"thinkmeter_collector_{name}_total", {"signal": signal}) or 0.0
    )


def resident_mb() -> float:
    return int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def test_mutated_bodies_do_no_harm(collector: Collector, client: Client) -> None:
    bombard(collector, client, seed=1, count=20_000)


@pytest.mark.stress
def test_a_million_mutated_bodies_do_no_harm(collector: Collector, client: Client) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")
    bombard(collector, client, seed, count=1_000_000)
