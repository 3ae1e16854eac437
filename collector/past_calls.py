"""Calls of the past as rows of facts: what a file of finished calls says, checked row by row."""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from clickhouse_connect.driver.client import Client
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from thinkmeter.collector.labels import BadRow

SCOPE: Final = "thinkmeter.import"
DERIVED: Final = frozenset(
    {
        "answer_tokens",
        "billed",
        "cache_above_input",
        "cost_answer_usd",
        "cost_cache_usd",
        "cost_input_usd",
        "cost_output_usd",
        "cost_source",
        "cost_thinking_usd",
        "dialect",
        "inserted",
        "merged_spans",
        "project",
        "thinking_above_output",
    }
)
"""Columns of `calls` that are computed: a file may have them, they are computed anew."""


def _utc(value: object) -> object:
    """Times without a zone are UTC; numbers are seconds since 1970."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = dt.datetime.fromisoformat(text)
        except ValueError:
            return text
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    return value


def _hexadecimal(value: str) -> str:
    int(value or "0", 16)
    return value.lower()


def _attributes(value: object) -> object:
    """Attributes as text: of a map, of JSON text, of a list of both, or of a list of pairs, as Parquet has maps."""
    if isinstance(value, str):
        return _attributes(json.loads(value)) if value else {}
    if isinstance(value, list):
        if all(isinstance(pair, tuple) for pair in value):
            return _attributes(dict(value))
        return {name: text for part in value if part for name, text in dict(_attributes(part)).items()}  # type: ignore[call-overload]
    if isinstance(value, Mapping):
        return {str(name): text if isinstance(text, str) else json.dumps(text) for name, text in value.items()}
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_utc)]
Count = Annotated[int | None, Field(ge=0)]
Share = Annotated[float | None, Field(gt=0, le=1)]
Milliseconds = Annotated[float | None, Field(ge=0)]
Hex = Annotated[str, AfterValidator(_hexadecimal)]


class PastCall(BaseModel):
    """One row of a file: a call with the columns of `calls`, and what is known of its attempt's answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    time: Time
    trace_id: Hex = ""
    span_id: Hex = ""
    request_id: str = ""
    task: str = ""
    tier: Annotated[int | None, Field(ge=1, le=3)] = None
    attempt: Annotated[int | None, Field(ge=1)] = None
    strategy: str = ""
    sample: Count = None
    role: Literal["answer", "verifier", "router"] = "answer"
    provider: str = ""
    model: Annotated[str, Field(min_length=1)]
    operation: str = "chat"
    environment: str = ""
    phase: str = ""
    service_name: str = ""
    service_tier: str = ""
    effort: str = ""
    budget_tokens: Count = None
    input_tokens: Count = None
    cache_read_tokens: Count = None
    cache_write_tokens: Count = None
    cache_write_1h_tokens: Count = None
    output_tokens: Count = None
    thinking_tokens: Count = None
    thinking_source: Literal["", "provider", "derived", "estimated", "missing"] = ""
    thinking_chars: Count = None
    """How long the thinking is that the reply shows, where the file says it. Not kept: where there is any, a count of 0
    that was reported is not believed."""
    duration_ms: Milliseconds = None
    time_to_first_chunk_ms: Milliseconds = None
    time_to_first_answer_ms: Milliseconds = None
    finish_reason: str = ""
    error_type: str = ""
    user_id: str = ""
    session_id: str = ""
    sampling_probability: Share = None
    response_id: str = ""
    cost_usd: Annotated[float | None, Field(ge=0)] = None
    attributes: Annotated[dict[str, str], BeforeValidator(_attributes)] = {}
    verifier: str = ""
    verifier_version: str = ""
    verdict_score: float | None = None
    verdict_threshold: float | None = None
    verdict_passed: bool | None = None
    correct: bool | None = None
    label_source: Literal["human", "test", "reference"] = "reference"
    label_by: str = ""
    label_sampling_probability: Share = None


COLUMNS: Final = tuple(PastCall.model_fields)
_NO_SPAN_COLUMN: Final = frozenset(
    {
        "correct",
        "cost_usd",
        "duration_ms",
        "label_by",
        "label_sampling_probability",
        "label_source",
        "model",
        "span_id",
        "thinking_chars",
        "thinking_source",
        "thinking_tokens",
        "trace_id",
        "verdict_passed",
        "verdict_score",
        "verdict_threshold",
        "verifier",
        "verifier_version",
    }
)
"""Fields that stand on a span under another name, or speak of a verdict or label."""


class PastCalls:
    """Puts past calls into the store, batch by batch; the same rows again change nothing.

    A row without ids gets them from its content, and rows of equal content are told apart by their order, so a file
    that is imported again, or has grown meanwhile, adds only what is new.
    """

    def __init__(self, client: Client, project: str = "default") -> None:
        """Rows go to `project`."""
        self._client = client
        self._project = project
        self._repeats: Counter[bytes] = Counter()
        self._received = dt.datetime.now(dt.UTC)
        self.bad_rows: list[BadRow] = []
        self.calls = 0
        self.verdicts = 0
        self.labels = 0

    def insert(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Insert rows, given with their line; those that are not valid go to `bad_rows` and not into the store."""
        facts: dict[str, list[dict[str, Any]]] = {"spans": [], "verdicts": [], "labels": []}
        for line, values in rows:
            try:
                call = PastCall(**{name: value for name, value in values.items() if value not in (None, "")})
            except ValidationError as error:
                self.bad_rows.append(BadRow(line, _reason(error)))
                continue
            trace_id, span_id = self._identity(call)
            shared = {
                "project": self._project,
                "received": self._received,
                "time": call.time,
                "trace_id": trace_id,
                "span_id": span_id,
            }
            facts["spans"].append(shared | _span(call))
            judged = shared | {"request_id": call.request_id or trace_id, "attempt": call.attempt}
            if call.verdict_score is not None or call.verdict_passed is not None:
                facts["verdicts"].append(judged | _verdict(call))
            if call.correct is not None:
                facts["labels"].append(judged | _label(call))
        for table, table_rows in facts.items():
            if table_rows:
                columns = list(table_rows[0])
                self._client.insert(table, [list(row.values()) for row in table_rows], column_names=columns)
        self.calls += len(facts["spans"])
        self.verdicts += len(facts["verdicts"])
        self.labels += len(facts["labels"])

    def _identity(self, call: PastCall) -> tuple[str, str]:
        if call.trace_id and call.span_id:
            return call.trace_id, call.span_id
        content = hashlib.sha256(call.model_dump_json(exclude={"thinking_chars"}).encode()).digest()
        self._repeats[content] += 1
        own = hashlib.sha256(content + str(self._repeats[content]).encode()).hexdigest()
        trace = hashlib.sha256(f"request {call.request_id}".encode()).hexdigest() if call.request_id else own
        return call.trace_id or trace[:32], call.span_id or own[32:48]


def _span(call: PastCall) -> dict[str, Any]:
    return {
        **{name: getattr(call, name) for name in COLUMNS if name not in _NO_SPAN_COLUMN},
        "name": f"{call.operation} {call.model}",
        "kind": "client",
        "duration_ns": round((call.duration_ms or 0) * 1e6),
        "scope_name": SCOPE,
        "dialect": "import",
        "span_class": "inference",
        "request_model": call.model,
        "response_model": call.model,
        "reported_cost_usd": call.cost_usd,
        "thinking_tokens": _thinking_tokens(call),
        "thinking_source": _thinking_source(call),
    }


def _verdict(call: PastCall) -> dict[str, Any]:
    passed = call.verdict_passed
    if passed is None and call.verdict_score is not None and call.verdict_threshold is not None:
        passed = call.verdict_score >= call.verdict_threshold
    return {
        "sample": call.sample,
        "verifier": call.verifier,
        "version": call.verifier_version,
        "score": call.verdict_score,
        "threshold": call.verdict_threshold,
        "passed": passed,
    }


def _label(call: PastCall) -> dict[str, Any]:
    return {
        "correct": call.correct,
        "source": call.label_source,
        "labeler": call.label_by,
        "sampling_probability": call.label_sampling_probability,
    }


def renamed(
    rows: Iterable[tuple[int, Mapping[str, Any]]], names: Mapping[str, str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows under our column names: `names` says theirs -> ours, '' to leave a column out, `attributes.x` to keep it."""
    for line, values in rows:
        ours: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        for theirs, value in values.items():
            name = names.get(theirs, theirs)
            if name.startswith("attributes."):
                if value not in (None, ""):
                    kept[name.removeprefix("attributes.")] = value
            elif name and name not in DERIVED:
                ours[name] = value
        # an amount that was computed is computed again; one that the provider charged is a fact
        if values.get("cost_source", "provider") != "provider":
            ours.pop("cost_usd", None)
        if kept:
            ours["attributes"] = [ours.get("attributes"), kept]
        yield line, ours


def unknown_columns(theirs: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Columns of a file that are neither ours nor renamed to ours, in their order."""
    known = {*COLUMNS, *DERIVED, ""}
    return [n for n in theirs if names.get(n, n) not in known and not names.get(n, n).startswith("attributes.")]


def _thinking_tokens(call: PastCall) -> int | None:
    """What is reported, but for a 0 beside thinking that the reply shows: unknown is never 0."""
    return None if call.thinking_tokens == 0 and call.thinking_chars else call.thinking_tokens


def _thinking_source(call: PastCall) -> str:
    if _thinking_tokens(call) is None:
        return "missing"
    return call.thinking_source if call.thinking_source not in ("", "missing") else "provider"


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"
