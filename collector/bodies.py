"""ClickHouse's SQL that makes rows of bodies of OTLP: flat, but that attributes are names and texts.

Each function here returns one SELECT over a table of bodies, or a subquery. `view` goes on from their rows.
"""

from typing import Final

from thinkmeter.collector.dialects import codes
from thinkmeter.collector.privacy import NOTHING_KEPT, Privacy
from thinkmeter.collector.sql import quoted
from thinkmeter.collector.wire import DEEP, EVENT_DEPTH, LOG_DEPTH, RESOURCE_DEPTH, SPAN_DEPTH, TELLS, text, texts

SPAN_ROW: Final = (
    "project String, received_nano UInt64, resource_attributes Map(LowCardinality(String), String),"
    " scope_name String, scope_version String, trace_id String, span_id String, parent_span_id String,"
    " trace_state String, name String, kind_code Int32, start_nano UInt64, end_nano UInt64, status_code Int32,"
    " status_message String, keys Array(String), texts Array(String), event_nanos Array(UInt64),"
    " event_names Array(String), event_keys Array(Array(String)), event_texts Array(Array(String))"
)
RECORD_ROW: Final = (
    "project String, received_nano UInt64, resource_attributes Map(LowCardinality(String), String), scope_name String,"
    " record_nano UInt64, observed_nano UInt64, severity_code Int32, severity_text String, body String,"
    " trace_id String, span_id String, own_event_name String, keys Array(String), texts Array(String)"
)
"""Columns of what lies between: OTLP flat, times in nanoseconds since 1970, ids in hex."""


def span_rows(bodies: str, privacy: Privacy = NOTHING_KEPT, flat: str = "") -> str:
    """Bodies of spans -> one row a span, redacted.

    Args:
        bodies: a table.
        privacy: what of the content is kept.
        flat: where the table has the structure of flat bodies, `wire.FAILS` or `wire.TELLS`: what becomes of others.
    """
    event_text = privacy.redacted_sql(text("v", EVENT_DEPTH, flat))
    unread = _unread("s.attributes", privacy)
    return f"""
SELECT project, received_nano, resource_attributes, scope_name, scope_version,
  {_id("s.trace_id")} AS trace_id, {_id("s.span_id")} AS span_id, {_id("s.parent_span_id")} AS parent_span_id,
  s.trace_state AS trace_state, s.name AS name, s.kind AS kind_code, s.start AS start_nano, s.end AS end_nano,
  s.status.code AS status_code, {privacy.redacted_sql("s.status.message")} AS status_message,
  s.attributes.key AS keys,
  {_redacted(texts("s.attributes.value", SPAN_DEPTH, flat=flat, unread=unread), privacy)} AS texts,
  s.events.time AS event_nanos, s.events.name AS event_names, s.events.attributes.key AS event_keys,
  arrayMap(e -> arrayMap(v -> {event_text}, e.value), s.events.attributes) AS event_texts
FROM ({_unnested(bodies, "spans", "s", privacy, flat)})"""


def deep_spans(bodies: str) -> str:
    """Bodies in the structure of flat ones -> the names of spans for which `span_rows` would fail."""
    told = "texts, mapValues(resource_attributes), arrayFlatten(event_texts)"
    return f"""
SELECT name FROM ({span_rows(bodies, flat=TELLS)})
WHERE arrayExists(told -> position(told, {quoted(DEEP)}) > 0, arrayConcat({told}))"""


def record_rows(bodies: str, privacy: Privacy = NOTHING_KEPT) -> str:
    """Bodies of log records -> one row a record, redacted."""
    return f"""
SELECT project, received_nano, resource_attributes, scope_name,
  r.time AS record_nano, r.observed AS observed_nano, r.severity AS severity_code, r.severity_text AS severity_text,
  {privacy.redacted_sql(text("r.body", LOG_DEPTH))} AS body,
  {_id("r.trace_id")} AS trace_id, {_id("r.span_id")} AS span_id, r.event_name AS own_event_name,
  r.attributes.key AS keys,
  {_redacted(texts("r.attributes.value", LOG_DEPTH), privacy)} AS texts
FROM ({_unnested(bodies, "records", "r", privacy)})"""


# --- the parts ------------------------------------------------------------------------------------


def _unread(attributes: str, privacy: Privacy) -> str:
    """For every attribute of a span whether it is content that nobody reads; '' where some may be kept.

    Content is most of a span, and would go through every step only to be dropped at the end.
    """
    if privacy.looks_into:
        return ""
    return codes.unread(f"{attributes}.key", f"{attributes}.value")


def _redacted(array: str, privacy: Privacy) -> str:
    return f"arrayMap(value -> {privacy.redacted_sql('value')}, {array})" if privacy.redact else array


def _unnested(bodies: str, contents: str, alias: str, privacy: Privacy, flat: str = "") -> str:
    """One row for each span or record of a body.

    Joining an array repeats whatever stands beside it. So each level takes out what it needs before it goes deeper,
    and never carries the level that it came from: a whole request would be repeated for every span.
    """
    told = _redacted(texts("r.resource.attributes.value", RESOURCE_DEPTH, flat=flat, few=True), privacy)
    resource = f"mapFromArrays(r.resource.attributes.key, {told})"
    return f"""
SELECT project, received_nano, resource_attributes, scope_name, scope_version, arrayJoin({contents}) AS {alias} FROM (
SELECT project, received_nano, resource_attributes, s.scope.name AS scope_name, s.scope.version AS scope_version,
  s.{contents} AS {contents} FROM (
SELECT project, received_nano, resource_attributes, arrayJoin(scopes) AS s FROM (
SELECT project, received_nano, {resource} AS resource_attributes, r.scopes AS scopes FROM (
SELECT project, received AS received_nano, arrayJoin(resources) AS r FROM {bodies}))))"""


def _id(raw: str) -> str:
    """Hex, lower case; '' for none, and for the zeros that stand for none."""
    return f"if({raw} IN (unhex('{'00' * 8}'), unhex('{'00' * 16}')), '', lower(hex({raw})))"
