"""The command line, run in this process against the test's own database."""

import sys
import urllib.parse
from collections.abc import Callable
from typing import NamedTuple

import pytest

from thinkmeter.__main__ import main
from thinkmeter.schema.store.client import StoreAddress


class Told(NamedTuple):
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str


Run = Callable[..., Told]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `thinkmeter` with the given arguments."""

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["thinkmeter", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        code = end.value.code
        assert code is None or isinstance(code, int)
        return Told(code or 0, said.out, said.err)

    return run


@pytest.fixture
def store_url(database: StoreAddress) -> str:
    """The test's database as `--store-url` takes it."""
    password = urllib.parse.quote(database.password)
    return f"clickhouse://{database.username}:{password}@{database.host}:{database.port}/{database.database}"
