"""A thread that does one thing again and again with a store connection of its own, until it is stopped."""

import dataclasses
import datetime as dt
import logging
import threading
from collections.abc import Callable

from thinkmeter.schema.alerting.store import AlertStore
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.logs import event
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.failure import reason

log = logging.getLogger(__name__)

AFTER_FAILURE_S = 1.0


@dataclasses.dataclass(slots=True)
class LoopState:
    """What is known of a loop; times in UTC."""

    turns: int = 0
    failures: int = 0
    """Turns that failed since the last that did not."""
    last_success: dt.datetime | None = None
    last_error: str = ""


class Loop:
    """Takes a turn, waits as long as the turn says or until it is woken, and so on.

    Attributes:
        state: what is known of it.
    """

    def __init__(self, name: str, address: StoreAddress, turn: Callable[[AlertStore], float]) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            name: of the thread.
            address: where the store is.
            turn: does the work and returns how long to wait for the next one, in seconds.
        """
        self.state = LoopState()
        self._address = address
        self._turn = turn
        self._store: AlertStore | None = None
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let the next turn come at once."""
        self._woken.set()

    def stop(self) -> None:
        """End after the turn that runs; safe without `start`."""
        self._stopping = True
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            self._woken.wait(self._take_turn())
        if self._store is not None:
            self._store.close()

    def _take_turn(self) -> float:
        self.state.turns += 1
        try:
            if self._store is None:
                self._store = AlertStore(self._address)
            wait_s = self._turn(self._store)
        except Exception as error:  # noqa: BLE001  # whatever it is, the next turn must come; the state tells it
            self.state.failures += 1
            why = reason(error)
            if why != self.state.last_error:
                expected = isinstance(error, ThinkmeterError)
                log.log(
                    logging.WARNING if expected else logging.ERROR,
                    "%s failed and tries again: %s",
                    self._thread.name,
                    why,
                    extra=event("alerts.failed", loop=self._thread.name, reason=why),
                )
            self.state.last_error = why
            return AFTER_FAILURE_S
        self.state.failures, self.state.last_error = 0, ""
        self.state.last_success = dt.datetime.now(dt.UTC)
        return wait_s
