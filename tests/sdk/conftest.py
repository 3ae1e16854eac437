"""What the SDK's tests share: captured telemetry, and servers on the loopback."""

from collections.abc import Iterator

import pytest

import thinkmeter
from tests.real_data import real_data as real_data
from tests.sdk.collector_server import CollectorServer
from tests.sdk.provider_server import ProviderServer
from thinkmeter.sdk.testing import Captured, capture


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say their settings themselves."""
    import os

    for name in os.environ:
        if name.startswith(("OTEL_", "THINKMETER_")) and name != "THINKMETER_REAL_DATA":
            monkeypatch.delenv(name)


@pytest.fixture
def undone() -> Iterator[None]:
    """For tests that instrument by themselves."""
    thinkmeter.uninstrument()
    yield
    thinkmeter.uninstrument()


@pytest.fixture
def captured() -> Iterator[Captured]:
    """An instrumented process that keeps everything in memory; a fault of the SDK itself fails the test."""
    with capture() as kept:
        yield kept
        assert kept.faults == 0


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    """A provider on the loopback that answers what it is told to."""
    with ProviderServer() as server:
        yield server


@pytest.fixture
def collector() -> Iterator[CollectorServer]:
    """A collector on the loopback that answers what it is told to."""
    with CollectorServer() as server:
        yield server
