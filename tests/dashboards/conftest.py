"""A store with traffic, a dashboard that reads it, and a browser to look at it with."""

import dataclasses
import datetime as dt
import shutil
import uuid
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.dashboards.traffic import Traffic
from thinkmeter.dashboards.process import DashboardProcess
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
PATIENCE_MS: Final = 90_000
"""How long a browser waits for what has to appear; the machine may be busy."""

# Streamlit asks for these beside a page that has an address of its own, and does without them
EXPECTED_404 = ("/_stcore/health", "/_stcore/host-config")


@dataclasses.dataclass(frozen=True, slots=True)
class Filled:
    """A store with traffic that began and settled within the last 20 hours."""

    address: StoreAddress
    traffic: Traffic


@pytest.fixture(scope="session")
def filled(store: EmbeddedStore) -> Iterator[Filled]:
    """The store of the run, with a database of traffic; read, never written, by tests."""
    address = store.address.with_database(f"filled_{uuid.uuid4().hex}")
    migrate(address)
    now = dt.datetime.now(dt.UTC)
    traffic = Traffic(now - dt.timedelta(hours=20), now - dt.timedelta(hours=1), requests=500)
    traffic.insert(address)
    yield Filled(address, traffic)
    with connect(address, database="") as client:
        client.command("DROP DATABASE {name:Identifier}", {"name": address.database})


@pytest.fixture(scope="session")
def dashboard(filled: Filled) -> Iterator[DashboardProcess]:
    """A dashboard on the traffic, running."""
    with DashboardProcess(filled.address, 0) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once a module: its driver runs an event loop in this thread, where others want their own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the pages are not looked at")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a fresh profile; whatever the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, timezone_id="Europe/Berlin")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(EXPECTED_404):
            complaints.append(f"{message.text} ({message.location['url']})")

    opened.on("console", hear)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []
