"""The one way to read: what the command line, the dashboard and the alerts show comes from here."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.query import QueryResult
from sqlalchemy import select, tuple_

from thinkmeter.schema.alerting.store import WATERMARK as ALERTS
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.catalogue import METRICS, Metric
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.statistics import Ranked, weighted_mean
from thinkmeter.schema.metrics.ttr import QUANTILES
from thinkmeter.schema.policy import DEFAULT, Policies
from thinkmeter.schema.prices import Rate
from thinkmeter.schema.query.coverage import Covered, Stretch
from thinkmeter.schema.query.curve import curve_step_s, stretch
from thinkmeter.schema.query.explanation import Explanation, explain
from thinkmeter.schema.query.filters import Filters, dimensions
from thinkmeter.schema.query.groups import order, told_apart
from thinkmeter.schema.query.known import Known
from thinkmeter.schema.query.population import BUCKET, Rows, asked, compiled, listed
from thinkmeter.schema.query.questions import Questions
from thinkmeter.schema.query.record import read_request
from thinkmeter.schema.query.report import KeyPart, Report, ReportRow
from thinkmeter.schema.query.results import (
    CostPoint,
    Freshness,
    RequestRecord,
    RollupState,
    Row,
    Runaway,
    Runaways,
    ThinkingPoint,
)
from thinkmeter.schema.query.rollups import AMOUNTS, ROLLUPS_FROM, gathered, may_use_days, may_use_rollups, rolled
from thinkmeter.schema.query.rule_alerts import RuleAlerts, read_rule_alerts
from thinkmeter.schema.query.runaways import runaways
from thinkmeter.schema.query.settings import Settings
from thinkmeter.schema.store.client import StoreAddress
from thinkmeter.schema.store.statement import statement
from thinkmeter.schema.tables import CALLS, FACT_REQUESTS, REQUESTS

COUNTED: Final = "(SELECT key, count() AS requests FROM population GROUP BY key)"
"""Of `runaways`, what rollups count."""

Order = Literal["time", "thinking_tokens", "cost_usd"]


class Reader:
    """Reads the store and changes nothing in it; a context manager, for one thread at a time."""

    def __init__(self, address: StoreAddress, *, rollups_from: int = ROLLUPS_FROM, known: Known | None = None) -> None:
        """Connect.

        Args:
            address: of the store.
            rollups_from: of how many requests in a window on rollups answer.
            known: what this reader and others take for known for a moment, settings among it; None: prices and which
                stretches have cells alone, and for itself.

        Raises:
            ThinkmeterError: wrong credentials or database.
            RetryableError: the store does not answer.
        """
        self._rollups_from = rollups_from
        self._known = known or Known()
        self._shares = known is not None
        self._questions = Questions(address, self._known)

    def close(self) -> None:
        """Let the connection go."""
        self._questions.client.close()

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def report(
        self,
        metric: str,
        *,
        since: dt.datetime,
        until: dt.datetime,
        task: str | None = None,
        by: str | Iterable[str] | None = None,
        project: str | None = "default",
        where: Mapping[str, str | int] = MappingProxyType({}),
    ) -> Report:
        """One metric over the window [since, until).

        Args:
            metric: name in `METRICS`.
            since: begin of the window, with a time zone.
            until: its end.
            task: only this task class.
            by: what rows are told apart by, one name or several; None for the metric's own choice.
            project: None for all.
            where: further filters, name of `filters.COLUMNS` or `attr:NAME` -> value.

        Raises:
            ThinkmeterError: there is no such metric, or it cannot be split that way.
        """
        if metric not in METRICS:
            raise ThinkmeterError(f"there is no metric {metric!r}, only {', '.join(METRICS)}")
        chosen = METRICS[metric]
        filters = Filters(since, until, project, {**({} if task is None else {"task": task}), **where})
        if metric == "quota" and filters.where:
            raise ThinkmeterError(
                f"quota is of all that a user thinks, and cannot be of one {next(iter(filters.where))}"
            )
        settings = self._settings()
        rows = self._rows(chosen, filters, dimensions(chosen, by), settings, _split(by))
        note = self._judged() if metric == "runaways" else chosen.note
        return Report(chosen, since, until, settings.as_of, tuple(rows), note)

    def thinking_quantiles_over_time(
        self, filters: Filters, *, by: str | Iterable[str] | None = None, step_s: int | None = None
    ) -> list[ThinkingPoint]:
        """Curve of TTR: one point a stretch of time (and value of `by`) with settled requests whose thinking is known.

        Args:
            filters: which requests.
            by: a curve for each value, such as `task`, or for each of several together; None for one of all.
            step_s: length of a stretch in seconds; None for one that gives up to a hundred.
        """
        step_s, settings = step_s or curve_step_s(filters), self._settings()
        names = (f"{BUCKET}{step_s}", *_split(by))
        points = []
        for key, n, mean, quantiles in self._thinking(filters, names, settings):
            time, complete = stretch(key, names[0], step_s, settings)
            points.append(ThinkingPoint(time, key, complete, n, mean, *quantiles))
        return points

    def _thinking(
        self, filters: Filters, names: Sequence[str], settings: Settings
    ) -> Iterator[tuple[dict[str, Any], int, float, Sequence[float]]]:
        """Key, number, mean and quantiles of each group of settled requests whose thinking is known."""
        metric, curve = METRICS["ttr"], statement(__package__, "thinking_curve")
        answer = self._query(*self._asked(metric, filters, names, settings, curve), settings)
        rows = list(zip(*answer.result_columns, strict=True))
        if all(weights == 1 for _, _, weights, *_ in rows):
            told = [KeyPart(name, ZoneInfo(settings.timezone)) for name in names]
            for key, n, _, mean, quantiles in sorted(rows, key=lambda row: order(row[0])):
                yield {one.name: one.value(part) for one, part in zip(told, key, strict=True)}, n, mean, quantiles
            return
        for named, cells in self._groups(metric, filters, names, settings):
            known = cells.where(cells["settled"].astype(bool) & (cells["tokens"] >= 0))
            if len(known):
                columns = known["tokens"], known["requests"], known["weight"]
                ranked = Ranked.of(*columns)
                quantiles = [ranked.quantile(share) for share in QUANTILES.values()]
                yield named, known.count("requests"), weighted_mean(*columns), quantiles

    def cost_over_time(self, filters: Filters, *, by: str | None = None, step_s: int | None = None) -> list[CostPoint]:
        """Curve of cost: one point a stretch of time (and value of `by`) with calls; arguments as above."""
        step_s, settings = step_s or curve_step_s(filters), self._settings()
        names = (f"{BUCKET}{step_s}", *([by] if by else []))
        points = []
        for row in self._rows(METRICS["cost"], filters, names, settings):
            time, complete = stretch(row.key, names[0], step_s, settings)
            points.append(CostPoint(time, row.key, complete, row.value, row.detail))
        return points

    def calls(self, filters: Filters, limit: int = 100) -> list[Row]:
        """The newest calls."""
        return self._list(listed("calls", filters).order_by(CALLS.c.time.desc(), CALLS.c.span_id).limit(limit))

    def requests(self, filters: Filters, limit: int = 100, order: Order = "time") -> list[Row]:
        """The newest requests, or those that thought or cost most."""
        settings = self._settings()
        facts = settings.has_facts(filters)
        table = FACT_REQUESTS if facts else REQUESTS
        rows = listed("requests", filters, facts=facts)
        return self._list(rows.order_by(table.c[order].desc().nulls_last(), table.c.request_id).limit(limit), settings)

    def request(self, request_id: str, *, project: str | None = "default") -> RequestRecord | None:
        """One request with its attempts, calls, verdicts, labels and spans; None where there is none of that id."""
        return read_request(self._list, request_id, project)

    def explain_cost(self, span_id: str, *, project: str | None = "default") -> list[Explanation]:
        """How the cost of the calls of that span id comes about: mostly one, none where the span is no call."""
        asked = {"span_id": span_id, "project": project or ""}
        requests = [
            tuple(row)
            for row in zip(*self._query(statement(__package__, "call_of_span"), asked).result_columns, strict=True)
        ]
        if not requests:
            return []
        own = select(CALLS).where(tuple_(CALLS.c.project, CALLS.c.request_id).in_(requests), CALLS.c.span_id == span_id)
        return [explain(call, self._price_book(call)) for call in self._list(own.order_by(CALLS.c.time))]

    def runaways(self, filters: Filters, limit: int = 100) -> Runaways:
        """The newest requests that began in the window and were runaways, as the alert engine found them."""
        sql, values = compiled(runaways(filters, limit))
        found = [Runaway(*row) for row in self._query(sql, values).result_rows]
        return Runaways(found, self._judged_until())

    def rule_alerts(self, filters: Filters, limit: int = 100) -> RuleAlerts:
        """What rules on metrics see, which alerts of theirs fire, and which did in the window.

        Args:
            filters: of the project and the task class; a rule knows no other of its groups.
            limit: of readings and of alerts.
        """
        return read_rule_alerts(self._query, filters, limit)

    def values(self, since: dt.datetime, until: dt.datetime) -> dict[str, list[str]]:
        """Projects, environments, task classes and models of the calls in a window, by the name of their filter."""
        filters, settings = Filters(since, until, None), self._settings()
        query, facts = statement(__package__, "values"), settings.has_facts(filters)
        [row] = self._query(*asked("calls", filters, (), settings.timezone, query, facts=facts)).result_rows
        return {
            name: sorted(found) for name, found in zip(("project", "environment", "task", "model"), row, strict=True)
        }

    def freshness(self) -> Freshness:
        """How current what this reader shows is."""
        [row] = self._query(statement(__package__, "freshness"), {}).result_rows
        return Freshness(*row)

    def rollups(self) -> RollupState:
        """How far rollups are."""
        [(requests, quarters, waiting, since)] = self._query(statement(__package__, "rollup_state"), {}).result_rows
        return RollupState(requests >= self._rollups_from, requests, quarters, waiting, since)

    def policies(self) -> Policies:
        """The policies that hold, as the configuration last gave them to the store."""
        return self._settings().policies

    def timezone(self) -> ZoneInfo:
        """Where the project's days begin."""
        return ZoneInfo(self._settings().timezone)

    def _settings(self) -> Settings:
        if not self._shares:
            return Settings.read(self._query, self._known)
        settings, ago_s = self._known.told("settings", lambda: Settings.read(self._query, self._known))
        return dataclasses.replace(settings, as_of=settings.as_of + dt.timedelta(seconds=ago_s))

    def _rows(
        self,
        metric: Metric,
        filters: Filters,
        names: Sequence[str],
        settings: Settings,
        split: Sequence[str] = (),
    ) -> Iterator[ReportRow]:
        groups = list(self._groups(metric, filters, names, settings, split))
        bases = {}
        if metric.against:
            bases = {_beside(key, metric): cells for key, cells in groups if key[metric.keys[0]] == metric.against}
        for key, cells in groups:
            tasks = cells["task"]
            policy = settings.policies[str(tasks[0]) if len(tasks) and (tasks == tasks[0]).all() else DEFAULT]
            estimate = metric.estimate(cells, policy, bases.get(_beside(key, metric)))
            yield ReportRow(
                key, estimate.value, estimate.low, estimate.high, estimate.n, estimate.state, estimate.detail
            )

    def _groups(
        self,
        metric: Metric,
        filters: Filters,
        names: Sequence[str],
        settings: Settings,
        split: Sequence[str] = (),
    ) -> Iterator[tuple[dict[str, Any], Cells]]:
        """Ingredients of a metric, group by group in the order of their keys."""
        sql, values = self._asked(metric, filters, names, settings)
        known = {
            "asked_timezone": settings.timezone,
            "asked_since": filters.since,
            "asked_until": filters.until,
            "asked_split": list(split),
        }
        values |= {name: value for name, value in known.items() if f"{{{name}:" in metric.sql}
        result = self._query(sql, values, settings)
        if not result.row_count:
            return
        columns = dict(zip(result.column_names, result.result_columns, strict=True))
        keys = [
            (*key[: len(names)], *rest)
            for key, *rest in zip(columns.pop("key"), *(columns.pop(name) for name in metric.keys), strict=True)
        ]
        told = [KeyPart(name, ZoneInfo(settings.timezone)) for name in (*names, *metric.keys)]
        for key, cells in told_apart(keys, columns):
            named = {one.name: one.value(part) for one, part in zip(told, key, strict=True)}
            yield named, cells

    def _asked(
        self, metric: Metric, filters: Filters, names: Sequence[str], settings: Settings, told: str = ""
    ) -> tuple[str, dict[str, Any]]:
        """The query of a metric, by rollups where they have what it asks for; or `told` of its rows, named `cells`."""
        facts = settings.has_facts(filters, names, metric.source, metric.sql)
        if facts and metric.name == "runaways":
            return self._runaways(metric, filters, names, settings)
        counted = metric
        if facts and metric.name == "forecast":  # of each day it is what `cost` counts
            key = ", ".join(f"c.key.{place}" for place in range(2, len(names) + 2))
            days = statement(__package__, "forecast_days").replace("{key}", f"tuple({key or repr('')})")
            counted, names, told = METRICS["cost"], ("day", *names), days
        covered = self._covered(counted, filters, names, settings) if facts else None
        if covered:
            return rolled(counted, filters, names, settings.timezone, covered, told)
        if counted is not metric:
            names, told = names[1:], ""
        sql, values = asked(metric.source, filters, names, settings.timezone, metric.sql, facts=facts)
        return gathered(metric, sql, told), values

    def _runaways(
        self, metric: Metric, filters: Filters, names: Sequence[str], settings: Settings
    ) -> tuple[str, dict[str, Any]]:
        """The query of `runaways` from facts; how many requests there are beside them is what `accuracy` counts."""
        sql, values = asked(metric.source, filters, names, settings.timezone, metric.sql, facts=True)
        beside = METRICS["accuracy"]
        covered = self._covered(beside, filters, names, settings)
        if covered:
            told = "SELECT key, sum(requests) AS requests FROM cells GROUP BY key"
            counted, more = rolled(beside, filters, names, settings.timezone, covered, told)
            sql, values = sql.replace(COUNTED, f"(\n{counted}\n)"), more | values
        return sql, values

    def _covered(self, metric: Metric, filters: Filters, names: Sequence[str], settings: Settings) -> Covered | None:
        """Which parts of a window rollups answer; None where they answer nothing of it."""
        if settings.facts_of(filters) < self._rollups_from or not may_use_rollups(metric, filters, names):
            return None
        window = {"since": filters.since, "until": filters.until, "days": may_use_days(names, settings.timezone)}

        def read() -> list[Stretch]:
            found = self._query(statement(__package__, "covered"), window).result_columns
            return [Stretch(*row) for row in zip(*found, strict=True)]

        stretches, _ = self._known.told((*window.values(), settings.prices), read)
        return Covered.by(stretches, amounts=metric.name in AMOUNTS, calls=metric.source == "calls")

    def _price_book(self, call: Row) -> list[tuple[Rate, dt.datetime]]:
        key = {name: call[name] for name in ("provider", "model", "service_tier")}
        rows = zip(*self._query(statement(__package__, "price_book"), key).result_columns, strict=True)
        return [(Rate(*row[:-1]), row[-1]) for row in rows]

    def _judged_until(self) -> dt.datetime | None:
        [(reached,)] = self._query(statement(__package__, "judged_until"), {"job": ALERTS}).result_rows
        assert reached is None or isinstance(reached, dt.datetime)
        return reached

    def _judged(self) -> str:
        reached = self._judged_until()
        if reached is None:
            return "No alert engine has run on this store, so no request was judged; `thinkmeter up` runs one."
        return f"Judged are the calls that were settled before {reached:%Y-%m-%d %H:%M:%S} UTC."

    def _list(self, rows: Rows, settings: Settings | None = None) -> list[Row]:
        sql, values = compiled(rows)
        return list(self._query(sql, values, settings).named_results())

    def _query(self, sql: str, values: dict[str, Any], settings: Settings | None = None) -> QueryResult:
        return self._questions.ask(sql, values, settings.prices if settings else None)


def _split(by: str | Iterable[str] | None) -> tuple[str, ...]:
    return () if by is None else (by,) if isinstance(by, str) else tuple(by)


def _beside(key: Mapping[str, Any], metric: Metric) -> tuple[Any, ...]:
    """What a row's key has in common with the rows that it is compared with."""
    return tuple(part for name, part in key.items() if name not in metric.keys)
