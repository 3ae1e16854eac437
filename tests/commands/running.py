"""A running `thinkmeter up`, for tests that use it as its users do."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

START_TIMEOUT_S = 180
ANY_PORTS = ("--store-port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0", "--dashboard-port", "0")


class Up:
    """A running `thinkmeter up` in a process of its own, and what it said so far."""

    def __init__(self, data: Path, *options: str) -> None:
        ports = [*ANY_PORTS, *options]
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
