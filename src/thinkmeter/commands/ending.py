"""How a command that stays is told to end."""

import signal
import threading
from types import FrameType


def end_on_signal() -> threading.Event:
    """An event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    ended = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended
