"""`thinkmeter dashboard`, run as a person runs it."""

import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from thinkmeter.schema.store.client import StoreAddress

COMMAND = [sys.executable, "-P", "-m", "thinkmeter", "dashboard"]


def test_it_prints_where_it_is_once_it_answers_and_ends_when_asked(database: StoreAddress) -> None:
    password = urllib.parse.quote(database.password)
    url = f"clickhouse://{database.username}:{password}@{database.host}:{database.port}/{database.database}"
    command = subprocess.Popen(
        [*COMMAND, "--dashboard-port", "0"],
        env={**os.environ, "THINKMETER_STORE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stdout is not None
        with command.stdout as said:
            name, where = said.readline().split()
            assert name == "dashboard"
            with urllib.request.urlopen(f"{where}/_stcore/health", timeout=30) as reply:
                assert reply.read() == b"ok"
            command.send_signal(signal.SIGTERM)
            assert command.wait(30) == 0
            assert said.read() == ""
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(where, timeout=5)
    finally:
        command.kill()
        command.wait()


def test_without_a_store_it_says_what_to_do(tmp_path: Path) -> None:
    told = subprocess.run(
        [*COMMAND, "--data", str(tmp_path)],
        env={name: value for name, value in os.environ.items() if name != "THINKMETER_STORE_URL"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr.startswith(f"thinkmeter: no store is running on {tmp_path}: start `thinkmeter up")
