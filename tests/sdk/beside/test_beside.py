"""One billable call is one row of `calls`, whoever else watches the client, whichever was there first."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import select
from tests.sdk.beside.calls import answer, calls, named
from tests.sdk.beside.running import program
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.openai import chat_events, chat_whole
from tests.sdk.told import Told
from tests.waiting import wait_for
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.client import StoreAddress

TOLD = Told()


@pytest.fixture
def running(database: StoreAddress, tmp_path: Path) -> Iterator[Collector]:
    """A collector in front of the real store."""
    settings = CollectorSettings(http_port=0, grpc_port=0, segment_age_s=0.02, min_free_disk_bytes=0)
    with Collector(database, tmp_path, settings) as collector:
        yield collector


def settled(client: Client, collector: Collector) -> dict[str, list[dict[str, Any]]]:
    """The calls of each request, once all that was accepted is in the store."""
    wait_for(lambda: collector.health().waiting_bytes == 0)
    settle_calls(client)
    found = defaultdict(list)
    for call in select(client, "SELECT * FROM calls ORDER BY time"):
        found[call["request_id"]].append(call)
    return dict(found)


def check(found: dict[str, list[dict[str, Any]]], names: list[str]) -> None:
    """Each request has one call, with what the provider told of it."""
    assert {name: len(rows) for name, rows in found.items() if len(rows) != 1} == {}
    assert sorted(found) == sorted(names)
    for name, [call] in found.items():
        whole = not name.endswith(("left early", "refused"))
        thinking, output = (TOLD.thinking, TOLD.output) if whole else (None, None)
        told = (call["tier"], call["attempt"], call["thinking_tokens"], call["output_tokens"], call["billed"])
        assert told == (1, 1, thinking, output, not name.endswith("refused")), (name, call)
        if whole:
            assert (call["input_tokens"], call["cache_read_tokens"]) == (TOLD.input, TOLD.cached)


def watched(
    provider: ProviderServer,
    running: Collector,
    client: Client,
    order: str,
    libraries: list[str],
    others: list[str],
    python: str = sys.executable,
) -> None:
    """Make the calls beside each of `others` (names joined by `+`) and see that each is one."""
    for other in others:
        answer(provider, libraries, other)
    url = f"http://127.0.0.1:{running.http_port}"
    program("tests.sdk.beside.program", order, str(provider.port), url, ",".join(libraries), *others, python=python)
    names = [f"{order} {other} {name}" for other in others for name in calls(libraries)]
    check(settled(client, running), names)


ORDERS = pytest.mark.parametrize("order", ["first", "last"])


@ORDERS
def test_other_instrumentations_of_the_same_clients(
    provider: ProviderServer, running: Collector, client: Client, order: str
) -> None:
    others = ["openllmetry", "openinference", "otel genai", "openllmetry+openinference+otel genai"]
    watched(provider, running, client, order, ["openai", "anthropic"], others)


@ORDERS
def test_the_conventions_older_instrumentation(
    environments: Path, provider: ProviderServer, running: Collector, client: Client, order: str
) -> None:
    python = str(environments / "openai-v2" / "bin" / "python")
    watched(provider, running, client, order, ["openai"], ["otel openai-v2"], python)


def test_frameworks_that_call_the_clients(
    environments: Path, provider: ProviderServer, running: Collector, client: Client
) -> None:
    names = []
    for framework in ("litellm", "langchain"):
        names += [f"{framework} whole", f"{framework} streamed"]
        provider.reply(named(chat_whole(TOLD), f"{framework} whole"))
        provider.stream([named(event, f"{framework} streamed") for event in chat_events(TOLD)])
    python = str(environments / "frameworks" / "bin" / "python")
    url = f"http://127.0.0.1:{running.http_port}"
    program("tests.sdk.beside.frameworks", str(provider.port), url, python=python)
    check(settled(client, running), names)
