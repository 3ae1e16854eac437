"""Runaways as the alert engine stored them."""

from sqlalchemy import func, select, tuple_

from thinkmeter.schema.alerting.records import RUNAWAY
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.population import Rows, listed
from thinkmeter.schema.tables import ALERT_EVENTS, REQUESTS


def runaways(filters: Filters, limit: int) -> Rows:
    """Rows of `Runaway`: requests that began in the window and fired, each once, the newest first."""
    event = ALERT_EVENTS.c
    conditions = [event.rule == RUNAWAY, event.began >= filters.since, event.began < filters.until]
    if filters.project is not None:
        conditions.append(event.project == filters.project)
    others = dict(filters.where)
    if "task" in others:
        conditions.append(event.task == others.pop("task"))
    if others:  # what only the request itself knows
        requests = listed("requests", filters).with_only_columns(REQUESTS.c.project, REQUESTS.c.request_id)
        conditions.append(tuple_(event.project, event.request_id).in_(requests))
    first = {name: func.argMin(event[name], event.time) for name in ("threshold", "baseline_task", "baseline_n")}
    began = func.min(event.began)
    return (
        select(
            event.project,
            event.request_id,
            event.task,
            func.argMax(event.model, event.time).label("newest_model"),
            began.label("first_began"),
            func.argMax(event.value, event.time).label("thinking_tokens"),
            func.argMax(event.cost_usd, event.time).label("newest_cost_usd"),
            first["threshold"].label("threshold_tokens"),
            first["baseline_task"].label("first_baseline_task"),
            first["baseline_n"].label("first_baseline_n"),
            func.tupleElement(func.argMin(func.tuple(event.baseline_p95), event.time), 1).label("p95_tokens"),
        )
        .where(*conditions)
        .group_by(event.project, event.request_id, event.task)
        .order_by(began.desc(), event.request_id)
        .limit(limit)
    )
