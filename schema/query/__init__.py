"""The one way to read: reports, requests and their calls, as every part of thinkmeter sees them."""

from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.query.report import Report, ReportRow
from thinkmeter.schema.query.results import CostPoint, Freshness, RequestRecord, Runaway, Runaways, ThinkingPoint

__all__ = [
    "CostPoint",
    "Filters",
    "Freshness",
    "Reader",
    "Report",
    "ReportRow",
    "RequestRecord",
    "Runaway",
    "Runaways",
    "ThinkingPoint",
]
