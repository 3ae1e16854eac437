"""Labels as people have them, JSON or CSV, as the log records in which they travel."""

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.schema import attributes as names

CSV: Final = "text/csv"
JSON: Final = "application/json"
LABEL_NAME: Final = "correct"
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
EARLIEST: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATEST: Final = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
Text = Annotated[str, Field(max_length=10_000)]


class Label(BaseModel):
    """One row: what was answered, and whether that was correct."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_id: Text = Field(default="", description="the request; or trace_id and span_id, or response_id")
    attempt: int | None = Field(default=None, ge=1, description="absent: the final attempt")
    trace_id: str = Field(default="", pattern=r"^([0-9a-fA-F]{32})?$")
    span_id: str = Field(default="", pattern=r"^([0-9a-fA-F]{16})?$")
    response_id: Text = Field(default="", description="the provider's id of the response")
    correct: bool
    source: Literal["human", "test", "reference"] = Field(
        default="human", validation_alias=AliasChoices("source", "label_source")
    )
    labeler: Text = ""
    time: AwareDatetime | None = Field(default=None, ge=EARLIEST, lt=LATEST, description="absent: now")
    sampling_probability: float | None = Field(default=None, gt=0, le=1)
    explanation: Text = ""

    @model_validator(mode="after")
    def _says_of_what(self) -> "Label":
        if not (self.request_id or self.response_id or (self.trace_id and self.span_id)):
            raise ValueError("name what is labelled: request_id, response_id, or trace_id and span_id")
        return self


COLUMNS: Final = frozenset(Label.model_fields) | {"label_source"}


class BadRow(NamedTuple):
    """A row that is not taken.

    Attributes:
        line: of a CSV file, its line, the header being 1; of a JSON array, its position from 1.
        reason: a sentence.
    """

    line: int
    reason: str


def read_labels(body: bytes, media_type: str) -> tuple[list[Label], list[BadRow]]:
    """The rows of a document, and those that are none.

    Args:
        body: a JSON array of objects, or CSV with a header; columns are the fields of `Label`.
        media_type: `application/json` or `text/csv`.

    Raises:
        Refused: the document as a whole cannot be read.
    """
    labels: list[Label] = []
    bad: list[BadRow] = []
    for line, row in _csv_rows(body) if media_type == CSV else _json_rows(body):
        try:
            labels.append(Label.model_validate(row))
        except ValidationError as error:
            bad.append(BadRow(line, "; ".join(_sentence(problem) for problem in error.errors())))
    return labels, bad


def labels_request(labels: Iterable[Label], now: dt.datetime) -> ExportLogsServiceRequest:
    """The labels as an OTLP request; those without a time are given `now`."""
    request = ExportLogsServiceRequest()
    scope_logs = request.resource_logs.add().scope_logs.add()
    scope_logs.scope.name = names.SDK_SCOPE
    scope_logs.log_records.extend(_record(label, now) for label in labels)
    return request


def _record(label: Label, now: dt.datetime) -> LogRecord:
    record = LogRecord(
        event_name=names.EVALUATION_EVENT,
        time_unix_nano=_unix_nano(label.time or now),
        observed_time_unix_nano=_unix_nano(now),
        trace_id=bytes.fromhex(label.trace_id),
        span_id=bytes.fromhex(label.span_id),
    )
    said = {
        names.EVALUATION_NAME: LABEL_NAME,
        names.EVALUATION_KIND: "ground_truth",
        names.EVALUATION_SCORE_LABEL: "pass" if label.correct else "fail",
        names.REQUEST_ID: label.request_id,
        names.RESPONSE_ID: label.response_id,
        names.LABEL_SOURCE: label.source,
        names.LABEL_BY: label.labeler,
        names.EVALUATION_EXPLANATION: label.explanation,
    }
    record.attributes.extend(KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in said.items() if v)
    if label.attempt is not None:
        record.attributes.append(KeyValue(key=names.ATTEMPT, value=AnyValue(int_value=label.attempt)))
    if label.sampling_probability is not None:
        value = AnyValue(double_value=label.sampling_probability)
        record.attributes.append(KeyValue(key=names.LABEL_SAMPLING_PROBABILITY, value=value))
    return record


def _unix_nano(time: dt.datetime) -> int:
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def _json_rows(body: bytes) -> Iterator[tuple[int, Any]]:
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(Reason.MALFORMED, f"the body is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise Refused(Reason.MALFORMED, "a JSON array of labels is expected")
    return iter(enumerate(rows, 1))


def _csv_rows(body: bytes) -> Iterator[tuple[int, Any]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(Reason.MALFORMED, f"the body is not UTF-8: byte {error.start}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="further cells", strict=True)
    try:
        for name in reader.fieldnames or ():
            if name not in COLUMNS:
                raise Refused(Reason.MALFORMED, f"line 1: the column {name!r} is none of {', '.join(sorted(COLUMNS))}")
        for row in reader:
            yield reader.line_num, {name: cell for name, cell in row.items() if cell}
    except csv.Error as error:
        raise Refused(Reason.MALFORMED, f"after line {reader.line_num}: not CSV: {error}") from None


def _sentence(problem: ErrorDetails) -> str:
    place = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
