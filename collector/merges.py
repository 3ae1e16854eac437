"""Lets merges of spans wait while more comes than goes in: they take the time that a burst could have."""

import threading
import time
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.client import Client

LONGEST_WAIT_S: Final = 20.0
"""Some dozen parts, and well below the time after which an erasure gives up on a table that does not merge."""
TAIL_S: Final = 2.0
"""So long the rest of a burst is on its way; what is underway later is a load that lasts."""


class Merges:
    """Whether spans are merged; the writer's threads may ask at once.

    They are once it has started, whatever its predecessor left, and once a burst is in. A load that stays too much for
    the store has them wait once and not again.

    Attributes:
        wait: whether they wait; None if nothing is known yet.
    """

    def __init__(self) -> None:
        """Nothing is known yet of whether they are."""
        self.wait: bool | None = None
        self._since_s = 0.0
        self._behind_s = 0.0
        self._waited = False
        self._looking = threading.Lock()

    def look(self, behind: bool, underway: bool, client: Callable[[], Client]) -> None:
        """Let them wait, or go on.

        Args:
            behind: whether more comes than goes in; only then do they begin to wait.
            underway: whether a segment is on its way into the store; as long as the rest of a burst is, they wait.
            client: of the store, if it has to be told.

        Raises:
            ClickHouseError: the store does not answer.
        """
        with self._looking:
            now_s = time.monotonic()
            if behind:
                self._behind_s = now_s
            if not behind and not underway:
                self._waited = False
            elif self.wait and now_s - self._since_s > LONGEST_WAIT_S:
                self._waited = True
            rest = underway and bool(self.wait) and now_s - self._behind_s < TAIL_S
            wait = (behind or rest) and not self._waited
            if wait != self.wait:
                client().command(f"SYSTEM {'STOP' if wait else 'START'} MERGES spans")
                self.wait, self._since_s = wait, now_s
