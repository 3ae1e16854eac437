"""The threshold of a runaway, and that a stored event is judged the same again."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkmeter.alerts.runaway import least_threshold, limit, threshold
from thinkmeter.schema.alerting.records import Baseline, RunawayPolicy

MINUTE = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)


def baseline(task: str, bound: float | None, n: int = 500) -> Baseline:
    return Baseline(task, MINUTE - dt.timedelta(days=7), MINUTE, n, bound or 10.0, bound)


def policies(**sections: RunawayPolicy) -> dict[str, RunawayPolicy]:
    return {"default": RunawayPolicy(), **sections}


def test_twice_the_bound_of_its_own_class() -> None:
    found = threshold("sql", policies(), [baseline("sql", 4000.0), baseline("default", 900.0)])
    assert found is not None
    assert (found.tokens, found.baseline) == (8000.0, baseline("sql", 4000.0))


def test_never_below_the_floor() -> None:
    found = threshold("sql", policies(), [baseline("sql", 40.0)])
    assert found is not None
    assert found.tokens == 1000.0


def test_a_class_with_few_requests_takes_its_parents_and_at_last_default() -> None:
    known = policies(sql=RunawayPolicy(parent="code", p95_factor=3.0), code=RunawayPolicy())
    few = baseline("sql", None, n=58)
    by_parent = threshold("sql", known, [few, baseline("code", 2000.0), baseline("default", 500.0)])
    by_default = threshold("sql", known, [few, baseline("default", 5000.0)])
    assert by_parent is not None
    assert by_default is not None
    assert (by_parent.tokens, by_default.tokens) == (6000.0, 15000.0)


def test_where_no_class_has_enough_the_cap_itself_is_the_threshold() -> None:
    known = policies(sql=RunawayPolicy(cap_tokens=600))
    few = baseline("sql", None, n=58)
    found = threshold("sql", known, [few, baseline("default", None, n=58)])
    assert found is not None
    assert (found.tokens, found.baseline) == (600.0, few)
    assert threshold("chat", known, [few]) is None


def test_parents_in_a_circle_end_at_default() -> None:
    known = policies(a=RunawayPolicy(parent="b"), b=RunawayPolicy(parent="a"))
    found = threshold("a", known, [baseline("default", 700.0)])
    assert found is not None
    assert found.tokens == 1400.0


def test_a_limit_is_made_of_something() -> None:
    with pytest.raises(ValueError, match="a bound or a cap"):
        limit(2.0, 1000, None, None)


policy = st.builds(
    RunawayPolicy,
    p95_factor=st.floats(1, 5),
    floor_tokens=st.integers(0, 5000),
    cap_tokens=st.none() | st.integers(1, 5000),
    parent=st.sampled_from(["a", "b", "c", "default"]),
)


@given(
    known=st.dictionaries(st.sampled_from(["a", "b", "default"]), policy),
    bounds=st.dictionaries(st.sampled_from(["a", "b", "c", "default"]), st.none() | st.floats(0, 1e6)),
    task=st.sampled_from(["a", "b", "c"]),
)
def test_no_threshold_lies_below_what_is_read_from_the_store(
    known: dict[str, RunawayPolicy], bounds: dict[str, float | None], task: str
) -> None:
    known = policies(**known)
    found = threshold(task, known, [baseline(name, bound) for name, bound in bounds.items()])
    assert found is None or found.tokens >= least_threshold(known)
