"""ClickHouse's SQL of evaluations, which are events of spans or log records: verdicts, and labels of ground truth.

Rows of both signals carry their evaluations in one column; views over it make rows of `verdicts` and `labels`.
"""

from typing import Final

from thinkmeter.collector.dialects import expressions
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.instants import first_time, instant
from thinkmeter.collector.sql import listed, quoted, same, selected
from thinkmeter.schema import attributes as a

COLUMN: Final = "evaluations"
TYPE: Final = "Array(Tuple(time DateTime64(9, 'UTC'), names Array(String), texts Array(String)))"
"""Evaluations as they lie in a row, each with all that is said of it."""
EVENT_NAME: Final = "event.name"
"""The attribute by which older senders name a log record's event."""
INHERITED: Final = (a.REQUEST_ID, a.ATTEMPT, a.SAMPLE)
"""What an evaluation that is an event of a span takes from the span where it does not say it."""


def of_span() -> str:
    """Evaluations among the events of a row of `bodies.span_rows`."""
    event, names = quoted(a.EVALUATION_EVENT), listed(INHERITED)
    own = f"arrayFilter(e -> e.1 = {event}, arrayZip(event_names, event_nanos, event_keys, event_texts))"
    keys = f"arrayConcat(e.3, arrayFilter(key -> key IN ({names}), keys))"
    texts = f"arrayConcat(e.4, arrayFilter((value, key) -> key IN ({names}), texts, keys))"
    time = instant(first_time("e.2", "start_nano", "end_nano"))
    # few spans have any: the rest is not looked into
    return f"if(has(event_names, {event}), arrayMap(e -> ({time}, {keys}, {texts}), {own}), [])"


def of_record() -> str:
    """The evaluation that a row of `bodies.record_rows` is, if it is one."""
    time = instant(first_time("record_nano", "observed_nano"))
    return f"if({event_name()} = {quoted(a.EVALUATION_EVENT)}, [({time}, keys, texts)], [])"


def event_name() -> str:
    """The name of a log record's event, which older senders write as an attribute."""
    return f"if(own_event_name != '', own_event_name, texts[indexOf(keys, {quoted(EVENT_NAME)})])"


def verdicts(source: str) -> str:
    """Rows with evaluations -> the table `verdicts`: those that are no ground truth."""
    columns = {
        "sample": expressions.whole("sample_number", 0),
        "verifier": _told(a.EVALUATION_NAME),
        "version": _told(a.VERIFIER_VERSION),
        "score": "score_number",
        "threshold": "threshold_number",
        "passed": f"multiIf(score_label IN ({listed(f.PASSED)}), true, score_label IN ({listed(f.FAILED)}), false,"
        " score_number >= threshold_number)",
    }
    return _rows(source, columns, "!=")


def labels(source: str) -> str:
    """Rows with evaluations -> the table `labels`: those that are ground truth."""
    columns = {
        "correct": f"multiIf(score_label IN ({listed(f.CORRECT)}), true,"
        f" score_label IN ({listed(f.INCORRECT)}), false,"
        " isNotNull(threshold_number), score_number >= threshold_number,"
        " score_number = 1, true, score_number = 0, false, NULL)",
        "source": f"lower({_told(a.LABEL_SOURCE)})",
        "labeler": _told(a.LABEL_BY),
        "sampling_probability": "if(sampling_number > 0 AND sampling_number <= 1, sampling_number, NULL)",
    }
    return _rows(source, columns, "=")


def _rows(source: str, columns: dict[str, str], ground_truth: str) -> str:
    """One row for each evaluation of a kind."""
    common = {
        **same("project", "received", "trace_id", "span_id"),
        "time": "evaluation.time",
        "request_id": _told(a.REQUEST_ID),
        "attempt": expressions.whole("attempt_number", 1),
        "response_id": _told(a.RESPONSE_ID),
        "explanation": _told(a.EVALUATION_EXPLANATION),
    }
    numbers = {
        "attempt_number": a.ATTEMPT,
        "sample_number": a.SAMPLE,
        "score_number": a.EVALUATION_SCORE_VALUE,
        "threshold_number": a.VERDICT_THRESHOLD,
        "sampling_number": a.LABEL_SAMPLING_PROBABILITY,
    }
    read = {column: _number(_told(name)) for column, name in numbers.items()}
    read["score_label"] = f"lower({_told(a.EVALUATION_SCORE_LABEL)})"
    return f"""
SELECT
  {selected({**common, **columns})}
FROM (
  SELECT project, received, trace_id, span_id, evaluation,
    {selected(read)}
  FROM (
    SELECT project, received, trace_id, span_id, arrayJoin({COLUMN}) AS evaluation FROM {source}
  )
  WHERE {_told(a.EVALUATION_KIND)} {ground_truth} 'ground_truth'
)"""


def _told(name: str) -> str:
    return f"evaluation.texts[indexOf(evaluation.names, {quoted(name)})]"


def _number(value: str) -> str:
    """A finite number, or NULL."""
    return f"if(isFinite(toFloat64OrNull({value})), toFloat64OrNull({value}), NULL)"
