"""`thinkmeter up`: starts everything, says where it is, ends cleanly, and tells in one sentence why it cannot."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.commandline import Run, Told
from tests.commands.running import ANY_PORTS, START_TIMEOUT_S, up
from thinkmeter.schema.store.client import ADDRESS_FILE, StoreAddress, connect


def test_it_says_where_everything_is_mends_its_store_and_ends_cleanly(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with up(data) as running:
        running.wait_for("ready")
        with urllib.request.urlopen(running.url("health") + "/readyz", timeout=10) as reply:
            assert reply.status == 200
        with connect(StoreAddress.of_running(data)) as client:
            assert client.query("SELECT count() FROM calls").result_rows == [(0,)]
        second = subprocess.run(
            [sys.executable, "-m", "thinkmeter", "up", "--data", str(data), *ANY_PORTS],
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        told = one_sentence(Told(second.returncode, second.stdout, second.stderr))
        assert f"in use by process {running.process.pid}" in told

        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        stores = [int(c) for c in children if "embedded_child" in Path(f"/proc/{c}/cmdline").read_text()]
        assert len(stores) == 1
        os.kill(stores[0], signal.SIGKILL)
        running.wait_for("the store ended unexpectedly")
        running.wait_for("the store runs again")
        with connect(StoreAddress.of_running(data)) as client:
            assert client.query("SELECT count() FROM calls").result_rows == [(0,)]

        running.process.send_signal(signal.SIGINT)  # SIGTERM ends the one of test_up_alerts
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.errors()  # while the store was away, its users said so
    assert not (data / ADDRESS_FILE).exists()


def one_sentence(told: Told) -> str:
    assert told.code == 1
    assert told.err.startswith("thinkmeter: ")
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err
    return told.err


@pytest.mark.usefixtures("signals_as_they_were")
@pytest.mark.parametrize("option", ["--store-port", "--otlp-http-port"])
def test_an_occupied_port_is_one_sentence(option: str, tmp_path: Path, run: Run, store_url: str) -> None:
    file = tmp_path / "t.toml"
    file.write_text("" if option == "--store-port" else f'[store]\nurl = "{store_url}"\n')  # spares a store of its own
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = [*ANY_PORTS, "--config", str(file), option, str(port)]
        told = one_sentence(run("up", "--data", str(tmp_path / "data"), *options))
    assert str(port) in told
    assert option in told


@pytest.mark.usefixtures("signals_as_they_were")
def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("")
    told = run("up", "--data", str(tmp_path / "file" / "data"), *ANY_PORTS)
    assert "cannot be written" in one_sentence(told)


def test_a_wrong_key_is_one_sentence(tmp_path: Path, run: Run) -> None:
    (tmp_path / "t.toml").write_text("[collector]\nhttp_prt = 1\n")
    told = run("up", "--data", str(tmp_path / "data"), *ANY_PORTS, "--config", str(tmp_path / "t.toml"))
    assert "did you mean 'collector.http_port'?" in one_sentence(told)


def test_no_running_store_is_one_sentence(tmp_path: Path, run: Run) -> None:
    told = run("import", "x.csv", "--data", str(tmp_path))
    assert one_sentence(told).startswith(f"thinkmeter: no store is running on {tmp_path}")
