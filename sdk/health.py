"""What the SDK knows of itself: what was sent and dropped and why, and its own faults. Nothing here raises."""

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

LOG: Final = logging.getLogger("thinkmeter")
"""The one logger of the SDK."""


@dataclass(frozen=True, slots=True)
class SignalHealth:
    """How one signal (spans or log records) fares, in items since `instrument()`.

    Attributes:
        accepted: handed over by the application.
        sent: acknowledged by the collector.
        waiting: held in memory, not yet acknowledged.
        dropped: lost, by reason.
        last_error: why the newest attempt to send failed; None: it did not.
    """

    accepted: int = 0
    sent: int = 0
    waiting: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of `thinkmeter.health()`.

    Attributes:
        instrumented: whether `instrument()` holds.
        endpoint: where spans go; None: only to the application's own tracer provider, or nowhere.
        spans: the spans' way to the collector.
        logs: the verdicts' and labels' way to the collector.
        faults: errors of the SDK itself, each contained.
        last_fault: the newest of them.
        oddities: replies whose numbers contradict each other, by kind.
        unmeasured: client libraries whose wrapper is off, and why: this release of theirs is not as we know it.
    """

    instrumented: bool
    endpoint: str | None
    spans: SignalHealth
    logs: SignalHealth
    faults: int
    last_fault: str | None
    oddities: dict[str, int]
    unmeasured: dict[str, str] = field(default_factory=dict)


class Faults:
    """Errors of the SDK itself and contradictions in what providers send, counted."""

    def __init__(self) -> None:
        """Start at nothing."""
        # Re-entrant: a stream that the garbage collector finds may end, and fail, inside any line of this class.
        self._lock = threading.RLock()
        self._oddities: Counter[str] = Counter()
        self.count = 0
        self.last: str | None = None

    def add(self, place: str, error: BaseException) -> None:
        """Count an error of our own and log the first of each hundred, with its traceback."""
        with self._lock:
            self.count += 1
            self.last = f"{place}: {type(error).__qualname__}: {error}"
            logged = self.count % 100 == 1
        if logged:
            LOG.warning(
                "thinkmeter failed at %s and carried on; the application is not affected", place, exc_info=error
            )

    def odd(self, kind: str) -> None:
        """Count a reply whose numbers contradict each other."""
        with self._lock:
            self._oddities[kind] += 1

    @property
    def oddities(self) -> dict[str, int]:
        """Counts by kind."""
        with self._lock:
            return dict(self._oddities)

    def clear(self) -> None:
        """Back to nothing."""
        with self._lock:
            self._oddities.clear()
            self.count, self.last = 0, None


FAULTS: Final = Faults()
"""Those of this process."""


class contained:
    """Keeps an error of our own inside: it is counted and logged, and the caller goes on."""

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        """Name the place for the log."""
        self._place = place

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Swallow errors; let signals to the interpreter (`KeyboardInterrupt`, `SystemExit`) pass."""
        if error is None or not isinstance(error, Exception):
            return False
        FAULTS.add(self._place, error)
        return True


_warned: set[str] = set()


def warn(message: str, *values: object) -> None:
    """Log a warning, each text once per process."""
    text = message % values
    if text not in _warned:
        _warned.add(text)
        LOG.warning(text)
