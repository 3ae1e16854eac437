"""The dashboard as a child process: how whoever owns the store starts it, asks after it and ends it."""

import dataclasses
import json
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import LogSettings
from thinkmeter.schema.store.client import StoreAddress

START_TIMEOUT_S = 120.0


class DashboardProcess:
    """Streamlit in a process of its own, so that a page being drawn never holds up the store or the collector.

    It ends with the process that started it, however that ends. A context manager that starts and stops it.

    Attributes:
        port: where it listens; once started never 0.
    """

    def __init__(
        self,
        store: StoreAddress | Path,
        port: int = 8501,
        *,
        host: str = "127.0.0.1",
        names: Sequence[str] = (),
        log: Path | None = None,
        logs: LogSettings | None = None,
    ) -> None:
        """Remember what to start; nothing runs yet.

        Args:
            store: what to read: an address, or the data directory of an embedded store, which is looked up
                again whenever the store does not answer and so may move to another port.
            port: 0 for any free one.
            host: the interface to listen on. Anything but loopback opens the dashboard to whoever reaches it.
            names: host names of a proxy that serves it from loopback; under any other name it does not answer there,
                so that a web page that has its own name point to this machine reads nothing.
            log: where its messages go; default: this process's standard error.
            logs: how they look.
        """
        self.port = port
        self._store = store
        self._host = host
        self._names = list(names)
        self._log = log
        self._logs = logs or LogSettings()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before the start."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it and return once it answers; a second start after its death takes the same port.

        Raises:
            ThinkmeterError: the port is taken, or it did not start.
        """
        if self.running:
            return
        if self.port:
            _require_free(self._host, self.port)
        log = self._log.open("wb") if self._log else None
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "thinkmeter.dashboards.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is the parent's to answer
            )
        finally:
            if log:
                log.close()
        try:
            self._order(self._child)
            self._await(self._child)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; safe to call twice."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.close()
        except BrokenPipeError:
            pass  # it is gone already
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _order(self, child: subprocess.Popen[bytes]) -> None:
        """Tell the child what to read and where to listen: by its standard input, since that nobody else can read."""
        store = {"data": str(self._store)} if isinstance(self._store, Path) else dataclasses.asdict(self._store)
        assert child.stdin is not None
        try:
            orders = {"host": self._host, "port": self.port, "names": self._names, "store": store}
            orders["log"] = self._logs.model_dump(mode="json")
            child.stdin.write(json.dumps(orders).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def _await(self, child: subprocess.Popen[bytes]) -> None:
        """Wait for the port that the child took, then until it answers there."""
        deadline = time.monotonic() + START_TIMEOUT_S
        assert child.stdout is not None
        readable, _, _ = select.select([child.stdout], [], [], START_TIMEOUT_S)
        line = child.stdout.readline() if readable else b""
        if not line:
            raise self._failure()
        self.port = int(line)
        while time.monotonic() < deadline and self.running:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5) as reply:
                    if reply.read() == b"ok":
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise self._failure()

    def _failure(self) -> ThinkmeterError:
        if self.running:
            return ThinkmeterError(f"the dashboard did not answer within {START_TIMEOUT_S:.0f} s; is the machine busy?")
        said = self._log.read_text(errors="replace").strip().splitlines() if self._log else []
        reason = said[-1][:300] if said else "its reason stands above"
        return ThinkmeterError(f"the dashboard did not start: {reason}" + (f" (its log: {self._log})" if said else ""))


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ThinkmeterError(
                f"port {port} for the dashboard cannot be opened on {host}: {error.strerror}; "
                "choose another with --dashboard-port"
            ) from None
