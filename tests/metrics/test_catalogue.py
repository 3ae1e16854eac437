"""The head of a metric's file is read strictly."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from tests.alerts.traffic import request
from tests.metrics.traffic import SINCE, UNTIL, answered, insert_traffic
from tests.schema.rows import insert
from thinkmeter.alerts import conditions, watcher
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.settings import AlertSettings, RuleSettings
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics import catalogue
from thinkmeter.schema.metrics.catalogue import MAIN, METRICS, discover, read
from thinkmeter.schema.metrics.estimate import Estimate
from thinkmeter.schema.metrics.page import documented
from thinkmeter.schema.query import Reader, reader
from thinkmeter.schema.store.client import StoreAddress

HEAD = """-- name: x
-- title: A title
-- unit: USD
-- direction: lower
-- why: First line,
--   second line.
-- source: requests
-- by: task, attr
"""


def nothing(*_: object) -> Estimate:
    return Estimate.insufficient(0, "", {})


def test_every_metric_says_what_it_is() -> None:
    assert list(METRICS) == [
        *("cpq", "ttr", "escr", "vrate", "cost", "overthinking", "strategies", "runaways", "quota", "forecast"),
        *("latency", "routing", "reflection", "accuracy", "coverage"),
    ]
    assert set(MAIN) < set(METRICS)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.why.endswith(".")
        # what a user may think in a day is of all tasks together
        assert ("task" in metric.by) == (name != "quota")
        assert "SELECT key, " in metric.sql


def test_a_head_is_read_with_its_continued_lines() -> None:
    metric = read("x", f"{HEAD}-- keys: verifier, version\nSELECT 1\n", nothing)
    assert (metric.why, metric.by, metric.keys) == (
        "First line, second line.",
        ("task", "attr"),
        ("verifier", "version"),
    )
    assert metric.sql == "SELECT 1\n"
    assert read("x", f"{HEAD}SELECT 1", nothing).keys == ()
    assert (metric.default, metric.window, metric.against, metric.note) == (("task",), "7d", "", "")
    other = read("x", f"{HEAD}-- default: nothing\n-- window: 90d\n-- note: Mind it.\nSELECT 1\n", nothing)
    assert (other.default, other.window, other.note) == ((), "90d", "Mind it.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", "metric x.sql does not begin with its head"),
        ("--   goes on\nSELECT 1", "line 1: goes on, but nothing began"),
        (HEAD + "-- unit: EUR\nSELECT 1", "line 9: unit stands twice"),
        (HEAD + "--why: x\nSELECT 1", "line 9: '--why: x' is not of the form"),
        (HEAD + "-- colour: red\nSELECT 1", "the head has name, .*, colour; it needs name, title"),
        (HEAD.replace("-- unit: USD\n", "") + "SELECT 1", "it needs name, title, unit"),
        (HEAD.replace("name: x", "name: y") + "SELECT 1", "its name is y, not that of the file"),
        (HEAD.replace("lower", "sideways") + "SELECT 1", "direction is sideways, not one of lower, higher"),
        (HEAD.replace("requests", "spans") + "SELECT 1", "source is spans, not one of calls, attempts, requests"),
    ],
)
def test_a_mistake_in_a_head_is_told(text: str, message: str) -> None:
    with pytest.raises(ThinkmeterError, match=message):
        read("x", text, nothing)


LONG = HEAD.replace("name: x", "name: long") + "-- estimate: {estimate}\n"
QUERY = """SELECT key, task, 1 AS weight, {value} AS value, count() AS items FROM population GROUP BY key, task, value
"""


def test_a_new_metric_is_one_file(
    tmp_path: Path, database: StoreAddress, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_traffic(client, [answered(f"r{n}", thinking=20 * n) for n in range(40)])
    values = {"share": "ifNull(thinking_tokens >= 200, -1)", "mean": "thinking_tokens", "total": "thinking_tokens"}
    wanted = {"share": 30 / 40, "mean": 390.0, "total": 15_600.0}
    for estimate, value in values.items():
        (tmp_path / "long.sql").write_text(LONG.format(estimate=estimate) + QUERY.format(value=value))
        added = discover(tmp_path)
        assert list(added) == ["long"]
        monkeypatch.setattr(reader, "METRICS", {**METRICS, **added})
        with Reader(database) as connected:
            [row] = connected.report("long", since=SINCE, until=UNTIL).rows
        assert (row.key, row.n, row.state) == ({"task": "sql"}, 40, "ok")
        assert row.value is not None
        assert row.value == pytest.approx(wanted[estimate])
        assert (row.low is None) == (estimate == "total")
        assert row.low is None or row.high is None or row.low < row.value < row.high


def test_every_metric_has_its_page() -> None:
    folder = Path(__file__).parents[2] / "docs" / "metrics"
    wanted = {f"{name}.md": text for name, text in documented().items()}
    assert {page.name: page.read_text() for page in folder.iterdir()} == wanted, (
        "python -m thinkmeter.schema.metrics.page docs/metrics"
    )


def test_a_new_metric_can_be_watched_and_is_written_as_its_unit_says(
    tmp_path: Path, client: Client, database: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "long.sql").write_text(
        LONG.format(estimate="mean").replace("unit: USD", "unit: steps") + QUERY.format(value="thinking_tokens")
    )
    for module in (catalogue, reader, conditions, watcher):
        monkeypatch.setattr(module, "METRICS", {**METRICS, **discover(tmp_path)})
    insert(client, "spans", [request(f"r{n}", 20 * n, ago_s=600) for n in range(40)])
    with pytest.raises(ValidationError, match=r"there is no metric 'lung', only cpq, .*did you mean long"):
        RuleSettings.model_validate({"name": "r", "metric": "lung", "above": 1, "window": "1d"})
    settings = AlertSettings.model_validate(
        {"rules": [{"name": "too long", "metric": "long", "above": 100, "window": "1d"}]}
    )
    engine = AlertEngine(database, settings, environment={})
    engine.run_once()
    [told] = client.query("SELECT said FROM alert_readings WHERE rule = 'too long'").result_rows
    assert told[0].startswith("A title of task sql is 390 (")
    assert told[0].endswith("n = 40, above 100")


def test_a_file_without_arithmetic_has_to_name_some(tmp_path: Path) -> None:
    for head in (HEAD, HEAD + "-- estimate: median\n"):
        (tmp_path / "x.sql").write_text(head + "SELECT 1")
        with pytest.raises(ThinkmeterError, match=r"x.sql: estimate is (absent|median); .* one of share, mean"):
            discover(tmp_path)
