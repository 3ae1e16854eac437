"""The parts of thinkmeter as processes of their own: what one takes, another stores, settles and tells."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.collector.otlp import SECOND, span_of, traces
from tests.commandline import Run
from tests.waiting import wait_for
from thinkmeter.schema.store.client import StoreAddress, connect

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.usage.input_tokens": 50,
    "gen_ai.usage.output_tokens": 300,
    "gen_ai.usage.reasoning.output_tokens": 200,
}


@contextlib.contextmanager
def part(name: str, said: str, data: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A part that runs, and the line that has what it was to say."""
    command = [sys.executable, "-m", "thinkmeter", name, "--data", str(data), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=data.parent
    ) as process:
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if said in line), None)
            assert line is not None, f"{name} ended without saying {said!r}"
            yield process, line.strip()
            process.terminate()
            process.communicate(timeout=60)
            assert process.returncode == 0
        finally:
            process.kill()


def calls(data: Path) -> int:
    with connect(StoreAddress.of_running(data)) as client:
        return int(client.query("SELECT count() FROM calls WHERE cost_usd > 0").result_rows[0][0])


def has_calls(data: Path, count: int) -> bool:
    return calls(data) == count


def send(line: str, number: int) -> None:
    found = re.search(r"http://\S+", line)
    assert found
    call = span_of(CHAT, number)
    call.end_time_unix_nano = time.time_ns()
    call.start_time_unix_nano = call.end_time_unix_nano - SECOND
    request = urllib.request.Request(found[0], traces([call]), {"Content-Type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.status == 200


def test_parts_work_together_and_another_takes_the_jobs_over(laid_data: Path) -> None:
    data = laid_data
    ports = ["--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    with (
        part("store", "store", data, "--store-port", "0"),
        part("collector", "OTLP/HTTP", data, *ports) as (_, door),
        part("jobs", "jobs", data) as (first, leads),
        part("jobs", "jobs", data, "--log-format", "json") as (_, waits),
        part("alerts", "alerts", data),
    ):
        assert leads == "jobs run"
        told = json.loads(waits)
        assert (told["event"], told["leads"]) == ("jobs.ready", False)
        assert told["message"] == "another process runs the jobs; this one waits to take over"
        send(door, 1)
        wait_for(partial(has_calls, data, 1))
        os.kill(first.pid, signal.SIGSTOP)  # as a host that hangs: its lease runs out
        send(door, 2)
        wait_for(partial(has_calls, data, 2))
        os.kill(first.pid, signal.SIGCONT)


def test_a_store_is_migrated_once(run: Run, store_url_of_empty: str) -> None:
    told = run("migrate", "--store-url", store_url_of_empty)
    assert (told.code, told.out.partition(",")[0]) == (0, "applied: 1 facts"), told.err
    told = run("migrate", "--store-url", store_url_of_empty)
    assert (told.code, told.out) == (0, "the schema is the newest already\n"), told.err


@pytest.mark.usefixtures("signals_as_they_were")
@pytest.mark.parametrize("name", ["collector", "jobs", "alerts", "migrate"])
def test_a_part_without_a_store_is_one_sentence(name: str, tmp_path: Path, run: Run) -> None:
    told = run(name, "--data", str(tmp_path))
    assert told.code == 1
    assert told.err.startswith(f"thinkmeter: no store is running on {tmp_path}")
    assert told.err.count("\n") == 1


@pytest.mark.usefixtures("signals_as_they_were")
@pytest.mark.parametrize("name", ["collector", "jobs", "alerts", "dashboard"])
def test_a_part_that_speaks_json_says_so_too_why_it_cannot(name: str, tmp_path: Path, run: Run) -> None:
    told = run(name, "--data", str(tmp_path), "--log-format", "json")
    line = json.loads(told.err)
    assert (told.code, line["event"], told.out) == (1, "failed", "")
    assert line["reason"].startswith(f"no store is running on {tmp_path}")


def test_an_embedded_store_beside_a_configured_server_is_one_sentence(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "t.toml"
    file.write_text('[store]\nurl = "clickhouse://db.internal/thinkmeter"\n')
    told = run("store", "--data", str(tmp_path), "--config", str(file))
    assert (told.code, told.err) == (
        1,
        "thinkmeter: the configuration names a server in [store] url: there is no embedded store to run\n",
    )
