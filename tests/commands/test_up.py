"""`thinkmeter up`: starts everything, says where it is, ends cleanly, and tells in one sentence why it cannot."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from thinkmeter.schema.store.client import ADDRESS_FILE, StoreAddress, connect

START_TIMEOUT_S = 180


class Up:
    """A running `thinkmeter up` in a process of its own, and what it said so far."""

    def __init__(self, data: Path, *options: str) -> None:
        ports = ["--store-port", "0", "--otlp-http-port", "0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "thinkmeter", "up", "--data", str(data), *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=data.parent if data.parent.is_dir() else data.parent.parent,
        )
        self.said: list[str] = []
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, text: str) -> str:
        """The first line from now on that has the text."""
        while (line := self._lines.get(timeout=START_TIMEOUT_S)) is not None:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended without saying {text!r}: {self.said} {self.errors()}")

    def errors(self) -> str:
        """Standard error of the ended process."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def url(self, of: str) -> str:
        """The address in the line that begins with `of`."""
        [line] = [line for line in self.said if line.startswith(of)]
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found
        return found[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@contextmanager
def up(data: Path, *options: str) -> Iterator[Up]:
    running = Up(data, *options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        for stream in (running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


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
