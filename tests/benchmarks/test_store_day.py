"""The copies of a day, of which the benchmark's store is made."""

import datetime as dt

import pytest

from tests.benchmarks.store_day import DAYS, batches


@pytest.mark.parametrize("size", [1, 7, DAYS])
@pytest.mark.parametrize(
    "until", ["2026-03-01T00:00:00", "2026-11-26T11:17:00", "2027-01-01T00:00:03", "2026-05-31T23:59:59"]
)
def test_every_call_of_every_day_is_copied_once_and_with_those_of_its_month(until: str, size: int) -> None:
    end = dt.datetime.fromisoformat(until).replace(tzinfo=dt.UTC)
    found = list(batches(end, size))
    assert max(len(days) for _, days in found) <= size
    for begun in (end - dt.timedelta(days=1), end - dt.timedelta(hours=7), end, end + dt.timedelta(seconds=40)):
        for day in range(1, DAYS):
            at = begun - dt.timedelta(days=day)
            assert [month for month, days in found if day in days].count(at.year * 100 + at.month) == 1
