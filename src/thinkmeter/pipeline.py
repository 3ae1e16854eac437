"""The parts of a running thinkmeter, started downstream first and stopped upstream first."""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.collector.installation import install
from thinkmeter.collector.jobs.schedule import Schedule
from thinkmeter.collector.service import Collector
from thinkmeter.configuration import Configuration, apply_rules
from thinkmeter.dashboards.process import DashboardProcess
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import Tell
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import Migration, migrate
from thinkmeter.schema.store.retention import apply_retention

WATCH_INTERVAL_S = 0.5


def open_store(configuration: Configuration, data_dir: Path, port: int) -> EmbeddedStore | None:
    """Start the embedded store, unless the configuration names a server: then None.

    Raises:
        ThinkmeterError: the data directory or the port cannot be used.
    """
    return None if configuration.store.url else EmbeddedStore(data_dir, port)


def prepare(address: StoreAddress, configuration: Configuration) -> list[Migration]:
    """Bring the store to the newest schema, able to decode OTLP, and its rules and retention to the configuration.

    Returns:
        The migrations that were applied.

    Raises:
        ThinkmeterError: the store refuses or does not answer.
    """
    applied = migrate(address)
    with connect(address) as client:
        install(client, address.embedded, configuration.privacy)
        apply_rules(client, configuration)
        apply_retention(client, configuration.retention)
    return applied


def collector_of(configuration: Configuration, address: StoreAddress, data_dir: Path) -> Collector:
    """The collector that the configuration describes, not started yet.

    Raises:
        ThinkmeterError: its host needs keys, or a key cannot be found.
    """
    return Collector(
        address,
        data_dir,
        configuration.collector,
        configuration.auth.keys,
        configuration.privacy,
        configuration.key_file,
    )


def watch_store(store: EmbeddedStore, ended: threading.Event, tell: Tell) -> None:
    """Keep an embedded store alive until `ended` is set; what happens is told in sentences."""
    while not ended.wait(WATCH_INTERVAL_S):
        keep_store(store, tell)


def keep_store(store: EmbeddedStore, tell: Tell) -> None:
    """Start an embedded store again where it has ended."""
    if not store.running:
        tell(
            "store.ended",
            "the store ended unexpectedly; starting it again, the collector keeps what arrives meanwhile",
            level=logging.ERROR,
        )
        _again("store", store.restart, tell)


def _again(part: str, start: Callable[[], None], tell: Tell) -> None:
    try:
        start()
    except ThinkmeterError as error:
        tell(f"{part}.not_started", f"{error}; trying again", level=logging.ERROR, reason=str(error))
    else:
        tell(f"{part}.runs_again", f"the {part} runs again", level=logging.WARNING)


class Pipeline:
    """Store, collector, jobs, alerts and dashboard of one machine; a context manager that stops what it started.

    Attributes:
        store: the embedded store; None where a server is used.
        address: where the store is.
        collector: takes OTLP.
        dashboard: the page; None where none is wanted.
    """

    def __init__(
        self, configuration: Configuration, data_dir: Path, store_port: int, dashboard_port: int | None = None
    ) -> None:
        """Start everything; what was started is stopped again where a later part cannot start.

        Args:
            configuration: of all parts; holds the collector's ports.
            data_dir: of the embedded store, the spool and the logs.
            store_port: of the embedded store; 0 for any free one.
            dashboard_port: 0 for any free one; None for no dashboard.

        Raises:
            ThinkmeterError: a part cannot start; says which and why.
        """
        with contextlib.ExitStack() as started:
            self.store = open_store(configuration, data_dir, store_port)
            if self.store is not None:
                started.callback(self.store.close)
                self.address = self.store.address
            else:
                self.address = StoreAddress.from_url(configuration.store.url or "")
            prepare(self.address, configuration)
            self.schedule = Schedule(self.address, configuration.prices)
            started.callback(self.schedule.close)
            self.schedule.start()
            self.collector = collector_of(configuration, self.address, data_dir)
            started.callback(self.collector.stop)
            self.collector.start()
            self.dashboard: DashboardProcess | None = None
            if dashboard_port is not None:
                log = data_dir / "dashboard.log"
                self.dashboard = DashboardProcess(self.address, dashboard_port, log=log, logs=configuration.log)
                started.callback(self.dashboard.stop)
                self.dashboard.start()
            self.alerts = AlertEngine(
                self.address, configuration.alerts, dashboard_url=self.dashboard.url if self.dashboard else None
            )
            started.callback(self.alerts.stop)
            self.alerts.start()
            self._stop = started.pop_all()

    def watch(self, ended: threading.Event, tell: Tell) -> None:
        """Keep store and dashboard alive until `ended` is set; what happens is told in sentences."""
        while not ended.wait(WATCH_INTERVAL_S):
            if self.store is not None:
                keep_store(self.store, tell)
            if self.dashboard is not None and not self.dashboard.running:
                tell("dashboard.ended", "the dashboard ended unexpectedly; starting it again", level=logging.ERROR)
                _again("dashboard", self.dashboard.start, tell)

    def close(self) -> None:
        """Stop accepting, write what was accepted, stop the jobs, stop the store."""
        self._stop.close()

    def __enter__(self) -> Self:
        """The pipeline itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
