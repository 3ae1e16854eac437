"""Estimates of groups with many cells are made on threads, and are the same ones."""

import pytest

from tests.metrics.traffic import SINCE, UNTIL
from thinkmeter.schema.query import Reader


@pytest.mark.parametrize("metric", ["ttr", "cpq", "overthinking", "strategies"])
def test_threads_give_the_rows_that_one_after_the_other_gives(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    alone = reader.report(metric, since=SINCE, until=UNTIL).rows
    monkeypatch.setattr("thinkmeter.schema.query.reader.MANY_CELLS", 0)
    beside = reader.report(metric, since=SINCE, until=UNTIL).rows
    assert len(alone) > 1
    assert [row.key for row in beside] == [row.key for row in alone]
    assert repr(beside) == repr(alone)  # as text, in which nan equals nan
