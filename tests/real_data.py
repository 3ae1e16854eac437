"""Recordings that others made, outside of the project."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recordings that others made; its tests are skipped where it is absent."""
    folder = os.environ.get("THINKMETER_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("THINKMETER_REAL_DATA does not name a folder of real recordings")
    return Path(folder)
