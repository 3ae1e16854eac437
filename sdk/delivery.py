"""One signal's way to the collector: a batch is kept until it is taken, refused for good, or the process ends."""

import os
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from thinkmeter.sdk.health import LOG, SignalHealth, contained
from thinkmeter.sdk.settings import Settings

if TYPE_CHECKING:
    from thinkmeter.sdk.wire import Answer, Wire

LONGEST_PAUSE_S: Final = 30.0
"""Pauses between attempts double up to this, unless the collector names another."""
BLIND_ATTEMPTS: Final = 6
"""Attempts with an exporter that does not say why it failed: some failures never pass."""
UNSENT: Final = "not delivered before exit"
_MAKING: Final = threading.RLock()
"""Held while the exporter is imported and made. A fork waits for that: a module whose import another thread was in the
middle of can never be imported in the child."""
LONGEST_WAIT_OF_A_FORK_S: Final = 10.0

if hasattr(os, "register_at_fork"):
    _held = threading.local()

    def _before_fork() -> None:
        _held.yes = _MAKING.acquire(timeout=LONGEST_WAIT_OF_A_FORK_S)

    def _after_fork() -> None:
        if _held.yes:
            _MAKING.release()

    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
OVERFLOW: Final = "queue full"


class Delivery:
    """The exporter that a batch processor feeds, in its worker thread.

    The OTLP exporter gives a batch ten seconds and drops it then. Here, a collector that is restarted, overloaded or
    not yet there costs nothing but memory, which the processor's queue bounds. What was acknowledged is never
    sent again: each attempt is one request, and only an answer that says so, or none at all, is followed by another.
    """

    def __init__(self, signal: str, settings: Settings, queue_size: int) -> None:
        """Prepare to deliver `traces` or `logs`; nothing is imported or connected yet."""
        self._signal = signal
        self._settings = settings
        self._queue_size = queue_size
        self._wire: Wire | None = None
        self._begin()
        if hasattr(os, "register_at_fork"):
            method = weakref.WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: (begin := method()) and begin())

    def _begin(self) -> None:
        """Start counting; also in a forked child, whose queue is empty and whose parent's connection is not its own."""
        # Re-entrant: the garbage collector may end an abandoned stream's span in the middle of any line.
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._deadline: float | None = None
        self._wire = None
        self._accepted = self._popped = self._sent = 0
        self._dropped: Counter[str] = Counter()
        self._last_error: str | None = None

    def accept(self) -> None:
        """Count an item on its way into the queue, and the oldest one that it pushes out of a full queue."""
        with self._lock:
            self._accepted += 1
            if self._accepted - self._popped - self._dropped[OVERFLOW] > self._queue_size:
                self._dropped[OVERFLOW] += 1
                first = self._dropped[OVERFLOW] == 1
            else:
                first = False
        if first:
            LOG.warning("the queue of %s is full (%d); the oldest are dropped", self._signal, self._queue_size)

    def export(self, batch: Sequence[Any]) -> None:
        """Send a batch, for as long as it takes."""
        with self._lock:
            self._popped += len(batch)
        attempts = 0
        while True:
            answer = self._send(batch)
            attempts += 1
            if answer.taken:
                self._taken(len(batch), answer.rejected)
                return
            self._failed(answer.reason, first=attempts == 1)
            if not answer.again and (answer.reason.startswith("HTTP") or attempts >= BLIND_ATTEMPTS):
                self._lost(len(batch), answer.reason)
                return
            if not self._pause(self._pause_s(answer, attempts)):
                self._lost(len(batch), UNSENT)
                return

    def _send(self, batch: Sequence[Any]) -> "Answer":
        """One attempt."""
        with _MAKING:
            from thinkmeter.sdk.wire import Answer, Wire

        answer = None
        with contained(f"sending {self._signal}"):
            if self._wire is None:
                with _MAKING:
                    self._wire = Wire(self._signal, self._settings, self.remaining_s)
            answer = self._wire.send(batch)
        return answer or Answer(reason="the exporter failed")

    def _pause_s(self, answer: "Answer", attempts: int) -> float:
        """How long to wait before the next attempt, in seconds."""
        if answer.after_s is not None:
            return answer.after_s
        doubling = min(2.0 ** (attempts - 1), LONGEST_PAUSE_S) if attempts < 10 else LONGEST_PAUSE_S
        return doubling * random.uniform(0.5, 1.0)  # spread, so that many processes do not come back at once

    def _pause(self, seconds: float) -> bool:
        """Wait; False where the process ends before the wait does. The begin of the end cuts the wait short."""
        remaining_s = self.remaining_s()
        if remaining_s is None:
            self._wake.wait(seconds)
            return True
        if seconds >= remaining_s:
            return False
        time.sleep(seconds)
        return True

    def remaining_s(self) -> float | None:
        """Seconds left while the process ends; None: it does not."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def close_by(self, deadline: float) -> None:
        """Deliver what is there, and give up at that time of the monotonic clock."""
        self._deadline = deadline
        self._wake.set()

    def shutdown(self) -> None:
        """Close connections; what is still in the queue will not be sent."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        with self._lock:
            queued = self._accepted - self._popped - self._dropped[OVERFLOW]
            self._popped += queued
            if queued > 0:
                self._dropped[UNSENT] += queued

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True

    def health(self) -> SignalHealth:
        """How this signal fares."""
        with self._lock:
            dropped = dict(+self._dropped)
            waiting = self._accepted - self._sent - sum(dropped.values())
            return SignalHealth(self._accepted, self._sent, max(waiting, 0), dropped, self._last_error)

    def _taken(self, items: int, rejected: int) -> None:
        """The collector has a batch."""
        with self._lock:
            self._sent += items - rejected
            if rejected:
                self._dropped["rejected by the collector"] += rejected
            back = self._last_error is not None
            self._last_error = None
        if back:
            LOG.info("the collector takes %s again", self._signal)
        if rejected:
            LOG.warning("the collector took a batch of %s but rejected %d of them", self._signal, rejected)

    def _failed(self, reason: str, *, first: bool) -> None:
        """An attempt failed: said once, not once per attempt."""
        with self._lock:
            known, self._last_error = self._last_error is not None, reason
        if first and not known:
            where = self._wire.endpoint if self._wire else "the collector"
            LOG.warning("%s were not taken by %s (%s)", self._signal, where, reason)

    def _lost(self, items: int, reason: str) -> None:
        """A batch is given up."""
        with self._lock:
            self._dropped[reason] += items
        LOG.error("%d items of %s were dropped: %s", items, self._signal, reason)
