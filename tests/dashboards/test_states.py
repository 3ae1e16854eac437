"""What the pages say while there is nothing to show, or what they show is not all there is."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from clickhouse_connect.driver.client import Client
from streamlit.testing.v1 import AppTest

from tests.schema.rows import insert, price, span
from thinkmeter import dashboards
from thinkmeter.dashboards import store
from thinkmeter.schema.store.client import StoreAddress

APP = Path(dashboards.__file__).with_name("app.py")
PATIENCE_S = 60
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def app(database: StoreAddress) -> Iterator[AppTest]:
    """The application on an empty store."""
    store.read_from(database)
    st.cache_data.clear()
    yield AppTest.from_file(str(APP), default_timeout=PATIENCE_S)
    store.read_from(Path("/nowhere"))
    st.cache_data.clear()


def said(app: AppTest) -> str:
    """All text on the page."""
    assert not app.exception
    parts = (*app.subheader, *app.markdown, *app.caption, *app.warning)
    return "\n".join(str(part.value).replace("\\", "") for part in parts)


def recent(**columns: object) -> dict[str, object]:
    begun = NOW - dt.timedelta(minutes=30)
    return {**span(time=begun, received=begun, input_tokens=100, output_tokens=50, thinking_tokens=20), **columns}


def test_an_empty_store_says_how_to_send_the_first_span(app: AppTest) -> None:
    app.run()
    assert "Send the first span" in said(app)
    assert "Waiting for the first span" in said(app)
    assert "thinkmeter.instrument(" in app.code[0].value
    assert not app.metric


def test_a_store_that_is_not_there_says_so(app: AppTest) -> None:
    store.read_from(StoreAddress("127.0.0.1", 1))
    app.run()
    assert "The store does not answer" in said(app)
    assert "Store away" in said(app)
    store.read_from(Path("/nowhere"))
    app.run()
    assert "The store cannot be read" in said(app)
    assert "no store is running on /nowhere" in said(app)


def test_a_window_without_calls_says_when_there_were_some(app: AppTest, client: Client) -> None:
    insert(client, "spans", [recent(time=NOW - dt.timedelta(days=3))])
    app.run()
    assert "No calls in the last 24 hours" in said(app)
    assert "The newest span came in at" in said(app)


def test_the_first_spans_are_announced_before_they_are_counted(app: AppTest, client: Client) -> None:
    row = recent()
    client.insert("spans", [list(row.values())], column_names=list(row))
    app.run()
    assert "Spans received: 1" in said(app)
    assert "appear here by themselves" in said(app)


def test_too_little_data_is_said_in_words_on_every_tile(app: AppTest, client: Client) -> None:
    insert(client, "prices", [price()])
    insert(client, "spans", [recent(request_id="r", tier=1)])
    app.run()
    assert [metric.value for metric in app.metric] == ["\\-"] * 4
    assert said(app).count("Not enough data:") == 3
    assert "Nothing to measure in this window" in said(app)  # no verifier has judged anything
    assert "Coverage: 100.0% of 1 calls" in said(app)


def how_current() -> None:
    """What a page says of itself, without the page."""
    from thinkmeter.dashboards import states

    states.status()
    states.behind()


@pytest.mark.usefixtures("app")
def test_spans_that_are_not_counted_yet_are_said(client: Client) -> None:
    insert(client, "spans", [recent()])
    row = recent(inserted=dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=1))
    client.insert("spans", [list(row.values())], column_names=list(row))
    client.command(
        "ALTER TABLE spans UPDATE inserted = inserted - INTERVAL 20 MINUTE WHERE true", settings={"mutations_sync": 1}
    )
    client.command(
        "ALTER TABLE watermarks UPDATE settled_until = settled_until - INTERVAL 21 MINUTE WHERE true",
        settings={"mutations_sync": 1},
    )
    app = AppTest.from_function(how_current, default_timeout=PATIENCE_S).run()
    assert "spans that came in since are not counted yet" in said(app)
    assert "Behind by 20 min" in said(app)


def test_escalation_is_not_said_of_one_model(app: AppTest, client: Client) -> None:
    insert(client, "spans", [recent(request_id="r", tier=1, response_model="m-1")])
    app.query_params["model"] = "m-1"
    app.run()
    assert "it is not a property of one" in said(app)
