"""The embedded store: ClickHouse as a child process on loopback, owned by whoever started it."""

import dataclasses
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from xml.sax.saxutils import escape

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.backup import FOLDER
from thinkmeter.schema.store.client import ADDRESS_FILE, StoreAddress
from thinkmeter.schema.store.hold import hold

USER = "thinkmeter"
START_TIMEOUT_S = 30.0
ORPHAN_TIMEOUT_S = 15.0
"""How long a start waits for the store of a parent that was just killed to notice and let go."""

# What is said below `fatal` may name what a statement brought. With the ratio that the library has, one of two threads
# for the work between statements never gets any, and complains of it 45 times a second. The macro tells whoever is
# connected that the store is ours, whatever address it was reached by.
CONFIG = """<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{port}</http_port>
  <users_config>users.xml</users_config>
  <log-level>fatal</log-level>
  <logger><console>1</console></logger>
  <background_schedule_pool_max_parallel_tasks_per_type_ratio>1</background_schedule_pool_max_parallel_tasks_per_type_ratio>
  <mark_cache_size>268435456</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_server_memory_usage_to_ram_ratio>0.6</max_server_memory_usage_to_ram_ratio>
  <keep_alive_timeout>30</keep_alive_timeout>
  <max_connections>256</max_connections>
  <backups><allowed_path>{backups}</allowed_path></backups>
  <macros><thinkmeter_store>embedded</thinkmeter_store></macros>
</clickhouse>
"""

# `default` is the child's own session and has to exist without a password. It may do nothing but open the
# port, and the quota is used up by the statements with which the child starts, so that over HTTP even a
# harmless query from a table is refused.
USERS = """<clickhouse>
  <profiles><default/></profiles>
  <quotas>
    <default/>
    <used_up><interval><duration>315360000</duration><queries>2</queries></interval></used_up>
  </quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile>
      <quota>used_up</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants>
    </default>
    <{user}>
      <password>{password}</password>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <access_management>1</access_management>
    </{user}>
  </users>
</clickhouse>
"""


class EmbeddedStore:
    """A running embedded store; a context manager that ends with its block.

    Attributes:
        address: where it listens.
    """

    def __init__(self, data_dir: Path, port: int = 8123) -> None:
        """Start the store on `data_dir` and return once it answers.

        Args:
            data_dir: made if absent; holds the database, the password and the address file.
            port: 0 for any free one.

        Raises:
            ThinkmeterError: the directory cannot be used, another process holds it, or the port is taken.
        """
        self._data_dir = data_dir = data_dir.absolute()  # the child has a working directory of its own
        self._lock = _lock(data_dir)
        try:
            port = _free_port(port)
            self.address = StoreAddress("127.0.0.1", port, USER, _password(data_dir), embedded=True)
            self._child = self._start(port)
        except BaseException:
            self._lock.close()
            raise
        _write_private(data_dir / ADDRESS_FILE, json.dumps(dataclasses.asdict(self.address)))

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._child.poll() is None

    def restart(self) -> None:
        """Start the child again on the same port, after it died."""
        self._end_child()
        self._child = self._start(self.address.port)

    def close(self) -> None:
        """End the child and let the data directory go; safe to call twice."""
        if self._lock.closed:
            return
        (self._data_dir / ADDRESS_FILE).unlink(missing_ok=True)
        self._end_child()
        self._lock.close()

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _end_child(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        deadline = time.monotonic() + ORPHAN_TIMEOUT_S
        log = self._data_dir / "store.log"
        if log.exists() and log.stat().st_size:
            log.replace(log.with_name("store.log.1"))  # why the one before ended may stand there
        while True:
            child = self._spawn(port, log)
            if _answers(child, port):
                return child
            assert child.stdin is not None
            child.stdin.close()
            reason = log.read_text(errors="replace")
            if "Cannot lock file" not in reason or time.monotonic() > deadline:
                raise ThinkmeterError(f"the store did not start: {_last_line(reason)} (its log: {log})")
            time.sleep(0.2)  # the lock's owner is a child whose parent was killed; it ends by itself

    def _spawn(self, port: int, log: Path) -> subprocess.Popen[bytes]:
        config_dir = self._data_dir / "store-config"
        config_dir.mkdir(mode=0o700, exist_ok=True)
        backups = (self._data_dir / FOLDER).absolute()
        _write_private(config_dir / "config.xml", CONFIG.format(port=port, backups=escape(str(backups))))
        _write_private(config_dir / "users.xml", USERS.format(user=USER, password=escape(self.address.password)))
        script = Path(__file__).with_name("embedded_child.py")
        log.write_bytes(b"")
        with log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-P", str(script), str(config_dir), str(self._data_dir / "store"), str(log)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C at the terminal is the parent's to answer
                cwd=config_dir,
            )


def _answers(child: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1) as reply:
                return bool(reply.read() == b"Ok.\n")
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    if child.poll() is None:
        child.kill()
        child.wait()
    return False


def _lock(data_dir: Path) -> IO[str]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise ThinkmeterError(
            f"the data directory {data_dir} cannot be written: {error.strerror}; name another with --data"
        ) from None
    return hold(lock, f"the data directory {data_dir}", "one")


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ThinkmeterError(
                f"port {port} for the store cannot be opened: {error.strerror}; choose another with --store-port"
            ) from None
        return int(probe.getsockname()[1])


def _password(data_dir: Path) -> str:
    path = data_dir / "store-password"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it gave no reason"
