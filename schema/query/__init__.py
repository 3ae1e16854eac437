"""The one way to read: reports, requests and their calls, as every part of thinkmeter sees them."""

from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.known import Known
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.query.report import Report, ReportRow
from thinkmeter.schema.query.results import (
    CostPoint,
    Freshness,
    RequestRecord,
    RollupState,
    Runaway,
    Runaways,
    ThinkingPoint,
)
from thinkmeter.schema.query.rule_alerts import RuleAlert, RuleAlerts

__all__ = [
    "CostPoint",
    "Filters",
    "Freshness",
    "Known",
    "Reader",
    "Report",
    "ReportRow",
    "RequestRecord",
    "RollupState",
    "RuleAlert",
    "RuleAlerts",
    "Runaway",
    "Runaways",
    "ThinkingPoint",
]
