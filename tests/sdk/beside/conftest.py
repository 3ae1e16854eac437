"""Environments of packages that are not among the development ones."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def environments() -> Path:
    """Where `make beside` put the environments of packages that are too heavy, or too picky, for this one."""
    folder = os.environ.get("THINKMETER_BESIDE")
    if not folder:
        pytest.skip("run by `make beside`: these need environments of their own")
    return Path(folder)
