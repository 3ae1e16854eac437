"""Stand-ins of the channels, a clock that can be put forward, and settings that name both."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.alerts import receiver
from tests.alerts.receiver import Receiver
from thinkmeter.alerts.settings import AlertSettings

ENVIRONMENT = {"PD_KEY": "0123456789abcdef0123456789abcdef"}


def wait_until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        threading.Event().wait(0.02)


class Clock:
    """The time, and however much later it was set."""

    def __init__(self) -> None:
        self._ahead = dt.timedelta(0)

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self._ahead

    def advance(self, by: dt.timedelta) -> None:
        self._ahead += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack() -> Iterator[Receiver]:
    with receiver.slack() as running:
        yield running


@pytest.fixture
def pagerduty() -> Iterator[Receiver]:
    with receiver.pagerduty() as running:
        yield running


@pytest.fixture
def settings(slack: Receiver, pagerduty: Receiver) -> AlertSettings:
    """Both channels, with little patience."""
    return AlertSettings.model_validate(
        {
            "channels": {
                "team": {"kind": "slack", "url": slack.url, "timeout_s": 1},
                "oncall": {"kind": "pagerduty", "routing_key_env": "PD_KEY", "url": pagerduty.url, "timeout_s": 1},
            }
        }
    )
