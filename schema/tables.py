"""The views that queries are composed over; a test compares them with the migrated database."""

import re
from collections.abc import Collection
from typing import Any, Final

from clickhouse_connect.cc_sqlalchemy.datatypes.base import sqla_type_from_name
from sqlalchemy import Column, MetaData, Table

_METADATA: Final = MetaData()


def _table(name: str, described: str) -> Table:
    """A table from lines of a column's name and type, as DESCRIBE gives them; a line that ends in a comma goes on."""
    return Table(name, _METADATA, *_columns(described))


def _columns(described: str) -> list[Column[Any]]:
    lines = (line.split(maxsplit=1) for line in re.sub(r",\n\s*", ", ", described.strip()).splitlines())
    return [Column(name, sqla_type_from_name(kind)) for name, kind in lines]  # type: ignore[arg-type]  # a TypeEngine


CALLS: Final = _table(
    "calls",
    """
    project LowCardinality(String)
    time DateTime64(9, 'UTC')
    trace_id String
    span_id String
    request_id String
    task String
    tier Nullable(UInt8)
    attempt UInt32
    strategy LowCardinality(String)
    sample Nullable(UInt32)
    role String
    provider LowCardinality(String)
    model LowCardinality(String)
    operation LowCardinality(String)
    environment LowCardinality(String)
    phase LowCardinality(String)
    service_tier String
    effort LowCardinality(String)
    budget_tokens Nullable(Int64)
    input_tokens Nullable(Int64)
    cache_read_tokens Nullable(Int64)
    cache_write_tokens Nullable(Int64)
    cache_write_1h_tokens Nullable(Int64)
    output_tokens Nullable(Int64)
    thinking_tokens Nullable(Int64)
    answer_tokens Nullable(Int64)
    thinking_source String
    duration_ms Float64
    time_to_first_chunk_ms Nullable(Float64)
    time_to_first_answer_ms Nullable(Float64)
    finish_reason LowCardinality(String)
    error_type LowCardinality(String)
    user_id String
    session_id String
    service_name LowCardinality(String)
    sampling_probability Nullable(Float64)
    response_id String
    dialect LowCardinality(String)
    attributes Map(LowCardinality(String), String)
    cost_input_usd Nullable(Float64)
    cost_cache_usd Nullable(Float64)
    cost_thinking_usd Nullable(Float64)
    cost_answer_usd Nullable(Float64)
    cost_output_usd Nullable(Float64)
    cost_usd Nullable(Float64)
    cost_source String
    billed UInt8
    merged_spans UInt64
    thinking_above_output UInt8
    cache_above_input UInt8
    inserted DateTime64(6, 'UTC')
    """,
)

ATTEMPTS: Final = _table(
    "attempts",
    """
    project LowCardinality(String)
    request_id String
    attempt UInt32
    task String
    tier Nullable(UInt8)
    strategy String
    effort String
    provider String
    model String
    environment String
    service_name String
    user_id String
    session_id String
    time DateTime64(9, 'UTC')
    end_time DateTime64(9, 'UTC')
    request_time DateTime64(9, 'UTC')
    settled UInt8
    calls UInt64
    answer_calls UInt64
    failed_calls UInt64
    input_tokens Nullable(Int64)
    output_tokens Nullable(Int64)
    thinking_tokens Nullable(Int64)
    known_thinking_tokens Int64
    thinking_unknown_calls UInt64
    thinking_unpriced_calls UInt64
    cost_usd Float64
    cost_input_usd Float64
    cost_cache_usd Float64
    cost_thinking_usd Float64
    cost_answer_usd Float64
    cost_unsplit_usd Float64
    cost_unknown_calls UInt64
    verifier_cost_usd Float64
    unpriced_calls UInt64
    unpriced_tokens Int64
    weight Float64
    sampling_known UInt8
    is_final UInt8
    verdicts Array(Tuple(time DateTime64(9, 'UTC'), attempt UInt32, verifier String, version String,
      score Nullable(Float64), threshold Nullable(Float64), passed Nullable(Bool)))
    verifier String
    verifier_version String
    verdict_score Nullable(Float64)
    verdict_threshold Nullable(Float64)
    verdict_passed Nullable(Bool)
    correct Nullable(Bool)
    label_source String
    label_time DateTime64(9, 'UTC')
    label_sampling_probability Nullable(Float64)
    """,
)

REQUESTS: Final = _table(
    "requests",
    """
    project LowCardinality(String)
    request_id String
    task String
    time DateTime64(9, 'UTC')
    end_time DateTime64(9, 'UTC')
    settled UInt8
    environment String
    service_name String
    user_id String
    session_id String
    attempts UInt64
    calls UInt64
    answer_calls UInt64
    failed_calls UInt64
    first_tier Nullable(UInt8)
    final_tier Nullable(UInt8)
    final_attempt UInt32
    escalated UInt8
    final_strategy String
    final_effort String
    final_provider String
    final_model String
    input_tokens Nullable(Int64)
    output_tokens Nullable(Int64)
    thinking_tokens Nullable(Int64)
    known_thinking_tokens Int64
    first_thinking_tokens Nullable(Int64)
    final_thinking_tokens Nullable(Int64)
    thinking_unknown_calls UInt64
    thinking_unpriced_calls UInt64
    cost_usd Float64
    cost_input_usd Float64
    cost_cache_usd Float64
    cost_thinking_usd Float64
    cost_answer_usd Float64
    cost_unsplit_usd Float64
    cost_unknown_calls UInt64
    verifier_cost_usd Float64
    unpriced_calls UInt64
    unpriced_tokens Int64
    weight Float64
    sampling_known UInt8
    gate_verdict_passed Nullable(Bool)
    gate_verifier String
    gate_version String
    gate_score Nullable(Float64)
    gate_correct Nullable(Bool)
    gate_label_probability Nullable(Float64)
    escalation_cost_usd Float64
    escalation_cost_unknown_calls UInt64
    verdict_passed Nullable(Bool)
    correct Nullable(Bool)
    first_correct Nullable(Bool)
    first_label_probability Nullable(Float64)
    label_source String
    label_sampling_probability Nullable(Float64)
    """,
)

EVALUATIONS: Final = _table(
    "evaluations",
    """
    project LowCardinality(String)
    is_verdict Bool
    time DateTime64(9, 'UTC')
    request_id String
    attempt Nullable(UInt32)
    sample Nullable(UInt32)
    name String
    version String
    score Nullable(Float64)
    threshold Nullable(Float64)
    outcome Nullable(Bool)
    source String
    sampling_probability Nullable(Float64)
    labeler String
    explanation String
    """,
)

SPANS: Final = _table(
    "spans",
    """
    project LowCardinality(String)
    trace_id String
    span_id String
    parent_span_id String
    name String
    time DateTime64(9, 'UTC')
    duration_ns UInt64
    status LowCardinality(String)
    status_message String
    scope_name LowCardinality(String)
    service_name LowCardinality(String)
    span_class LowCardinality(String)
    dialect LowCardinality(String)
    request_id String
    attributes Map(LowCardinality(String), String)
    """,
)
"""Of the table `spans`, the columns that the trace view shows."""

ALERT_EVENTS: Final = _table(
    "alert_events",
    """
    project LowCardinality(String)
    rule LowCardinality(String)
    key String
    state LowCardinality(String)
    time DateTime64(6, 'UTC')
    task LowCardinality(String)
    request_id String
    model LowCardinality(String)
    began DateTime64(6, 'UTC')
    cost_usd Float64
    value Float64
    threshold Float64
    baseline_task LowCardinality(String)
    baseline_n UInt64
    baseline_p95 Nullable(Float64)
    """,
)
"""Of the table `alert_events`, the columns that lists of alerts show."""


def _like(view: Table, name: str, more: str, left_out: Collection[str] = ()) -> Table:
    """A table with the columns of a view and more, and without some."""
    kept = [Column(column.name, column.type) for column in view.columns if column.name not in left_out]
    return Table(name, _METADATA, *kept, *_columns(more))


WHOLE_CALLS: Final = _like(CALLS, "whole_calls", "request_user String\nrequest_session String")
WHOLE_ATTEMPTS: Final = _like(
    ATTEMPTS,
    "whole_attempts",
    """
    entry_tier Nullable(UInt8)
    first_correct Nullable(Bool)
    first_label_probability Nullable(Float64)
    lowest_right_tier Nullable(UInt8)
    cost_usd_squared Float64
    request_cost_usd Float64
    request_cost_usd_squared Float64
    request_cost_unknown_calls UInt64
    request_output_tokens Nullable(Int64)
    unthinking_correct Nullable(Bool)
    unthinking_label_probability Nullable(Float64)
    last_thinking_attempt UInt32
    own_budgeted_calls UInt64
    own_budget_use Float64
    own_capped_calls UInt64
    own_reflection_ratio Nullable(Float64)
    own_reflecting_tokens Nullable(Int64)
    """,
)
"""Calls and attempts with what their whole request tells."""

FACT_CALLS: Final = _like(
    WHOLE_CALLS,
    "fact_calls",
    """
    first_call DateTime64(9, 'UTC')
    last_call DateTime64(9, 'UTC')
    request_time DateTime64(9, 'UTC')
    """,
    "trace_id span_id sample operation finish_reason response_id user_id session_id dialect attributes".split(),
)
FACT_ATTEMPTS: Final = _like(WHOLE_ATTEMPTS, "fact_attempts", "")
FACT_REQUESTS: Final = _like(REQUESTS, "fact_requests", "")
"""The same out of `request_facts`: of calls without what no metric asks for, with the begin of the request and of its
first and last call."""

ROLLED: Final = (
    "cpq", "ttr", "escr", "vrate", "cost", "coverage", "overthinking", "strategies", "latency", "routing",
    "reflection", "accuracy",
)  # fmt: skip
"""Metrics with a table `NAME_cells`, which has the columns of their SQL."""
SPREAD: Final = {"ttr": ("tokens", False), "vrate": ("score", True), "latency": ("ms", True)}
"""Of those of which a group has thousands of rows that differ in one column: that one, and whether it is a decimal
number. Their cells have arrays, of it in order and of what was summed up at its place."""
CELLS: Final = (*(f"{name}_cells" for name in ROLLED), "reach_cells")
"""All tables of cells."""

TABLES: Final = (CALLS, ATTEMPTS, REQUESTS, EVALUATIONS, SPANS, ALERT_EVENTS)
