"""What others send arrives as a call with its counts, from their own exporters, which know nothing of thinkmeter."""

import os
import subprocess
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.beside.exporters import CLIENTS
from tests.schema.rows import select
from tests.sdk.beside.conftest import environments as environments
from tests.sdk.provider_server import ProviderServer
from tests.sdk.replies.openai import chat_whole
from tests.sdk.told import Told
from tests.waiting import wait_for
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.collector.service import Collector

ROOT = Path(__file__).parents[3]
TOLD = Told()
TELL_THINKING = {"openinference_by_json", "openinference_by_grpc", "openllmetry_by_http"}
"""Those whose spans say how much of the output was thinking."""


@pytest.mark.parametrize("who", CLIENTS)
def test_an_exporter_of_somebody_else_delivers_its_call(
    environments: Path, collector: Collector, client: Client, who: str
) -> None:
    with ProviderServer() as provider:
        provider.reply(chat_whole(TOLD))
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("OTEL_", "THINKMETER_", "PYTHON"))}
        urls = [provider.url, *(f"http://127.0.0.1:{port}" for port in (collector.http_port, collector.grpc_port))]
        done = subprocess.run(
            [environments / "exporters" / "bin" / "python", "-P", "-m", "tests.collector.beside.exporters", who, *urls],
            env={**inherited, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "export" not in done.stderr.lower(), done.stderr
    wait_for(lambda: select(client, "SELECT count() AS n FROM spans WHERE span_class = 'inference'")[0]["n"])
    settle_calls(client)
    (call,) = select(client, "SELECT * FROM calls")
    told = (call["provider"], call["model"], call["input_tokens"], call["output_tokens"])
    assert told == ("openai", "gpt-5-2025-08-07", TOLD.input, TOLD.output)
    assert call["thinking_tokens"] == TOLD.thinking or (call["thinking_tokens"] is None and who not in TELL_THINKING)
