"""Waiting for what comes about by itself."""

import time
from collections.abc import Callable
from typing import Any

WAIT_S = 120.0


def wait_for(condition: Callable[[], Any], timeout_s: float = WAIT_S) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
