"""Rules on metrics, row by row: what holds, what is over, what is in doubt, and what is said."""

from typing import Any

import pytest

from thinkmeter.alerts.conditions import Holds, against_before, against_limit
from thinkmeter.alerts.settings import RuleSettings
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.query.report import ReportRow


def rule(metric: str, **settings: Any) -> RuleSettings:
    window = {} if metric in ("quota", "forecast") else {"window": "1h"}
    return RuleSettings.model_validate({"name": "r", "metric": metric, **window, **settings})


def row(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    n: int = 100,
    *,
    state: State = State.OK,
    **detail: Any,
) -> ReportRow:
    return ReportRow({"task": "sql"}, value, low, high, n, state, detail)


@pytest.mark.parametrize(
    ("settings", "found", "holds"),
    [
        (rule("escr", above=0.2), row(0.3, 0.22, 0.4), Holds.YES),
        (rule("escr", above=0.2), row(0.3, 0.18, 0.4), Holds.DOUBTFUL),
        (rule("escr", above=0.2), row(0.2, 0.1, 0.3), Holds.NO),
        (rule("vrate", below=0.9), row(0.8, 0.7, 0.89), Holds.YES),
        (rule("vrate", below=0.9), row(0.8, 0.7, 0.91), Holds.DOUBTFUL),
        (rule("escr"), row(0.3, 0.26, 0.4, target=0.25), Holds.YES),
        (rule("vrate"), row(0.8, 0.7, 0.9, target=0.95), Holds.YES),
        (rule("cost", above=10), row(10.5), Holds.YES),
        (rule("ttr", field="p95", above=12_000), row(900.0, 1, 2, p95=13e3, p95_low=12.1e3, p95_high=2e4), Holds.YES),
        (
            rule("ttr", field="p95", above=12_000),
            row(900.0, 1, 2, p95=13e3, p95_low=11e3, p95_high=2e4),
            Holds.DOUBTFUL,
        ),
        (rule("quota", field="used_share", above=0.8), row(810.0, used_share=0.81, limit_tokens=1000), Holds.YES),
        (rule("quota"), row(1001.0, limit_tokens=1000), Holds.YES),
        # a forecast's band is what its errors were: its point decides
        (rule("forecast"), row(130.0, 80.0, 180.0, budget_usd=120.0), Holds.YES),
        (rule("coverage", below=0.9), row(0.5), Holds.YES),
        (rule("cost", field="unpriced_token_share", above=0.05), row(1.0, unpriced_token_share=0.2), Holds.YES),
    ],
)
def test_a_condition_holds_where_the_numbers_leave_no_doubt(
    settings: RuleSettings, found: ReportRow, holds: Holds
) -> None:
    assert against_limit(settings, found).holds is holds


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (rule("escr", above=0.2), row(None, n=3, state=State.INSUFFICIENT_DATA)),
        (rule("ttr", field="p95", above=1), row(None, n=3, state=State.INSUFFICIENT_DATA)),
        (rule("quota"), row(5.0, limit_tokens=None)),
        (rule("forecast"), row(5.0, budget_usd=None)),
        (rule("cpq", above=1), row(None, state=State.NO_GAIN)),
    ],
)
def test_without_a_value_or_a_limit_nothing_is_said(settings: RuleSettings, found: ReportRow) -> None:
    assert against_limit(settings, found).holds is Holds.UNKNOWN


def test_what_is_no_number_of_the_metric_is_named() -> None:
    with pytest.raises(ThinkmeterError, match="rule 'r': ttr has no 'p96', only value, p95"):
        against_limit(rule("ttr", field="p96", above=1), row(1.0, p95=3.0))


def test_what_was_seen_is_said_with_interval_sample_and_limit() -> None:
    said = against_limit(rule("escr"), row(0.312, 0.241, 0.394, 150, target=0.2)).said
    assert said == "Escalation rate of task sql is 31.2% (24.1% to 39.4%), n = 150, above 20.0%, the target"
    said = against_limit(rule("forecast"), row(130.0, 80.0, 180.0, 60, budget_usd=120.0, estimated=True)).said
    assert said.endswith("n = 60, above $120.00, the budget of the month; estimated from sampled traffic")


LONGER = row(2000.0, 1900.0, 2100.0), row(1000.0, 950.0, 1050.0)


@pytest.mark.parametrize(
    ("now", "before", "holds", "told"),
    [
        (None, None, Holds.YES, "whether accuracy rose with it is not known: 0 and 0 labels of 30 each"),
        (row(0.8, 0.7, 0.9), row(0.8, 0.7, 0.9), Holds.YES, "accuracy 80.0% to 80.0%, +0.0 pp over 100 and 100 labels"),
        (row(0.9, 0.85, 0.95), row(0.6, 0.5, 0.7), Holds.NO, "+30.0 pp over 100 and 100 labels: it rose"),
        (row(0.9, 0.85, 0.95, 29), row(0.6, 0.5, 0.7), Holds.YES, "is not known: 29 and 100 labels"),
    ],
)
def test_longer_thinking_counts_only_where_accuracy_did_not_rise_with_it(
    now: ReportRow | None, before: ReportRow | None, holds: Holds, told: str
) -> None:
    reading = against_before(rule("ttr", rises=0.1), *LONGER, (now, before))
    assert (reading.holds, reading.before, reading.before_n) == (holds, 1000.0, 100)
    assert told in reading.said
    assert "(+100.0%)" in reading.said
    assert reading.limit == pytest.approx(1100)


@pytest.mark.parametrize(
    ("settings", "now", "before", "holds"),
    [
        (rule("vrate", falls=0.03), row(0.80, 0.75, 0.85), row(0.95, 0.93, 0.97), Holds.YES),
        (rule("vrate", falls=0.03), row(0.90, 0.80, 0.97), row(0.95, 0.90, 0.98), Holds.DOUBTFUL),
        (rule("vrate", falls=0.03), row(0.93, 0.92, 0.94), row(0.95, 0.94, 0.96), Holds.NO),
        (rule("escr", rises=0.05), row(0.30, 0.25, 0.35), row(0.20, 0.18, 0.22), Holds.YES),
        (rule("ttr", falls=0.2), row(500.0, 450.0, 550.0), row(1000.0, 950.0, 1050.0), Holds.YES),
        (rule("ttr", rises=0.1), row(1150.0, 900.0, 1400.0), row(1000.0, 900.0, 1100.0), Holds.DOUBTFUL),
    ],
)
def test_a_change_counts_where_it_is_large_and_both_intervals_bear_it(
    settings: RuleSettings, now: ReportRow, before: ReportRow, holds: Holds
) -> None:
    reading = against_before(settings, now, before, (None, None))
    assert reading.holds is holds


def test_nothing_is_compared_with_too_few_data() -> None:
    few = row(None, n=3, state=State.INSUFFICIENT_DATA, reason="3 of 30 labelled passes")
    reading = against_before(rule("vrate", falls=0.03), few, row(0.9, 0.8, 1.0), (None, None))
    assert (reading.holds, reading.value, reading.limit, reading.n) == (Holds.UNKNOWN, None, None, 3)
    assert reading.said == "Verifier precision of task sql is not known: now, 3 of 30 labelled passes"
    reading = against_before(rule("ttr", rises=0.1), row(1.0, 0.0, 2.0), row(1.0, 0.5, 2.0), (None, None))
    assert reading.holds is Holds.UNKNOWN
