"""Lets merges of spans wait while segments do: they take the time in which these could go in."""

import threading
import time
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.client import Client

LONGEST_WAIT_S: Final = 20.0
"""Some dozen parts, and well below the time after which an erasure gives up on a table that does not merge."""


class Merges:
    """Whether spans are merged; the writer's threads may ask at once.

    They are once it has started, whatever its predecessor left, and once all is in. A load that stays too much for the
    store has them wait once and not again.

    Attributes:
        wait: whether they wait; None if nothing is known yet.
    """

    def __init__(self) -> None:
        """Nothing is known yet of whether they are."""
        self.wait: bool | None = None
        self._since_s = 0.0
        self._waited = False
        self._looking = threading.Lock()

    def look(self, waiting: bool, underway: bool, client: Callable[[], Client]) -> None:
        """Let them wait, or go on.

        Args:
            waiting: whether further segments wait; only then do they begin to.
            underway: whether one is on its way into the store; as long as any is, they do not begin again.
            client: of the store, if it has to be told.

        Raises:
            ClickHouseError: the store does not answer.
        """
        with self._looking:
            if not waiting and not underway:
                self._waited = False
            elif self.wait and time.monotonic() - self._since_s > LONGEST_WAIT_S:
                self._waited = True
            wait = (waiting or (underway and bool(self.wait))) and not self._waited
            if wait != self.wait:
                client().command(f"SYSTEM {'STOP' if wait else 'START'} MERGES spans")
                self.wait, self._since_s = wait, time.monotonic()
