"""A data directory whose store is laid already, for tests that run one of their own: to lay it takes seconds."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from thinkmeter.collector.installation import install
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate


@pytest.fixture(scope="session")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for the whole run: the newest schema, able to decode OTLP, no rows. To be copied."""
    of_run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_run = of_run.parent
    folder, partial = of_run / "laid", of_run / "laid.partial"
    with (of_run / "laid.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with EmbeddedStore(partial, port=0) as store:
                migrate(store.address)
                with connect(store.address) as client:
                    install(client, embedded=True)
            partial.rename(folder)
    return folder


@pytest.fixture
def laid_data(laid: Path, tmp_path: Path) -> Path:
    """The directory `data` of the test's own."""
    return copied(laid, tmp_path / "data")


def copied(laid: Path, data: Path) -> Path:
    """A copy, whose store knows nothing of the other."""
    shutil.copytree(laid, data, symlinks=True)
    return data
