"""A store with traffic, a dashboard that reads it, and a browser to look at it with."""

import dataclasses
import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.dashboards.traffic import Traffic
from tests.databases import Databases
from tests.waiting import wait_for
from thinkmeter.dashboards.process import DashboardProcess
from thinkmeter.schema.store.client import StoreAddress

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
PATIENCE_MS: Final = 90_000
"""How long a browser waits for what has to appear; the machine may be busy."""

TELLING_MODULES: Final = """
import sys, threading, time
from pathlib import Path
here = Path(__file__).parent
def tell():
    while not (here / "asked").exists():
        time.sleep(0.05)
    (here / "part").write_text("\\n".join(sys.modules))
    (here / "part").rename(here / "modules")
threading.Thread(target=tell, daemon=True).start()
"""

# Streamlit asks for these beside a page that has an address of its own, and does without them
EXPECTED_404 = ("/_stcore/health", "/_stcore/host-config")


@dataclasses.dataclass(frozen=True, slots=True)
class Filled:
    """A store with traffic that began and settled within the last 20 hours."""

    address: StoreAddress
    traffic: Traffic


@pytest.fixture(scope="session")
def filled(databases: Databases) -> Iterator[Filled]:
    """The store of the run, with a database of traffic; read, never written, by tests."""
    address = databases.take()
    now = dt.datetime.now(dt.UTC)
    traffic = Traffic(now - dt.timedelta(hours=20), now - dt.timedelta(hours=1), requests=500)
    traffic.insert(address)
    yield Filled(address, traffic)
    databases.give_back(address)


@pytest.fixture(scope="session")
def _telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the dashboard says what it has imported, in `modules`, once there is a file `asked`."""
    folder = tmp_path_factory.mktemp("telling")
    (folder / "sitecustomize.py").write_text(TELLING_MODULES)
    return folder


@pytest.fixture(scope="session")
def dashboard(filled: Filled, _telling: Path) -> Iterator[DashboardProcess]:
    """A dashboard on the traffic, running."""
    running = DashboardProcess(filled.address, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(_telling), prepend=os.pathsep)
        running.start()
    yield running
    running.stop()


@pytest.fixture
def imported(_telling: Path) -> Callable[[], set[str]]:
    """Names of all modules of the dashboard's process, as it is when this is called."""

    def ask() -> set[str]:
        (_telling / "asked").touch()
        wait_for((_telling / "modules").exists)
        return set((_telling / "modules").read_text().splitlines())

    return ask


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
