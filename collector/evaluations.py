"""ClickHouse's SQL of evaluations, which are events of spans or log records: verdicts, and labels of ground truth."""

from thinkmeter.collector.dialects import expressions
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.instants import first_time, instant
from thinkmeter.collector.segment import Signal
from thinkmeter.collector.sql import listed, quoted, same, selected
from thinkmeter.schema import attributes as a


def verdicts(rows: str, signal: Signal) -> str:
    """Rows of spans or of log records -> the table `verdicts`: evaluations that are no ground truth."""
    columns = {
        "sample": expressions.whole("sample_number", 0),
        "verifier": _evaluated(a.EVALUATION_NAME),
        "version": _evaluated(a.VERIFIER_VERSION),
        "score": "score_number",
        "threshold": "threshold_number",
        "passed": f"multiIf(score_label IN ({listed(f.PASSED)}), true, score_label IN ({listed(f.FAILED)}), false,"
        " score_number >= threshold_number)",
    }
    return _evaluations(rows, signal, columns, "!=")


def labels(rows: str, signal: Signal) -> str:
    """Rows of spans or of log records -> the table `labels`: evaluations that are ground truth."""
    columns = {
        "correct": f"multiIf(score_label IN ({listed(f.CORRECT)}), true,"
        f" score_label IN ({listed(f.INCORRECT)}), false,"
        " isNotNull(threshold_number), score_number >= threshold_number,"
        " score_number = 1, true, score_number = 0, false, NULL)",
        "source": f"lower({_evaluated(a.LABEL_SOURCE)})",
        "labeler": _evaluated(a.LABEL_BY),
        "sampling_probability": "if(sampling_number > 0 AND sampling_number <= 1, sampling_number, NULL)",
    }
    return _evaluations(rows, signal, columns, "=")


def event_name() -> str:
    """The name of a log record's event, which older senders write as an attribute."""
    return "if(own_event_name != '', own_event_name, texts[indexOf(keys, 'event.name')])"


def _evaluations(rows: str, signal: Signal, columns: dict[str, str], ground_truth: str) -> str:
    """Columns over evaluations, which are events of spans or log records, by what kind of evaluation they are."""
    common = {
        **same("project", "trace_id", "span_id"),
        "received": instant("received_nano"),
        "time": instant("evaluation_nano"),
        "request_id": _evaluated(a.REQUEST_ID),
        "attempt": expressions.whole("attempt_number", 1),
        "response_id": _evaluated(a.RESPONSE_ID),
        "explanation": _evaluated(a.EVALUATION_EXPLANATION),
    }
    numbers = {
        "attempt_number": a.ATTEMPT,
        "sample_number": a.SAMPLE,
        "score_number": a.EVALUATION_SCORE_VALUE,
        "threshold_number": a.VERDICT_THRESHOLD,
        "sampling_number": a.LABEL_SAMPLING_PROBABILITY,
    }
    read = {column: _number(_evaluated(name)) for column, name in numbers.items()}
    read["score_label"] = f"lower({_evaluated(a.EVALUATION_SCORE_LABEL)})"
    return f"""
SELECT
  {selected({**common, **columns})}
FROM (
  SELECT *,
    {selected(read)}
  FROM ({_of_spans(rows) if signal is Signal.TRACES else _of_records(rows)}
  )
  WHERE {_evaluated(a.EVALUATION_KIND)} {ground_truth} 'ground_truth'
)"""


def _of_spans(rows: str) -> str:
    """Evaluations among the events of spans. What one does not say of the request, its span says.

    Only what is needed goes on before the events are joined: no planner takes the rest out.
    """
    inherited = listed((a.REQUEST_ID, a.ATTEMPT, a.SAMPLE))
    event = quoted(a.EVALUATION_EVENT)
    own = ", ".join(
        f"arrayFilter((x, event) -> event = {event}, {column}, event_names)"
        for column in ("event_nanos", "event_keys", "event_texts")
    )
    return f"""
    SELECT project, received_nano, trace_id, span_id,
      {first_time("evaluation.1", "start_nano", "end_nano")} AS evaluation_nano,
      arrayConcat(evaluation.2, inherited_keys) AS evaluated_keys,
      arrayConcat(evaluation.3, inherited_texts) AS evaluated_texts
    FROM (
      SELECT project, received_nano, trace_id, span_id, start_nano, end_nano, inherited_keys, inherited_texts,
        arrayJoin(evaluations) AS evaluation
      FROM (
        SELECT project, received_nano, trace_id, span_id, start_nano, end_nano,
          arrayFilter(key -> key IN ({inherited}), keys) AS inherited_keys,
          arrayFilter((value, key) -> key IN ({inherited}), texts, keys) AS inherited_texts,
          arrayZip({own}) AS evaluations
        FROM {rows}
        WHERE has(event_names, {event})
      )
    )"""


def _of_records(rows: str) -> str:
    """Evaluations among log records."""
    return f"""
    SELECT project, received_nano, trace_id, span_id,
      {first_time("record_nano", "observed_nano")} AS evaluation_nano,
      keys AS evaluated_keys, texts AS evaluated_texts
    FROM {rows}
    WHERE {event_name()} = {quoted(a.EVALUATION_EVENT)}"""


def _evaluated(name: str) -> str:
    return f"evaluated_texts[indexOf(evaluated_keys, {quoted(name)})]"


def _number(value: str) -> str:
    """A finite number, or NULL."""
    return f"if(isFinite(toFloat64OrNull({value})), toFloat64OrNull({value}), NULL)"
