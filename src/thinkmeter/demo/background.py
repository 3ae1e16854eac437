"""A demo that goes on by itself: told here until it is ready, then left alone."""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

READY_FD: Final = "THINKMETER_DEMO_READY_FD"
LOG_NAME: Final = "demo.log"
RELAY_INTERVAL_S: Final = 0.1


def leave_running(
    arguments: Sequence[str], folder: Path, ended: threading.Event, tell: Callable[[str], None]
) -> "subprocess.Popen[bytes]":
    """Start `thinkmeter demo` in a session of its own and pass on what it says until it is ready.

    Args:
        arguments: of the command.
        folder: takes what it says, in `demo.log`.
        ended: set where the caller is to end; then the demo ends too.
        tell: takes what the demo says, as it comes.

    Returns:
        The process: it goes on, or has ended before it was ready, and then it has said why.
    """
    log = folder / LOG_NAME
    ready, telling = os.pipe()
    try:
        with log.open("wb") as out:
            demo = subprocess.Popen(
                [sys.executable, "-m", "thinkmeter", "demo", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, READY_FD: str(telling)},
                pass_fds=[telling],
                start_new_session=True,
            )
    finally:
        os.close(telling)
    with os.fdopen(ready, "rb") as signal, log.open() as said:
        told: Sequence[object] = ()
        while not told and not ended.is_set():
            told, _, _ = select.select([signal], [], [], RELAY_INTERVAL_S)
            tell(said.read())
        if not told:
            demo.terminate()
        if not told or not signal.read(1):
            demo.wait()
        tell(said.read())
    return demo


def say_ready() -> None:
    """Tell the process that started this one, if one did, that it may leave."""
    if descriptor := os.environ.pop(READY_FD, None):
        with os.fdopen(int(descriptor), "wb") as telling:
            telling.write(b"!")
