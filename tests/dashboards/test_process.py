"""The dashboard's process: when it answers, when it ends, and what others can see of it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.conftest import Filled
from thinkmeter.dashboards.process import DashboardProcess
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.client import StoreAddress

NOWHERE = StoreAddress("127.0.0.1", 1)
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def named() -> Iterator[DashboardProcess]:
    """A dashboard that a proxy serves under a name."""
    with DashboardProcess(NOWHERE, 0, names=["obs.example.com"]) as running:
        yield running


def answers(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:
        body: bytes = reply.read()
        return body


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_it_starts_on_a_free_port_and_keeps_it(named: DashboardProcess) -> None:
    first, port = named.pid, named.port
    assert first is not None
    assert port
    assert answers(f"{named.url}/_stcore/health") == b"ok"
    named.stop()
    named.stop()
    assert not named.running
    wait_until_gone(first)
    named.start()
    assert named.port == port
    assert answers(f"{named.url}/_stcore/health") == b"ok"


def test_it_is_ready_while_there_is_a_store_to_read(dashboard: DashboardProcess, named: DashboardProcess) -> None:
    assert answers(f"{dashboard.url}/readyz") == b"ok\n"
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        answers(f"{named.url}/readyz")
    with refused.value as reply:
        assert b"does not answer" in reply.read()


def test_a_taken_port_is_said(dashboard: DashboardProcess) -> None:
    with pytest.raises(ThinkmeterError, match=rf"port {dashboard.port} .*choose another with --dashboard-port"):
        DashboardProcess(NOWHERE, dashboard.port).start()
    assert dashboard.running


def test_nobody_sees_the_password_of_the_store(dashboard: DashboardProcess, filled: Filled) -> None:
    assert filled.address.password
    for source in ("cmdline", "environ"):
        assert filled.address.password.encode() not in Path(f"/proc/{dashboard.pid}/{source}").read_bytes()


def test_it_listens_on_loopback_alone(dashboard: DashboardProcess) -> None:
    listening = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{dashboard.pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{dashboard.port:04X}") and line.split()[3] == "0A"
    }
    assert listening == {f"0100007F:{dashboard.port:04X}"}


@pytest.mark.parametrize(
    ("name", "is_answered"), [("127.0.0.1", True), ("obs.example.com", True), ("evil.example", False)]
)
def test_on_loopback_only_known_names_are_answered(named: DashboardProcess, name: str, is_answered: bool) -> None:
    """A page of another site cannot have its name point here and read along."""
    asked = (
        f"GET /_stcore/stream HTTP/1.1\r\nHost: {name}\r\nOrigin: http://{name}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhpbmttZXRlcnRoaW5rbQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", named.port), PATIENCE_S) as connection:
        connection.sendall(asked.encode())
        status = connection.recv(12)
    assert status == (b"HTTP/1.1 101" if is_answered else b"HTTP/1.1 403")


def test_it_ends_with_the_process_that_started_it() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            "import time\n"
            "from thinkmeter.dashboards.process import DashboardProcess\n"
            "from thinkmeter.schema.store.client import StoreAddress\n"
            "process = DashboardProcess(StoreAddress('127.0.0.1', 1), 0)\n"
            "process.start()\n"
            "print(process.pid, flush=True)\n"
            "time.sleep(600)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout:
            parent.stdout.close()
    wait_until_gone(child)


def test_only_the_package_is_imported_and_no_folder_of_it_by_its_bare_name(
    page: Page, dashboard: DashboardProcess, imported: Callable[[], set[str]]
) -> None:
    page.goto(f"{dashboard.url}/requests")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    modules = imported()
    assert "thinkmeter.dashboards.views.requests" in modules
    assert modules.isdisjoint({"schema", "sdk", "collector", "alerts", "dashboards"})
