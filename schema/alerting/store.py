"""What alerts read and write in the store, through one connection."""

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from thinkmeter.schema.alerting.baselines import make_baselines, read_baselines
from thinkmeter.schema.alerting.records import (
    AlertEvent,
    Attempt,
    Baseline,
    Delivery,
    Opening,
    RequestKey,
    RequestTotals,
    RequestUse,
    RuleReading,
    RunawayPolicy,
    Silence,
)
from thinkmeter.schema.store.client import StoreAddress, connect
from thinkmeter.schema.store.lease import Lease
from thinkmeter.schema.store.statement import statement

WATERMARK = "alerts"
"""Name of the alerts' row in `watermarks`: up to which settled calls were judged."""

KEYS_AT_ONCE = 500
BYTES_AT_ONCE = 50_000
"""How many keys a statement names: they travel in one parameter, of which the store takes 128 KiB."""


_Key = TypeVar("_Key")


class AlertStore:
    """One connection to the store; not to be shared between threads, since it serialises its calls."""

    def __init__(self, address: StoreAddress) -> None:
        """Connect.

        Raises:
            ThinkmeterError: wrong credentials or database.
            RetryableError: the store does not answer.
        """
        self._client = connect(address)

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def acquire(self, lease: Lease) -> bool:
        """Take or renew a lease; whether it is ours now."""
        return lease.acquire(self._client)

    def release(self, lease: Lease) -> None:
        """Let a lease go."""
        lease.release(self._client)

    def watermark(self) -> dt.datetime | None:
        """Up to which settled calls were judged; None before the first time."""
        rows = self._rows("watermark", job=WATERMARK)
        return rows[0][0] if rows else None

    def set_watermark(self, reached: dt.datetime, judged: int, duration_ms: float) -> None:
        """Record up to which settled calls were judged."""
        self._client.command(
            statement(__package__, "mark"),
            parameters={"job": WATERMARK, "reached": reached, "rows": judged, "duration_ms": duration_ms},
        )

    def newest_version(self, since: dt.datetime) -> tuple[dt.datetime, int] | None:
        """When the newest calls were settled, and how many rows were since then; None where there are none."""
        rows = self._rows("newest_version", since=since)
        return (rows[0][0], rows[0][1]) if rows else None

    def changed_requests(
        self, rule: str, since: dt.datetime, until: dt.datetime, least_tokens: int
    ) -> list[RequestUse]:
        """Requests of which calls were settled in [since, until], oldest change first.

        Only those above `least_tokens` that the rule has not fired for.
        """
        rows = self._rows("changed_requests", rule=rule, since=since, until=until, least_tokens=least_tokens)
        return [RequestUse(*row) for row in rows]

    def request_totals(self, keys: Collection[RequestKey]) -> dict[RequestKey, RequestTotals]:
        """What requests did and cost so far; no entry for one that has no calls any more."""
        totals = (RequestTotals(*row) for some in _batches(keys) for row in self._rows("request_totals", keys=some))
        return {total.key: total for total in totals}

    def policies(self) -> dict[str, RunawayPolicy]:
        """What the policies of the configuration say of runaways, by task class; `default` is always there."""
        usual = RunawayPolicy()
        found = {
            task: RunawayPolicy(
                usual.p95_factor if factor is None else factor,
                usual.floor_tokens if floor is None else floor,
                cap,
                parent or usual.parent,
            )
            for task, factor, floor, cap, parent in self._rows("runaway_policies")
        }
        return {"default": usual, **found}

    def make_baselines(self, project: str, minutes: Collection[dt.datetime]) -> None:
        """Make the baselines of a project that are not stored yet."""
        make_baselines(self._client, minutes, [project])

    def baselines(self, project: str, minutes: Collection[dt.datetime]) -> dict[dt.datetime, list[Baseline]]:
        """The stored baselines of a project, by minute."""
        return read_baselines(self._client, project, minutes)

    def open_alerts(self) -> list[AlertEvent]:
        """The events with which alerts began that are not resolved yet, oldest first."""
        return [_event(row) for row in self._rows("open_alerts")]

    def add_events(self, events: Sequence[AlertEvent]) -> None:
        """Store changes of state: all or none, since they are one insert into one partition."""
        self._insert("alert_events", AlertEvent, events)

    def add_readings(self, readings: Sequence[RuleReading]) -> None:
        """Store what rules on metrics saw when they looked."""
        self._insert("alert_readings", RuleReading, readings)

    def silences(self, now: dt.datetime) -> list[Silence]:
        """Silences that are not over."""
        return [Silence(*row) for row in self._rows("silences", now=now)]

    def add_silence(self, silence: Silence) -> None:
        """Store a silence, or the newest form of one."""
        self._insert("alert_silences", Silence, [silence])

    def deliveries(self, channel: str, since: dt.datetime) -> list[Delivery]:
        """What a channel is still to be told of events since then, oldest first."""
        width = len(dataclasses.fields(AlertEvent))
        return [
            Delivery(_event(row[:width]), *row[width:])
            for row in self._rows("deliveries", channel=channel, since=since)
        ]

    def openings(self, channel: str, events: Collection[str]) -> dict[str, Opening]:
        """How events with which alerts began were told to a channel; no entry for one that was not tried."""
        return {
            event: Opening(message, members, state)
            for some in _batches(events)
            for event, message, members, state in self._rows("openings", channel=channel, events=some)
        }

    def sent_messages(self, channel: str, since: dt.datetime) -> dict[tuple[str, str, str], list[dt.datetime]]:
        """When a channel was told of new alerts, oldest first, by project, rule and task class."""
        told: dict[tuple[str, str, str], list[dt.datetime]] = {}
        for project, rule, task, time in self._rows("sent_messages", channel=channel, since=since):
            told.setdefault((project, rule, task), []).append(time)
        return told

    def add_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Store what was tried."""
        self._insert("alert_attempts", Attempt, attempts)

    def _rows(self, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return self._client.query(statement(__package__, name), parameters=parameters, tz_mode="aware").result_rows

    def _insert(self, table: str, kind: type[Any], records: Sequence[Any]) -> None:
        names = [field.name for field in dataclasses.fields(kind)]
        if records:
            self._client.insert(
                table, [[getattr(record, name) for name in names] for record in records], column_names=names
            )


def _event(row: Sequence[Any]) -> AlertEvent:
    values = dict(zip((field.name for field in dataclasses.fields(AlertEvent)), row, strict=True))
    return AlertEvent(**{**values, "channels": tuple(values["channels"])})


def _batches(keys: Collection[_Key]) -> Iterator[list[_Key]]:
    batch: list[_Key] = []
    size = 0
    for key in keys:
        length = len(repr(key).encode())
        if batch and (len(batch) == KEYS_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += length
    if batch:
        yield batch
