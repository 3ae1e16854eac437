"""A collector in front of the real store."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.client import StoreAddress

# An example that takes long on a busy machine has failed nobody.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def settings() -> CollectorSettings:
    """Any free ports, and short waits."""
    return CollectorSettings(http_port=0, grpc_port=0, segment_age_s=0.02, min_free_disk_bytes=0)


@pytest.fixture
def collector(database: StoreAddress, tmp_path: Path, settings: CollectorSettings) -> Iterator[Collector]:
    """Started, without keys."""
    with Collector(database, tmp_path, settings) as running:
        yield running
