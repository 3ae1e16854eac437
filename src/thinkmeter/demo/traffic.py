"""The demo's traffic as a whole: eight days of history, then live requests, into one collector."""

import asyncio
import contextlib
import datetime as dt
import itertools
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import thinkmeter
from thinkmeter.demo.arrival import Tally
from thinkmeter.demo.backfill import send_history
from thinkmeter.demo.live import LiveTraffic
from thinkmeter.demo.stand_in import StandIn
from thinkmeter.demo.truth import FILE_NAME, Truth, has_history
from thinkmeter.demo.workload import HISTORY, Workload
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event

LOG: Final = logging.getLogger("thinkmeter.demo")
SEED: Final = 7
REQUESTS: Final = 7_500
POLL_S: Final = 0.1
SERVICE_NAME: Final = "thinkmeter-demo"


class DemoTraffic:
    """Sends to the collector at `endpoint` from a thread of its own; a context manager around start and stop.

    Instruments the providers' clients of this process while it runs.

    Attributes:
        begin: when the history begins; `until` is when it is over and live traffic starts.
        truth_path: the file that says what is true of everything sent.
        history: how much of the history was sent; complete once `wait_for_history` returns.
        resumed: whether the data directory has a history from an earlier run, which is then not sent again.
    """

    def __init__(
        self,
        endpoint: str,
        data_dir: Path,
        *,
        seed: int = SEED,
        requests: int = REQUESTS,
        requests_per_s: float = 3.0,
        time_scale: float = 0.02,
        api_key: str | None = None,
    ) -> None:
        """Traffic that begins when it is started.

        Args:
            endpoint: URL of the collector's OTLP/HTTP port.
            data_dir: where the truth file goes.
            seed: the same seed at the same time gives the same traffic.
            requests: how many of the history; 0: live traffic alone.
            requests_per_s: of live traffic, on average.
            time_scale: seconds that a live request takes for each second of its plan.
            api_key: for a collector that wants one.
        """
        self.truth_path = data_dir / FILE_NAME
        self.begin = dt.datetime.now(dt.UTC).replace(microsecond=0) - HISTORY
        self._endpoint = endpoint
        self._api_key = api_key
        self._workload = Workload(seed, self.begin)
        self._requests = requests
        self._requests_per_s = requests_per_s
        self._time_scale = time_scale
        self.history = Tally()
        self.resumed = has_history(self.truth_path)
        self._history_over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._live: LiveTraffic | None = None
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="demo traffic", daemon=True)

    @property
    def prefix(self) -> str:
        """What the ids of all requests begin with."""
        return self._workload.prefix

    @property
    def until(self) -> dt.datetime:
        """When the history is over."""
        return self._workload.live_from

    @property
    def live_requests(self) -> int:
        """Live requests that are over."""
        return self._live.finished if self._live else 0

    def start(self) -> None:
        """Instrument the clients, send the history, go on with live traffic."""
        thinkmeter.instrument(endpoint=self._endpoint, service_name=SERVICE_NAME, api_key=self._api_key)
        self._thread.start()

    def wait_for_history(self) -> None:
        """Wait until the collector has taken all of the history.

        Raises:
            ThinkmeterError: it did not.
        """
        self._history_over.wait()
        self._raise()

    def wait_for_live(self, requests: int) -> None:
        """Wait until so many live requests are over.

        Raises:
            ExceptionGroup: live traffic ended with an error.
        """
        while self.live_requests < requests:
            self._thread.join(POLL_S)
            if not self._thread.is_alive():
                self._raise()
                return

    def plant_runaway(self, task: str | None = None) -> None:
        """Send a live request now that thinks far more than is usual for its class."""
        if live := self._live:
            self._in_loop(lambda: live.begin(task, runaway=True))

    def stop(self) -> None:
        """Begin no more requests, wait for those on their way, send what the SDK holds.

        Raises:
            ThinkmeterError: the collector did not take the history.
            ExceptionGroup: live traffic ended with an error.
        """
        self._end()
        self._raise()

    def _end(self) -> None:
        self._stopping = True
        if self._live:
            self._in_loop(self._live.stop)
        self._thread.join()
        if self._error is None:
            thinkmeter.flush()
        thinkmeter.uninstrument()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; an error that is on its way already is not raised twice."""
        self._end()
        if error is None:
            self._raise()

    def _in_loop(self, act: Callable[[], None]) -> None:
        if self._loop:
            with contextlib.suppress(RuntimeError):  # it has ended by itself; why is raised by `stop`
                self._loop.call_soon_threadsafe(act)

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            with Truth(self.truth_path) as truth, StandIn(self._time_scale) as stand_in:
                if not self.resumed:
                    self._send_history(truth)
                self._history_over.set()
                asyncio.run(self._send_live(truth, stand_in.url))
        except BaseException as error:  # told to whoever waits for the history, or stops
            LOG.error(
                "the demo's traffic has ended: %s",
                error,
                exc_info=not isinstance(error, ThinkmeterError),
                extra=event("demo.ended", reason=str(error)),
            )
            self._error = error
        finally:
            self._history_over.set()

    def _send_history(self, truth: Truth) -> None:
        planned = self._workload.history(self._requests)
        self.history = send_history(itertools.takewhile(lambda _: not self._stopping, planned), truth, self.until)
        if not self._stopping:
            truth.end_history(self.history)

    async def _send_live(self, truth: Truth, url: str) -> None:
        self._live = LiveTraffic(
            self._workload, truth, url, first_number=self._requests, requests_per_s=self._requests_per_s
        )
        self._loop = asyncio.get_running_loop()
        if not self._stopping:
            await self._live.run()
