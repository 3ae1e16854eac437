"""What the questions of a page have in common: read once, and taken for known for a moment."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

KNOWN_S: Final = 2.0
"""For how long, mostly: the questions of a page come together."""

Told = TypeVar("Told")


class Known:
    """What was read a moment ago; for several threads at a time, of which one reads and the others wait for it."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.RLock()  # `read` may ask for something else that is known
        self._told: dict[Hashable, tuple[float, float, Any]] = {}

    def told(self, what: Hashable, read: Callable[[], Told], for_s: float | None = None) -> tuple[Told, float]:
        """What `read` says, now or a while ago, and how many seconds ago that was.

        Args:
            what: it says; the same of it is read once.
            read: asks the store, and may ask what is known of something else; what it raises is raised, and nothing
                is known then.
            for_s: how long that holds; None: `KNOWN_S`.
        """
        with self._lock:
            now = time.monotonic()
            self._told = {key: told for key, told in self._told.items() if now - told[0] < told[1]}
            if what not in self._told:
                found = read()
                self._told[what] = time.monotonic(), KNOWN_S if for_s is None else for_s, found
            since, _, found = self._told[what]
            return found, max(0.0, now - since)
