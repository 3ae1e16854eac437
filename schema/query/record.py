"""One request with all that is known of it."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select, tuple_

from thinkmeter.schema.query.population import Rows
from thinkmeter.schema.query.results import RequestRecord, Row
from thinkmeter.schema.tables import ATTEMPTS, CALLS, EVALUATIONS, REQUESTS, SPANS


def read_request(listed: Callable[[Rows], list[Row]], request_id: str, project: str | None) -> RequestRecord | None:
    """The request of that id, of that project (None: of any), read by `listed`; None where there is none."""

    def own(table: Any, *order: str) -> list[Row]:
        rows = select(table).where(table.c.request_id == request_id)
        if project is not None:
            rows = rows.where(table.c.project == project)
        return listed(rows.order_by(*(table.c[name] for name in order)))

    found = own(REQUESTS, "project")
    if not found:
        return None
    calls, evaluations = own(CALLS, "time", "span_id"), own(EVALUATIONS, "time")
    traces = sorted({(call["project"], call["trace_id"]) for call in calls})
    spans = select(SPANS).where(tuple_(SPANS.c.project, SPANS.c.trace_id).in_(traces)).order_by(SPANS.c.time)
    return RequestRecord(
        found[0],
        own(ATTEMPTS, "attempt"),
        calls,
        [row for row in evaluations if row["is_verdict"]],
        [row for row in evaluations if not row["is_verdict"]],
        listed(spans),
    )
