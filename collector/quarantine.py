"""Where bytes go that nobody can store: kept, named, never silently lost."""

import datetime as dt
import json
import logging
import os
from pathlib import Path
from typing import Final, NamedTuple

from thinkmeter.collector.segment import Signal, body_of
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.logs import event

log = logging.getLogger(__name__)

REQUEST: Final = ".pb"
NOTICE: Final = ".json"
"""Beside a request: why it was kept, and whose it is."""


class Origin(NamedTuple):
    """Whose a request is that was kept, and when it came, in nanoseconds since 1970."""

    project: str
    received_unix_nano: int


def origin(path: Path) -> Origin | None:
    """Where a request in quarantine came from; None of any other file."""
    if path.suffix != REQUEST:
        return None
    try:
        told = json.loads(path.with_suffix(NOTICE).read_bytes())
        received = dt.datetime.fromisoformat(told["received"])
        return Origin(str(told["project"]), round(received.timestamp() * 1e6) * 1000)
    except (OSError, ValueError, TypeError, KeyError):
        return None


class Quarantine:
    """A directory of requests that the store refused for good, each beside a JSON file that says why."""

    def __init__(self, directory: Path, telemetry: Telemetry) -> None:
        """Name the directory; it is made when it is needed."""
        self._directory = directory
        self._telemetry = telemetry

    def put_request(self, signal: Signal, frame: bytes, token: str, reason: str) -> None:
        """Keep a request, as it was sent but for its encoding.

        Raises:
            OSError: the disk fails; the caller still has the request and may try again.
        """
        body, project, received_unix_nano = body_of(frame)
        received = dt.datetime.fromtimestamp(received_unix_nano / 1e9, dt.UTC).isoformat()
        self._put(signal, body, token, {"project": project, "received": received, "reason": reason})

    def put_damaged(self, signal: Signal, stretch: bytes, token: str) -> None:
        """Keep what lies between the whole records of a spool file.

        Raises:
            OSError: the disk fails.
        """
        self._put(signal, stretch, token, {"reason": "the disk changed this stretch of the spool; it is not a request"})

    def _put(self, signal: Signal, data: bytes, token: str, told: dict[str, str]) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        name = token.replace("/", "_")
        # The same token is written again after a crash, with the same bytes.
        _write(self._directory / f"{name}{REQUEST}", data)
        _write(self._directory / f"{name}{NOTICE}", json.dumps({"signal": signal, **told}, indent=1).encode())
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._telemetry.quarantined.labels(signal).inc()
        log.error(
            "kept in quarantine, %s/%s%s: %s",
            self._directory,
            name,
            REQUEST,
            told["reason"],
            extra=event("quarantine.kept", signal=signal, file=f"{name}{REQUEST}", reason=told["reason"]),
        )


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
