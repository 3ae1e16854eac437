"""Logs: one line of JSON each, with events that the page lists, and nothing of what was sent in them."""

import ast
import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from thinkmeter.schema.errors import RetryableError
from thinkmeter.schema.logs import KNOWN_FIELDS, LogFormat, LogSettings, event, start_logs
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.failure import reason

ROOT = Path(__file__).parents[2]
PARTS = ("alerts", "collector", "dashboards", "schema", "src")
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z_, ]*)\| [^|]+ \|$", re.MULTILINE)
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def documented() -> dict[str, set[str]]:
    """Event -> fields, as the page lists them."""
    rows = ROW.findall((ROOT / "docs" / "logs.md").read_text())
    return {name: {field.strip() for field in fields.split(",") if field.strip()} for name, fields in rows}


def names_of(node: ast.expr) -> list[str]:
    """The events that an expression may stand for."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    assert isinstance(node, ast.JoinedStr), ast.dump(node)
    return [part + ast.unparse(node).strip("f'").partition("}")[2] for part in ("store", "dashboard")]


def telling(place: str, call: ast.Call) -> tuple[ast.expr, ast.Call] | None:
    """What stands for the name of an event, and the call that has its fields; None of any other call."""
    if is_logged(call):
        made = next((word.value for word in call.keywords if word.arg == "extra"), None)
        assert isinstance(made, ast.Call), f"{place} has no event"
        return made.args[0], made
    called = call.func
    if isinstance(called, ast.Attribute) and called.attr == "_complain" and len(call.args) == 3:
        return call.args[1], call
    tells = isinstance(called, ast.Name) and called.id == "tell" and len(call.args) == 2
    return (call.args[0], call) if tells else None


def fields_of(call: ast.Call) -> set[str]:
    complains = isinstance(call.func, ast.Attribute)
    given = {word.arg for word in call.keywords if word.arg is not None}
    return (given | {"reason"} if complains else given) - {"level"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Where each call of the parts stands, and the call."""
    for path in sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield f"{path}:{node.lineno}", node


def is_logged(call: ast.Call) -> bool:
    called = call.func
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id.lower() == "log"
        and called.attr in LEVELS
    )


def test_every_message_has_an_event_and_the_page_lists_them_all() -> None:
    found: dict[str, set[str]] = {"other": set()}
    for place, call in calls():
        told = telling(place, call)
        if told is not None and not isinstance(told[0], ast.Name):  # else it comes from a caller, who is found as well
            for name in names_of(told[0]):
                found.setdefault(name, set()).update(fields_of(told[1]))
    assert found == documented()
    assert [name for name, fields in found.items() if fields & KNOWN_FIELDS] == []


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("logs_as_they_were")
def test_a_line_is_an_object_whatever_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    start_logs(LogSettings(format=LogFormat.JSON))
    own, library = logging.getLogger("thinkmeter.collector.writer"), logging.getLogger("some.library")
    own.info('two\nlines and "quotes" of %s', "traces", extra=event("writer.waiting", signal="traces", data=Path("/d")))
    library.warning("no answer from %s", "/v1?database=x&user=y now")
    library.info("not told")
    first, second = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(first.pop("time")))
    assert first == {
        "level": "info",
        "event": "writer.waiting",
        "part": "collector.writer",
        "message": 'two\nlines and "quotes" of traces',
        "signal": "traces",
        "data": "/d",
    }
    assert (second["event"], second["part"], second["message"]) == (
        "other",
        "some.library",
        "no answer from /v1?... now",
    )


@pytest.mark.usefixtures("logs_as_they_were")
@pytest.mark.parametrize("form", LogFormat)
def test_what_an_error_says_is_told_in_no_form(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    start_logs(LogSettings(format=form))
    try:
        int("what a user said")
    except ValueError:
        logging.getLogger("thinkmeter.x").exception("it failed", extra=event("jobs.failed", job="x"))
    thread = threading.Thread(target=lambda: int("what a user said"), name="counting")
    if form is LogFormat.JSON:
        thread.start()
        thread.join()
    told = capsys.readouterr().err
    assert "what a user said" not in told
    assert "ValueError" in told
    assert f"{__file__}:" in told
    assert form is LogFormat.TEXT or json.loads(told.splitlines()[1])["event"] == "thread.crashed"


@pytest.mark.usefixtures("logs_as_they_were")
@pytest.mark.parametrize(
    ("settings", "told"), [({}, ["warning"]), ({"format": "json"}, ["info", "warning"]), ({"level": "error"}, [])]
)
def test_the_level_is_that_of_the_settings(
    settings: dict[str, str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    start_logs(LogSettings.model_validate(settings))
    for level in ("debug", "info", "warning"):
        getattr(logging.getLogger("thinkmeter.x"), level)("said at %s", level)
    assert re.findall(r"said at (\w+)", capsys.readouterr().err) == told


def test_a_reason_has_no_address_and_nothing_that_the_store_quotes(database: StoreAddress) -> None:
    def failure(client: Client, query: str) -> ClickHouseError:
        with pytest.raises(ClickHouseError) as failed:
            client.query(query)
        return failed.value

    with connect(database) as client:
        parsed = failure(client, "SELECT toUInt8('what a user said')")
        assert "what a user said" in str(parsed)
        assert reason(parsed).startswith("Cannot parse string '...' as UInt8")
        absent = failure(client, "SELECT * FROM not_there")
        assert "UNKNOWN_TABLE" in reason(absent)
    with pytest.raises(urllib3.exceptions.MaxRetryError) as refused:
        urllib3.PoolManager().request("GET", "http://127.0.0.1:1/?database=thinkmeter", retries=0)
    away = OperationalError(f"Error {refused.value} executing HTTP request attempt 1")  # as clickhouse-connect tells it
    away.__cause__ = refused.value
    assert "database=" in str(away)
    assert reason(away) == "Connection refused"
    assert [one for one in (parsed, absent, away) if "http://" in reason(one)] == []
    assert reason(RetryableError("the store is away")) == "the store is away"
    assert reason(KeyError("what a user said")) == "KeyError"
