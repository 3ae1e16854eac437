"""What every test may ask for: a real store, one for the whole run, and a database of its own."""

import os
import sys
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run, Told
from thinkmeter.__main__ import main
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """The embedded store, started once."""
    with EmbeddedStore(tmp_path_factory.mktemp("store"), port=0) as running:
        yield running


@pytest.fixture
def empty_database(store: EmbeddedStore) -> Iterator[StoreAddress]:
    """An address whose database does not exist yet."""
    address = store.address.with_database(f"test_{uuid.uuid4().hex}")
    yield address
    with connect(address, database="") as client:
        client.command("DROP DATABASE IF EXISTS {name:Identifier}", {"name": address.database})


@pytest.fixture
def database(empty_database: StoreAddress) -> StoreAddress:
    """A database with the newest schema and no rows."""
    migrate(empty_database)
    return empty_database


@pytest.fixture
def client(database: StoreAddress) -> Iterator[Client]:
    """A client of that database."""
    with connect(database) as connected:
        yield connected


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recordings that others made; its tests are skipped where it is absent."""
    folder = os.environ.get("THINKMETER_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("THINKMETER_REAL_DATA does not name a folder of real recordings")
    return Path(folder)


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
    return _url(database)


@pytest.fixture
def store_url_of_empty(empty_database: StoreAddress) -> str:
    """A database that does not exist yet, as `--store-url` takes it."""
    return _url(empty_database)


def _url(address: StoreAddress) -> str:
    password = urllib.parse.quote(address.password)
    return f"clickhouse://{address.username}:{password}@{address.host}:{address.port}/{address.database}"
