"""One way into the store: a connection of its own, on which work is tried until it is done."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.client import Client

from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.installation import install
from thinkmeter.collector.privacy import Privacy
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.telemetry import Telemetry
from thinkmeter.schema.errors import PermanentError, RetryableError, ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0
COMPLAINT_INTERVAL_S = 60.0
T = TypeVar("T")

_installing = threading.Lock()


class Stopped(Exception):
    """The writer is to end; what it has not written stays in the spool, and so do the tokens."""


class Lane:
    """A connection to the store, made when it is needed and again when it failed; for one thread at a time.

    Attributes:
        problem: why nothing can be written now; empty if it can.
    """

    def __init__(
        self, signal: Signal, address: StoreAddress, telemetry: Telemetry, privacy: Privacy, stop: threading.Event
    ) -> None:
        """Keep what a connection needs; nothing is opened yet.

        Args:
            signal: what is written on it.
            address: where the store is.
            telemetry: where failures and inserts are counted.
            privacy: what of the content is kept.
            stop: once set, nothing is tried again.
        """
        self._signal = signal
        self._address = address
        self._telemetry = telemetry
        self._privacy = privacy
        self._stop = stop
        self._store: tuple[Client, Insertion] | None = None
        self._taken_for_deep = 0
        self._next_complaint_s = 0.0
        self.problem = ""

    def insert(self, insert: Callable[[Client, Insertion], None], there_s: Callable[[], float] = lambda: 0.0) -> None:
        """Insert once the store takes it.

        Args:
            insert: does it.
            there_s: when the last of what is inserted was there, if only after it began; asked once it is in.

        Raises:
            PermanentError: it was refused for good.
            Stopped: the writer is to end.
        """

        def attempt() -> None:
            client, insertion = self.connected()
            started_s = time.monotonic()
            insert(client, insertion)
            self._telemetry.insert_s.observe(time.monotonic() - max(started_s, there_s()))

        self.until_done(attempt)

    def until_done(self, work: Callable[[], T]) -> T:
        """Do the work, again and again while it fails in a way that may pass.

        Raises:
            PermanentError: the work was refused for good.
            Stopped: the writer is to end.
        """
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                done = work()
            except PermanentError:
                self._recovered()
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, the segment is safe and is tried again
                self._failed(error)
            else:
                self._recovered()
                return done
            if self._stop.wait(pause_s):
                raise Stopped
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def connected(self) -> tuple[Client, Insertion]:
        """A client of the store, and how segments come into it.

        Raises:
            RetryableError: the store is not there, or not as it should be.
        """
        if self._store is None:
            client = connect(self._address)
            try:
                with _installing:
                    insertion = install(client, self._address.embedded, self._privacy)
                insertion.taken_for_deep = self._taken_for_deep
                self._store = client, insertion
            except PermanentError as error:
                # Of the store, not of any segment.
                raise RetryableError(f"the store cannot take segments: {error}") from error
            finally:
                if self._store is None:
                    client.close()
        return self._store

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._store is not None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._store is not None:
            client, insertion = self._store
            client.close()
            # a segment that broke the connection as it was taken for flat is not taken for it again
            self._taken_for_deep = insertion.taken_for_deep
            self._store = None

    def _failed(self, error: Exception) -> None:
        self._telemetry.store_failures.labels(self._signal).inc()
        self.close()
        self.problem = reason(error)
        if time.monotonic() >= self._next_complaint_s:
            self._next_complaint_s = time.monotonic() + COMPLAINT_INTERVAL_S
            expected = isinstance(error, ThinkmeterError | OSError)
            log.warning(
                "%s wait in the spool: %s",
                self._signal,
                self.problem,
                exc_info=not expected,
                extra=event("writer.waiting", signal=self._signal, reason=self.problem),
            )

    def _recovered(self) -> None:
        if self.problem:
            log.warning(
                "%s go into the store again", self._signal, extra=event("writer.recovered", signal=self._signal)
            )
        self.problem = ""
        self._next_complaint_s = 0.0
