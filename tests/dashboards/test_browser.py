"""The pages as people see them: in Chromium, on a real store."""

import datetime as dt
import os
import re
import signal
import urllib.parse
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.dashboards.conftest import PATIENCE_MS, Filled
from tests.dashboards.traffic import EVIL_ID, Traffic
from thinkmeter.dashboards import tiles, wording
from thinkmeter.dashboards.process import DashboardProcess
from thinkmeter.dashboards.theme import DARK, LIGHT
from thinkmeter.dashboards.tiles import TILES, Tile
from thinkmeter.schema.metrics.wording import rate, usd
from thinkmeter.schema.query import Filters, Reader, ReportRow
from thinkmeter.schema.store.embedded import EmbeddedStore

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")

pytestmark = pytest.mark.usefixtures("browser")


def reported(filled: Filled, tile: Tile) -> ReportRow:
    """What the query layer says for the window that the page shows."""
    now = dt.datetime.now(dt.UTC)
    with Reader(filled.address) as reader:
        rows = reader.report(tile.metric.name, since=now - dt.timedelta(hours=24), until=now, by=(), project=None).rows
    row = tiles.decisive(rows)
    assert row is not None
    return row


def written(tile: Tile, row: ReportRow) -> str:
    """The value as it stands on the tile."""
    return " ".join(filter(None, (tiles.headline(tile, row), tile.unit)))


def drawn(page: Page, tile: Tile) -> Locator:
    """The tile of a metric."""
    return page.get_by_test_id("stGridCellContent").filter(has=page.get_by_text(tile.title, exact=True))


def wait_until_still(page: Page) -> None:
    """Until everything is read and drawn."""
    page.wait_for_function(
        """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
          && !document.querySelector('[data-testid=stSkeleton]')
          && [...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(e => e.querySelector('.main-svg'))"""
    )


def test_the_tiles_say_what_the_report_says(page: Page, dashboard: DashboardProcess, filled: Filled) -> None:
    page.goto(dashboard.url)
    for tile in TILES:
        row = reported(filled, tile)
        expect(drawn(page, tile).get_by_test_id("stMetricValue")).to_have_text(written(tile, row))
        expect(drawn(page, tile).get_by_test_id("stCaptionContainer")).to_contain_text(tiles.sentence(tile, row))
        assert row.value is not None, tile.metric
    expect(page.get_by_text("Live · newest span")).to_be_visible()
    expect(page).to_have_title("Overview · thinkmeter")
    with Reader(filled.address) as reader:
        now = dt.datetime.now(dt.UTC)
        [cost] = reader.report("cost", since=now - dt.timedelta(hours=24), until=now, by=(), project=None).rows
    expect(page.get_by_text(f"{rate(cost.detail['unpriced_token_share'])} of tokens have no price")).to_be_visible()
    wait_until_still(page)
    for chart in page.get_by_test_id("stPlotlyChart").all():
        assert chart.get_attribute("aria-label") or chart.locator("[aria-label]").count()


def test_filters_stand_in_the_address_and_work_from_there(
    page: Page, dashboard: DashboardProcess, filled: Filled
) -> None:
    now = dt.datetime.now(dt.UTC)
    with Reader(filled.address) as reader:
        [cost] = reader.report("cost", since=now - dt.timedelta(hours=24), until=now, task="sql_generation").rows
    page.goto(f"{dashboard.url}/runaways?task=sql_generation")
    expect(page.get_by_text(f"{cost.detail['requests']} requests")).to_be_visible()
    page.get_by_role("radio", name="7d").click()
    expect(page).to_have_url(re.compile(r"/runaways\?(?=.*window=7d)(?=.*task=sql_generation)"))
    page.get_by_test_id("stTopNavLink").filter(has_text="Requests").click()
    expect(page).to_have_url(re.compile(r"/requests\?(?=.*window=7d)(?=.*task=sql_generation)"))
    expect(page.get_by_role("combobox", name="Task classes")).to_have_value("sql_generation")


def test_a_request_is_found_and_opened_and_has_an_address(
    page: Page, dashboard: DashboardProcess, filled: Filled
) -> None:
    now = dt.datetime.now(dt.UTC)
    with Reader(filled.address) as reader:
        window = Filters(now - dt.timedelta(hours=24), now, None)
        [most] = reader.requests(window, 1, "thinking_tokens")
    page.goto(f"{dashboard.url}/requests?order=Most+thinking")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    wait_until_still(page)
    table.click(position={"x": 240, "y": 52})  # the first row; a table is a canvas
    expect(page).to_have_url(f"{dashboard.url}/request?id={most['request_id']}")
    expect(page.get_by_role("heading", name=most["request_id"])).to_be_visible()
    numbers = page.get_by_test_id("stMetricValue")
    expect(numbers.nth(0)).to_have_text(usd(most["cost_usd"] + most["verifier_cost_usd"]))
    expect(numbers.nth(1)).to_have_text(wording.count(most["thinking_tokens"]))
    expect(numbers.nth(3)).to_have_text(str(most["attempts"]))
    expect(page.get_by_text(f"Attempt {most['attempts']}", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stCode")).to_contain_text(f"{dashboard.url}/request?id={most['request_id']}")
    wait_until_still(page)
    page.get_by_text("All requests").click()
    expect(page).to_have_url(re.compile(r"/requests"))


def test_an_address_of_a_request_opens_it_alone(page: Page, dashboard: DashboardProcess, filled: Filled) -> None:
    request_id = filled.traffic.spans[-1]["request_id"]
    page.goto(f"{dashboard.url}/request?project=default&id={request_id}")  # as in the messages of alerts
    expect(page.get_by_role("heading", name=request_id)).to_be_visible()
    page.goto(f"{dashboard.url}/request?id=nobody")
    expect(page.get_by_text("The store knows no request nobody")).to_be_visible()


def test_what_came_from_outside_is_shown_and_not_obeyed(page: Page, dashboard: DashboardProcess) -> None:
    page.goto(f"{dashboard.url}/request?{urllib.parse.urlencode({'id': EVIL_ID})}")
    expect(page.get_by_role("heading").first).to_have_text(EVIL_ID)
    wait_until_still(page)
    assert page.locator("img[src*='x.png'], h3 b, h3 strong, .katex").count() == 0


def test_it_follows_the_viewers_theme(browser: Browser, dashboard: DashboardProcess, filled: Filled) -> None:
    seen = {}
    for scheme in SCHEMES:
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{dashboard.url}/request?id={filled.traffic.spans[-1]['request_id']}")
        name = page.locator(".main-svg .legendtext").first
        name.wait_for(timeout=PATIENCE_MS)
        ground = page.get_by_test_id("stApp")
        seen[scheme] = (
            name.evaluate("e => getComputedStyle(e).fill"),
            ground.evaluate("e => getComputedStyle(e).backgroundColor"),
        )
        context.close()
    assert seen == {"light": (rgb(LIGHT.text), rgb(LIGHT.ground)), "dark": (rgb(DARK.text), rgb(DARK.ground))}


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_a_store_that_goes_away_is_said_and_comes_back_by_itself(page: Page, laid_data: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    with EmbeddedStore(laid_data, port=0) as store, DashboardProcess(laid_data, 0) as dashboard:
        page.goto(f"{dashboard.url}/?task=sql_generation")
        expect(page.get_by_text("Send the first span")).to_be_visible()
        Traffic(now - dt.timedelta(hours=10), now - dt.timedelta(hours=1), 120).insert(store.address)
        ttr = drawn(page, TILES[1]).get_by_test_id("stMetricValue")
        expect(ttr).to_be_visible()
        shown = ttr.text_content()

        os.kill(store.pid, signal.SIGKILL)
        expect(page.get_by_role("heading", name="The store does not answer")).to_be_visible()
        expect(ttr).to_have_count(0)
        store.restart()
        expect(ttr).to_have_text(str(shown))
        expect(page).to_have_url(re.compile(r"\?task=sql_generation$"))
        page.goto("about:blank")  # a page complains, and rightly, that its own server ends before it


def test_the_reports_have_pages_of_their_own(page: Page, dashboard: DashboardProcess) -> None:
    page.goto(f"{dashboard.url}/verifier?window=24h")
    expect(page.get_by_role("heading", name="Other thresholds")).to_be_visible()
    wait_until_still(page)
    drawn_charts = page.get_by_test_id("stPlotlyChart").all()
    assert len(drawn_charts) == 3
    page.get_by_text("Reports", exact=True).click()
    page.get_by_role("menuitem", name="Review").click()
    expect(page).to_have_url(re.compile(r"/review"))
    expect(page.get_by_text("What to change").first).to_be_visible()
    wait_until_still(page)
