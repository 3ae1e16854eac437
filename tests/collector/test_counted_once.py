"""The same calls come to the same `calls`, however they are delivered.

In any order, split, batched, sent again, over HTTP and gRPC, through two collectors on one store, settled in between or
not, with what wrappers, provider instrumentations and gateways tell of the same call among them.
"""

import gzip
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector.otlp import RECEIVED, SECOND, span_of, traces
from tests.schema.rows import select
from tests.waiting import wait_for
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema import attributes as names
from thinkmeter.schema.store.client import StoreAddress

REQUESTS: Final = 8
EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
COLUMNS: Final = (
    "request_id, task, tier, attempt, provider, model, operation, input_tokens, output_tokens, thinking_tokens,"
    " thinking_source, cache_read_tokens, finish_reason, response_id, time, duration_ms, merged_spans, span_id, dialect"
)


class Told(NamedTuple):
    """A span, and the instrumentation that tells it."""

    scope: str
    span: Span

    @property
    def body(self) -> bytes:
        """An export request of it; several one after the other are one request as well."""
        return traces([self.span], self.scope)


def workload(prefix: str) -> list[Told]:
    """What is told of a few requests with two calls each: one is told four times, the other made within a framework."""
    told = []
    for n in range(REQUESTS):
        root = made(prefix, n, 0, {names.REQUEST_ID: f"{prefix}r{n}", names.TASK: "sql"}, "request sql")
        usage: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-5-mini",
            "gen_ai.response.id": f"{prefix}resp-{n}",
            "gen_ai.usage.input_tokens": 50 + n,
            "gen_ai.usage.output_tokens": 300 + n,
        }
        thinking = {"gen_ai.usage.reasoning.output_tokens": 200 + n}
        ours = made(prefix, n, 1, {**usage, **thinking, names.TIER: 1 + n % 3, names.ATTEMPT: 1}, "chat", root)
        wrapper = made(prefix, n, 2, {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}, "llm", root)
        native = made(prefix, n, 3, {**usage, "gen_ai.response.finish_reasons": ["stop"]}, "chat", ours)
        gateway = made(prefix, n + REQUESTS, 4, usage, "gateway")
        other = {**usage, "gen_ai.response.id": f"{prefix}other-{n}", "gen_ai.usage.input_tokens": 7}
        inner = made(prefix, n, 5, other, "chat", wrapper)
        told += [
            Told("thinkmeter", root),
            Told("thinkmeter", ours),
            Told("some.framework", wrapper),
            Told("opentelemetry.instrumentation.openai_v2", native),
            Told("a.gateway", gateway),
            Told("opentelemetry.instrumentation.openai_v2", inner),
        ]
    return told


def made(prefix: str, trace: int, kind: int, attributes: dict[str, Any], name: str, parent: Span | None = None) -> Span:
    """A span whose ids follow from what it is."""
    span = span_of(attributes)
    span.name = name
    span.trace_id = (prefix.encode() + trace.to_bytes(4)).rjust(16, b"\1")
    span.span_id = (prefix.encode() + bytes([trace, kind])).rjust(8, b"\1")
    span.parent_span_id = parent.span_id if parent is not None else b""
    span.start_time_unix_nano = RECEIVED - (60 - trace) * SECOND + kind * 1_000_000
    span.end_time_unix_nano = span.start_time_unix_nano + SECOND
    return span


def deliver(collector: Collector, body: bytes, way: str) -> None:
    if way == "grpc":
        with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
            channel.unary_unary(EXPORT)(body, timeout=30)
        return
    headers = {"Content-Type": "application/x-protobuf"}
    if way == "gzip":
        body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
    request = urllib.request.Request(f"http://127.0.0.1:{collector.http_port}/v1/traces", body, headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.status == 200


def calls(client: Client, prefix: str) -> list[dict[str, Any]]:
    """The calls of a delivery, without what tells it from another."""
    mark = prefix.encode().hex()
    rows = select(
        client, f"SELECT {COLUMNS} FROM calls WHERE startsWith(request_id, '{prefix}') ORDER BY time, span_id"
    )
    return [
        {
            key: told.replace(prefix, "").replace(mark, "") if isinstance(told, str) else told
            for key, told in row.items()
        }
        for row in rows
    ]


@pytest.fixture
def collectors(database: StoreAddress, tmp_path: Path, settings: CollectorSettings) -> Iterator[list[Collector]]:
    """Two of them, each with a spool of its own, on one store."""
    with (
        Collector(database, tmp_path / "one", settings) as one,
        Collector(database, tmp_path / "other", settings) as other,
    ):
        yield [one, other]


def delivered_anyhow(
    client: Client, collectors: list[Collector], prefix: str, chance: random.Random
) -> list[dict[str, Any]]:
    told = workload(prefix)
    chance.shuffle(told)
    batches = []
    while told:
        size = chance.randint(1, 9)
        batches.append(b"".join(one.body for one in told[:size]))
        told = told[size:]
    batches += chance.choices(batches, k=len(batches) // 3)  # sent again, as if no answer had come
    chance.shuffle(batches)
    for body in batches:
        deliver(chance.choice(collectors), body, chance.choice(["plain", "gzip", "grpc"]))
        if chance.random() < 0.3:
            settle_calls(client)
    return settled(client, prefix)


def settled(client: Client, prefix: str) -> list[dict[str, Any]]:
    """The calls once every span is in the store and settled."""
    spans = f"SELECT uniqExact(span_id) AS n FROM spans WHERE position(trace_id, '{prefix.encode().hex()}') > 0"
    wait_for(lambda: select(client, spans) == [{"n": 6 * REQUESTS}])
    wait_for(lambda: settle_calls(client) == 0)
    return calls(client, prefix)


def come_to_the_same(client: Client, collectors: list[Collector], seeds: list[int]) -> None:
    deliver(collectors[0], b"".join(one.body for one in workload("s00")), "plain")
    at_once = settled(client, "s00")
    assert [(call["request_id"], call["input_tokens"], call["thinking_tokens"]) for call in at_once] == [
        expected for n in range(REQUESTS) for expected in ((f"r{n}", 50 + n, 200 + n), (f"r{n}", 7, None))
    ]
    for number, seed in enumerate(seeds, 1):
        assert delivered_anyhow(client, collectors, f"s{number:02d}", random.Random(seed)) == at_once, f"seed {seed}"


def test_calls_are_the_same_however_they_are_delivered(client: Client, collectors: list[Collector]) -> None:
    come_to_the_same(client, collectors, [1, 2])


@pytest.mark.stress
def test_calls_are_the_same_in_many_ways_of_delivery(client: Client, collectors: list[Collector]) -> None:
    seeds = [random.SystemRandom().randrange(2**32) for _ in range(40)]
    print(f"seeds {seeds}")
    come_to_the_same(client, collectors, seeds)
