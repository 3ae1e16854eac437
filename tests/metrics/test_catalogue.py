"""The head of a metric's file is read strictly."""

import pytest

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.catalogue import MAIN, METRICS, read
from thinkmeter.schema.metrics.estimate import Estimate

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
        *("latency", "coverage"),
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
