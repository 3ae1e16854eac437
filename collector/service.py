"""The collector as a whole: door, spool and writers, started and stopped in the right order."""

import contextlib
import ctypes
import gc
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from thinkmeter.collector.door import Door
from thinkmeter.collector.grpc import GrpcServer
from thinkmeter.collector.health import Health
from thinkmeter.collector.http import HttpServer
from thinkmeter.collector.keys import KeyFile, Keys
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.quarantine import Quarantine
from thinkmeter.collector.quota import Quotas
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.settings import CollectorSettings, KeySettings, refuse_open_door
from thinkmeter.collector.spool import Spool
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.collector.writer import Writer
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress, connect

log = logging.getLogger(__name__)

WORKERS = 2
"""Threads that read bodies: the work holds Python's lock, so more would only hold more memory."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's numbers of the options."""
LARGE_BLOCK_BYTES = 4 * 1024 * 1024
KEPT_FREE_BYTES = 32 * 1024 * 1024
ABANDON_S = 10.0
"""A writer that is in the middle of something ends with it; one that waits for a store ends at once."""


class Collector:
    """Takes OTLP in and writes it to the store; a context manager that runs for its block.

    Attributes:
        telemetry: its counters.
        http_port: where it listens for OTLP/HTTP, once started.
        grpc_port: where it listens for OTLP/gRPC, once started.
    """

    def __init__(
        self,
        address: StoreAddress,
        data_dir: Path,
        settings: CollectorSettings | None = None,
        keys: Sequence[KeySettings] = (),
        privacy: Privacy = NOTHING_KEPT,
        key_file: KeyFile | None = None,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            address: of the store, whose schema somebody else brings up to date; it may come later.
            data_dir: of the spool and the quarantine.
            settings: `[collector]` of the configuration.
            keys: `[[auth.keys]]`; none means that only this machine may connect.
            privacy: `[privacy]`: what of the content of calls is stored.
            key_file: where the keys come from, to be read again when it changes.

        Raises:
            ThinkmeterError: the host needs keys, or a key cannot be found.
        """
        self._address = address
        self._data_dir = data_dir
        self._settings = settings or CollectorSettings()
        refuse_open_door(self._settings, keys)
        self._keys = Keys(keys, file=key_file)
        self._privacy = privacy
        self._running = ExitStack()
        self._writers: list[Writer] = []
        self.telemetry = Telemetry()
        self.http_port = self._settings.http_port
        self.grpc_port = self._settings.grpc_port

    def start(self) -> None:
        """Open the ports; what an earlier run left in the spool is written first.

        Raises:
            ThinkmeterError: a port is taken, or the spool cannot be used.
        """
        with ExitStack() as started:
            self._spool = Spool(self._data_dir / "spool", self._settings, self.telemetry)
            quarantine = Quarantine(self._data_dir / "quarantine", self.telemetry)
            self._writers = [
                Writer(signal, self._spool, self._address, quarantine, self.telemetry, self._privacy)
                for signal in Signal
            ]
            started.callback(self._drain)
            workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="door")
            started.callback(workers.shutdown)
            door = Door(self._keys, self._spool, self._settings, self.telemetry)
            grpc = GrpcServer(door, self._settings, self.telemetry, workers)
            started.callback(grpc.stop)
            quotas = Quotas(self._address)
            started.callback(quotas.stop)
            quotas.start()
            http = HttpServer(door, self._settings, self.telemetry, self.health, quotas, workers)
            started.callback(http.stop)
            self.http_port, self.grpc_port = http.port, grpc.port
            # What is loaded by now stays; the collector of cycles need not walk through it for every large request.
            gc.collect()
            gc.freeze()
            _keep_memory_flat()
            self._running = started.pop_all()
        log.info(
            "OTLP/HTTP on port %d, OTLP/gRPC on port %d",
            self.http_port,
            self.grpc_port,
            extra=event("collector.listening", http_port=self.http_port, grpc_port=self.grpc_port),
        )

    def stop(self) -> None:
        """Close the ports, let the store take what it can in the time set, and keep the rest in the spool."""
        self._running.close()

    def health(self) -> Health:
        """Whether it can take requests and pass them on; asks the store."""
        return Health(
            store=self._store_problem(),
            spool=self._spool.refusal(),
            lag_s=max(self._spool.lag_s(signal) for signal in Signal),
            lag_limit_s=self._settings.ready_lag_s,
            waiting_bytes=self._spool.waiting_bytes,
        )

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _store_problem(self) -> str:
        try:
            connect(self._address).close()
        except ThinkmeterError as error:
            return str(error)
        return next((writer.problem for writer in self._writers if writer.problem), "")

    def _drain(self) -> None:
        self._spool.close()
        if not self._spool.wait_until_empty(self._settings.drain_s):
            waiting = self._spool.waiting_bytes
            log.warning(
                "the store did not take everything in time; %d bytes stay in %s",
                waiting,
                self._data_dir / "spool",
                extra=event("collector.drain_incomplete", waiting_bytes=waiting),
            )
        for writer in self._writers:
            writer.stop(ABANDON_S)


def _keep_memory_flat() -> None:
    """Let memory of large requests go back to the system once it is free, and keep that of ordinary ones for the next.

    glibc gives large blocks back at first, and keeps ever larger ones the more it sees of them. To give back all that
    an ordinary request took, and to take it anew for the next one, is half of the work that a request makes.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library has its own ways
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES)
