"""How long the store keeps what: the configuration's days as the tables' time to live."""

import re
from typing import Annotated, Final

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ConfigDict, Field, model_validator

from thinkmeter.schema.store.statement import statement
from thinkmeter.schema.tables import CELLS

Days = Annotated[int | None, Field(ge=1, le=36_500)]


class RetentionSettings(BaseModel):
    """`[retention]`: days after which rows go, counted from the time they speak of; absent: they are kept for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spans_days: Days = None
    """Spans and log records as they came: for the trace view, and for rules that are changed later."""
    calls_days: Days = None
    """Calls, and with them requests and every metric."""
    verdicts_days: Days = None
    labels_days: Days = None
    alerts_days: Days = None

    @model_validator(mode="after")
    def _calls_outlive_spans(self) -> "RetentionSettings":
        if self.calls_days is not None and (self.spans_days is None or self.spans_days > self.calls_days):
            raise ValueError("calls_days needs spans_days, and no more of them: calls are made of spans, again if late")
        return self


TABLES: Final = {
    "spans_days": ("spans", "log_records"),
    "calls_days": ("call_facts", "request_facts", "rollup_changes", "rollup_stretches", *CELLS),
    "verdicts_days": ("verdicts",),
    "labels_days": ("labels",),
    "alerts_days": ("alert_events", "alert_attempts"),
}
"""Setting -> tables, all of which say in `time` when a row's matter was."""
_TTL: Final = re.compile(r"\bTTL (?P<expression>.*?)(?: SETTINGS |$)")


def apply_retention(client: Client, settings: RetentionSettings) -> list[str]:
    """Make the tables' time to live that of the settings; the tables that changed.

    Rows that are too old already go with the store's next merges.
    """
    engines: dict[str, str] = {
        name: engine for name, engine in client.query(statement(__package__, "engines")).result_rows
    }
    wanted: dict[str, str] = {}
    for setting, tables in TABLES.items():
        days = getattr(settings, setting)
        wanted |= dict.fromkeys(tables, f"toDateTime(time) + toIntervalDay({days:d})" if days else "")
    found_on = (settings.calls_days, settings.verdicts_days, settings.labels_days)
    # where a request lies is known until nothing can lie there any more, by the end of the day
    longest = max(days or 0 for days in found_on) if all(found_on) else 0
    wanted["request_days"] = f"toDateTime(day) + toIntervalDay({longest + 1:d})" if longest else ""
    changed = []
    for table, expression in wanted.items():
        found = _TTL.search(engines[table])
        if (found["expression"] if found else "") != expression:
            change = f"MODIFY TTL {expression}" if expression else "REMOVE TTL"
            client.command(f"ALTER TABLE {table} {change}")
            changed.append(table)
    return changed
