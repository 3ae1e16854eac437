"""`thinkmeter up`: starts everything, says where it is, ends cleanly, and tells in one sentence why it cannot."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.commands.running import START_TIMEOUT_S, Up, up
from thinkmeter.schema.store.client import ADDRESS_FILE, StoreAddress, connect


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_everything_is_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    with up(tmp_path / "data") as running:
        running.wait_for("ready")
        with urllib.request.urlopen(running.url("health") + "/readyz", timeout=10) as reply:
            assert reply.status == 200
        with connect(StoreAddress.of_running(tmp_path / "data")) as client:
            assert client.query("SELECT count() FROM calls").result_rows == [(0,)]
        running.process.send_signal(number)
        assert running.process.wait(30) == 0
        assert running.errors() == ""
    assert not (tmp_path / "data" / ADDRESS_FILE).exists()


def test_a_store_that_dies_is_started_again(tmp_path: Path) -> None:
    with up(tmp_path / "data") as running:
        running.wait_for("ready")
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        stores = [int(c) for c in children if "embedded_child" in Path(f"/proc/{c}/cmdline").read_text()]
        assert len(stores) == 1
        os.kill(stores[0], signal.SIGKILL)
        running.wait_for("the store ended unexpectedly")
        running.wait_for("the store runs again")
        with connect(StoreAddress.of_running(tmp_path / "data")) as client:
            assert client.query("SELECT count() FROM calls").result_rows == [(0,)]


def one_sentence(running: Up) -> str:
    assert running.process.wait(START_TIMEOUT_S) == 1
    told = running.errors()
    assert told.startswith("thinkmeter: ")
    assert told.count("\n") == 1
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize("option", ["--store-port", "--otlp-http-port"])
def test_an_occupied_port_is_one_sentence(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with up(tmp_path / "data", option, str(port)) as running:
            told = one_sentence(running)
    assert str(port) in told
    assert option in told


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with up(tmp_path / "file" / "data") as running:
        assert "cannot be written" in one_sentence(running)


def test_a_directory_in_use_is_one_sentence(tmp_path: Path) -> None:
    with up(tmp_path / "data") as first:
        first.wait_for("ready")
        with up(tmp_path / "data") as second:
            told = one_sentence(second)
        assert f"in use by process {first.process.pid}" in told


def test_a_wrong_key_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("[collector]\nhttp_prt = 1\n")
    with up(tmp_path / "data", "--config", str(tmp_path / "t.toml")) as running:
        assert "did you mean 'collector.http_port'?" in one_sentence(running)


def test_no_running_store_is_one_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "thinkmeter", "import", "x.csv", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"thinkmeter: no store is running on {tmp_path}")
