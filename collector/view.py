"""ClickHouse's SQL of what rows of OTLP mean, made from the table of dialects.

    bodies of spans -> span rows (names and texts of attributes) -> spans, with the evaluations in each
    bodies of logs -> record rows -> log_records, with the evaluations in each

The first step is that of `bodies`. Each function here returns one SELECT over a table of that name, or a subquery;
`pipeline` puts them together.
`reference` says the same in Python.
"""

import re
from collections.abc import Sequence
from typing import Final

from thinkmeter.collector import evaluations
from thinkmeter.collector.bodies import SPAN_ROW
from thinkmeter.collector.dialects import codes, expressions
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.instants import first_time, instant, is_time
from thinkmeter.collector.privacy import CONTENT, NOTHING_KEPT, THINKING, Privacy
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.sql import Layer, all_of, layered, listed, quoted, same, selected
from thinkmeter.schema import attributes as a

SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES: Final = ("unset", "ok", "error")
SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""OTLP's enumerations as the store spells them; its severity numbers count four steps of each from 1."""
SAID_ALONE: Final = (
    *("response_id", "request_id", "task", "strategy", "role", "phase", "error_type", "user_id", "session_id"),
    *("usage_raw", "tier", "attempt", "sample", "reported_cost_usd", "reported_cost_ticks", "time_to_first_chunk_s"),
    *("time_to_first_chunk_ms", "time_to_first_answer_s", "sampling_probability"),
)
"""Fields that have columns, and that nothing else depends on."""
NO_ERROR_TYPE: Final = "_OTHER"
"""The conventions' word for an error of which no type is known."""

RATIO_SAMPLED: Final = r"(?:^|,)[ \t]*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?:[;, \t]|$)"
"""In a tracestate: the threshold below which a trace's random value was dropped, 56 bits, zeros at its end left out."""
KEPT_SHARE: Final = f"1 - reinterpretAsUInt64(reverse(unhex(rightPad(dropped, 14, '0')))) / {2**56}"


def spans(rows: str, privacy: Privacy = NOTHING_KEPT) -> str:
    """Rows of spans -> the table `spans` and the evaluations in each, without the content that is not kept."""
    return layered(rows, _columns(SPAN_ROW), _span_layers(privacy))


def log_records(rows: str, privacy: Privacy = NOTHING_KEPT) -> str:
    """Rows of log records -> the table `log_records` and the evaluations in each, without the content not kept."""
    return f"""
SELECT
  {selected(_record_columns(privacy))}
FROM {rows} AS r"""


def columns(signal: Signal) -> list[str]:
    """Columns of `spans` or `log_records`, and last evaluations.COLUMN, in the order in which those SELECTs do."""
    return list(_span_columns() if signal is Signal.TRACES else _record_columns(NOTHING_KEPT))


# --- the parts ------------------------------------------------------------------------------------


def _record_columns(privacy: Privacy) -> dict[str, str]:
    flat = privacy.flat_sql("texts")
    stays = privacy.stays_sql("key", "value", "flat")
    if privacy.looks_into:
        kept = f"arrayMap((key, value, flat) -> {stays}, keys, texts, arrayWithConstant(length(keys), {flat}))"
    else:
        kept = f"arrayMap(key -> {stays}, keys)"
    carries = privacy.carries_sql(evaluations.event_name())
    body_stays = privacy.stays_whole_sql(f"{flat} OR {privacy.part_sql('r.body')}")
    return {
        **same("project", "trace_id", "span_id", "scope_name", "resource_attributes"),
        "body": f"if({carries} AND NOT ({body_stays}), '', r.body)",
        "received": instant("received_nano"),
        "time": instant(first_time("record_nano", "observed_nano")),
        "event_name": evaluations.event_name(),
        "severity": f"multiIf(severity_text != '', severity_text, severity_code BETWEEN 1 AND 24,"
        f" [{listed(SEVERITIES)}][intDiv(severity_code - 1, 4) + 1], '')",
        **_resource_columns(),
        "attributes": f"mapFromArrays(arrayFilter((key, keep) -> keep, keys, {kept}),"
        f" arrayFilter((value, keep) -> keep, texts, {kept}))",
        # a JSON list is unambiguous; it holds everything that tells one record from another
        "content_hash": "halfMD5(toJSONString(arrayConcat([trace_id, span_id, own_event_name, toString(severity_code),"
        " severity_text, r.body, scope_name], keys, texts)))",
        evaluations.COLUMN: evaluations.of_record(),
    }


def _span_layers(privacy: Privacy) -> list[Layer]:
    exception = "indexOf(event_names, 'exception')"
    first_chunk = [f"event_nanos[indexOf(event_names, {quoted(event)})]" for event in f.FIRST_CHUNK_EVENTS]
    around = {
        "span_nano": "multiIf(start_is_time, start_nano, end_is_time, end_nano, received_nano)",
        "is_inference": "meant_class = 'inference'",
        "exception_type": f"event_texts[{exception}][indexOf(event_keys[{exception}], 'exception.type')]",
        "first_chunk_nano": f"arrayFirst(at -> at != 0, [{', '.join(first_chunk)}])",
        "dropped": f"extract(trace_state, {quoted(RATIO_SAMPLED)})",
        "keeps": codes.kept(
            privacy.stays_sql("key", "value", "flat"),
            privacy.content_stays_sql("key", "value", "flat"),
            f"{THINKING}|{CONTENT}",
        ),
        "event_keeps": _event_keeps(privacy),
        "odd": f"substring(concat({', '.join(_oddities())}), 2)",
    }
    *layers, meant, counted = expressions.meaning()
    meant = {**meant, "start_is_time": is_time("start_nano"), "end_is_time": is_time("end_nano")}
    if privacy.looks_into:
        meant["flat"] = privacy.flat_sql("texts")
    counted = {**counted, **expressions.said(*SAID_ALONE), **around}
    return [*expressions.reading(), *layers, meant, counted, _span_columns()]


def _span_columns() -> dict[str, str]:
    counts = {
        "input_tokens": "input",
        "cache_read_tokens": "cache_read_count",
        "cache_write_tokens": "cache_write_count",
        "cache_write_1h_tokens": "cache_write_1h_count",
        "output_tokens": "output",
        "thinking_tokens": "thinking",
    }
    said = ("request_model", "response_model", "response_id", "request_id", "task", "strategy", "role", "phase")
    return {
        **same("project", "trace_id", "span_id", "parent_span_id", "trace_state", "name", "status_message"),
        **same("scope_name", "scope_version", "resource_attributes", "event_names"),
        **{column: f"said_{column}" for column in (*said, "user_id", "session_id", "usage_raw")},
        # what an agent or a tool sums up over its calls is no call's
        **{
            column: f"if({all_of('is_inference', f'{count} >= 0')}, toInt64({count}), NULL)"
            for column, count in counts.items()
        },
        **_resource_columns(),
        "received": instant("received_nano"),
        "kind": _enumerated("kind_code", SPAN_KINDS),
        "time": instant("span_nano"),
        "duration_ns": "if(start_is_time AND end_is_time AND end_nano > start_nano, end_nano - start_nano, 0)",
        "status": _enumerated("status_code", STATUSES),
        "dialect": expressions.dialect_name(),
        "span_class": "meant_class",
        "operation": "meant_operation",
        "provider": "meant_provider",
        "tier": "if(said_tier IN (1, 2, 3), toUInt8(said_tier), NULL)",
        "attempt": expressions.whole("said_attempt", 1),
        "sample": expressions.whole("said_sample", 0),
        "service_tier": "meant_service_tier",
        "effort": "meant_effort",
        "budget_tokens": "if(meant_budget >= 0, toInt64(meant_budget), NULL)",
        "thinking_source": "if(is_inference, source, '')",
        "reported_cost_usd": "multiIf(said_reported_cost_usd >= 0, said_reported_cost_usd,"
        f" said_reported_cost_ticks >= 0, said_reported_cost_ticks / {f.TICKS_PER_USD},"
        " cost_told >= 0, cost_told, NULL)",
        "time_to_first_chunk_ms": "multiIf(said_time_to_first_chunk_s >= 0, said_time_to_first_chunk_s * 1000,"
        " said_time_to_first_chunk_ms >= 0, said_time_to_first_chunk_ms,"
        f" start_is_time AND first_chunk_nano > start_nano AND {is_time('first_chunk_nano')},"
        " (first_chunk_nano - start_nano) / 1000000, NULL)",
        "time_to_first_answer_ms": "if(said_time_to_first_answer_s >= 0, said_time_to_first_answer_s * 1000, NULL)",
        "finish_reason": "meant_finish_reason",
        "error_type": "multiIf(said_error_type != '', said_error_type, status_code != 2, '',"
        f" exception_type != '', exception_type, {quoted(NO_ERROR_TYPE)})",
        "sampling_probability": f"multiIf({all_of('said_sampling_probability > 0', 'said_sampling_probability <= 1')},"
        f" said_sampling_probability, dropped != '', nullIf({KEPT_SHARE}, 0), NULL)",
        "attributes": f"mapFromArrays({_marked('arrayFilter((key, keep) -> keep, keys, keeps)', quoted(f.ODD))},"
        f" {_marked('arrayFilter((value, keep) -> keep, texts, keeps)', 'odd')})",
        "event_times": f"arrayMap(at -> {instant('if(' + is_time('at') + ', at, span_nano)')}, event_nanos)",
        "event_attributes": "arrayMap((names, values, keeps) -> mapFromArrays("
        "arrayFilter((name, keep) -> keep, names, keeps), arrayFilter((value, keep) -> keep, values, keeps)),"
        " event_keys, event_texts, event_keeps)",
        evaluations.COLUMN: evaluations.of_span(),
    }


def _event_keeps(privacy: Privacy) -> str:
    """For every attribute of every event whether it may stay."""
    flat = privacy.flat_sql("values")
    holds = f"{flat} OR arrayExists(value -> {privacy.part_sql('value')}, values)"
    whole = f"NOT {privacy.carries_sql('event')} OR ({privacy.stays_whole_sql(holds)})"
    stays = f"{privacy.stays_sql('key', 'value', 'flat')} AND (whole OR {privacy.of_event_sql('key')})"
    return (
        f"arrayMap((event, names, values) -> arrayMap((key, value, flat, whole) -> {stays}, names, values,"
        f" arrayWithConstant(length(names), {flat}), arrayWithConstant(length(names), {whole})),"
        " event_names, event_keys, event_texts)"
    )


def _oddities() -> list[str]:
    """The kinds of oddity of a span behind a comma each, '' for those that it has not."""
    conditions = {
        "count": "odd_count",
        "duplicate": "odd_repeat",
        "thinking": all_of("is_inference", "shows_thinking"),
        "time": f"NOT start_is_time OR {all_of('end_nano != 0', 'NOT end_is_time')}",
        "duration": "start_is_time AND end_is_time AND end_nano < start_nano",
    }
    return [f"if({condition}, {quoted(',' + kind)}, '')" for kind, condition in conditions.items()]


def _marked(array: str, mark: str) -> str:
    return f"if(odd = '', {array}, arrayPushFront({array}, {mark}))"


def _columns(structure: str) -> list[str]:
    return re.findall(r"(?:^|, )([a-z_]+) [A-Z]", structure)


def _resource_columns() -> dict[str, str]:
    environments = [f"resource_attributes[{quoted(name)}]" for name in (a.ENVIRONMENT, "deployment.environment")]
    return {
        "service_name": f"resource_attributes[{quoted(a.SERVICE_NAME)}]",
        "environment": f"if({environments[0]} != '', {environments[0]}, {environments[1]})",
    }


def _enumerated(code: str, names: Sequence[str]) -> str:
    return f"transform({code}, {list(range(len(names)))}, [{listed(names)}], {quoted(names[0])})"
