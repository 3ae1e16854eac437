"""What every test may ask for: a real store, one for the whole run, and a database of its own."""

import logging
import signal
import sys
import threading
import urllib.parse
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run, Told
from tests.databases import Databases, drop, new_address
from tests.laid import laid as laid
from tests.laid import laid_data as laid_data
from tests.real_data import real_data as real_data
from thinkmeter.__main__ import main
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """The embedded store, started once."""
    with EmbeddedStore(tmp_path_factory.mktemp("store"), port=0) as running:
        yield running


@pytest.fixture
def empty_database(store: EmbeddedStore) -> Iterator[StoreAddress]:
    """An address whose database does not exist yet."""
    address = new_address(store.address)
    yield address
    drop(address)


@pytest.fixture(scope="session")
def databases(store: EmbeddedStore) -> Databases:
    """Where databases come from."""
    return Databases(store.address)


@pytest.fixture
def database(databases: Databases) -> Iterator[StoreAddress]:
    """A database with the newest schema and no rows."""
    address = databases.take()
    yield address
    databases.give_back(address)


@pytest.fixture
def client(database: StoreAddress) -> Iterator[Client]:
    """A client of that database."""
    with connect(database) as connected:
        yield connected


@pytest.fixture
def logs_as_they_were() -> Iterator[None]:
    """For who starts logs in this process: they end with the test."""
    root, own = logging.getLogger(), logging.getLogger("thinkmeter")
    handlers, levels, hooks = root.handlers, (root.level, own.level), (sys.excepthook, threading.excepthook)
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def signals_as_they_were() -> Iterator[None]:
    """A command that stays takes signals over; here it ends before, and the tests go on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logs_as_they_were: None) -> Run:
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
