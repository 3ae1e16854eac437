"""Content is not stored unless the configuration keeps it, whoever decodes; what is redacted stands nowhere."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from tests.collector.inserting import own_database
from tests.collector.otlp import RECEIVED, logs, record, span_of, traces
from thinkmeter.collector.canary import in_order, stored
from thinkmeter.collector.dialects import DIALECTS
from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.installation import install
from thinkmeter.collector.privacy import NOTHING_KEPT, REDACTED, Kept, Privacy
from thinkmeter.collector.reference import TABLES, Row, decode
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.schema import attributes as a
from thinkmeter.schema.store.embedded import EmbeddedStore

SECRET = "the user's secret words"
CALL = {a.OPERATION_NAME: "chat", a.REQUEST_MODEL: "m", a.INPUT_TOKENS: 10, "temperature": 0.5, "input.mime_type": "t"}
ANSWER = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": SECRET}]}])
THOUGHT = json.dumps([{"role": "assistant", "parts": [{"type": "reasoning", "content": SECRET}]}])
NAMES = sorted(
    {
        name.replace("#", "0") + ("text" if name.endswith(".") else "")
        for dialect in DIALECTS
        for name in (*dialect.content, *dialect.thinking)
    }
)
KEEPS_CONTENT = Privacy(content=True)
KEEPS_ALL = Privacy(content=True, thinking=True)
MIXED = Privacy(
    projects={"open": Kept(content=True, thinking=True), "half": Kept(content=True)}, redact=("tiger|lion",)
)
FOREIGN = MIXED.model_copy(update={"redact": ("tiger|lion", "Löwe|" + "虎" * 100)})
TOLD = (
    *((name, SECRET) for name in NAMES),
    ("gen_ai.output.messages", THOUGHT),
    ("gen_ai.input.messages", ANSWER),
    ("gen_ai.completion.0.role", "thinking"),
    ("note", "a tiger and a lion"),
    ("gen_ai.prompt.name", "v"),
)


def rows(body: bytes, privacy: Privacy, project: str = "p", signal: Signal = Signal.TRACES) -> dict[str, list[Row]]:
    return decode(signal, body, project, RECEIVED, privacy)


def kept(attributes: dict[str, Any], privacy: Privacy = NOTHING_KEPT, project: str = "p") -> dict[str, str]:
    return dict(rows(traces([span_of({**CALL, **attributes})]), privacy, project)["spans"][0]["attributes"])


@pytest.mark.parametrize("name", NAMES)
def test_content_of_no_dialect_is_stored_by_default(name: str) -> None:
    made = kept({name: SECRET})
    assert name not in made
    assert made["temperature"] == "0.5"
    assert made["input.mime_type"] == "t"
    assert kept({name: SECRET}, KEEPS_ALL)[name] == SECRET


def test_names_that_only_look_like_content_stay() -> None:
    for name in ("gen_ai.prompt.name", "gen_ai.input.messages.count", "ai.prompt_version", "eventsource", "tool.name"):
        assert kept({name: "v"})[name] == "v"


def test_thinking_has_a_switch_of_its_own() -> None:
    told = {"ai.response.text": "yes", "ai.response.reasoning": SECRET, "gen_ai.output.messages": ANSWER}
    assert kept(told, KEEPS_CONTENT).keys() & told.keys() == {"ai.response.text", "gen_ai.output.messages"}
    assert kept(told, Privacy(thinking=True)).keys() & told.keys() == {"ai.response.reasoning"}
    # a list of messages with thinking in it goes as a whole
    assert kept({"gen_ai.output.messages": THOUGHT, "gen_ai.input.messages": ANSWER}, KEEPS_CONTENT).keys() >= {
        "gen_ai.input.messages"
    }
    assert "gen_ai.output.messages" not in kept({"gen_ai.output.messages": THOUGHT}, KEEPS_CONTENT)
    # OpenLLMetry and OpenInference number their messages: a role or type tells, on another attribute
    for told in (
        {"gen_ai.completion.0.role": "thinking", "gen_ai.completion.0.content": SECRET},
        {
            "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
            "llm.output_messages.0.message.contents.0.message_content.text": SECRET,
        },
    ):
        assert SECRET not in kept(told, KEEPS_CONTENT).values()
        assert SECRET in kept(told, KEEPS_ALL).values()


def test_counts_and_ids_are_read_of_what_is_not_kept() -> None:
    metadata = json.dumps({"anthropic": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 80}}})
    [row] = rows(
        traces([span_of({"ai.operationId": "ai.generateText.doGenerate", "ai.response.providerMetadata": metadata})]),
        NOTHING_KEPT,
    )["spans"]
    assert row["input_tokens"] == 85
    assert "ai.response.providerMetadata" not in row["attributes"]


def test_events_and_log_records_lose_content_and_nothing_else() -> None:
    told = {"gen_ai.system": "openai", "content": SECRET, "tool_calls": SECRET}
    event = ("gen_ai.user.message", told)
    failure = ("exception", {"exception.type": "E", "exception.message": "m"})
    verdict = (a.EVALUATION_EVENT, {a.EVALUATION_NAME: "orm", a.EVALUATION_EXPLANATION: "since"})
    body = traces([span_of(CALL, events=[event, failure, verdict])])
    [span] = rows(body, NOTHING_KEPT)["spans"]
    assert span["event_attributes"][0] == {"gen_ai.system": "openai"}
    assert span["event_attributes"][1] == failure[1]
    assert rows(body, KEEPS_ALL)["spans"][0]["event_attributes"][0] == told
    for name in ("gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details"):
        records = logs([record({"gen_ai.system": "openai", "gen_ai.input.messages": ANSWER}, event=name, body=SECRET)])
        [made] = rows(records, NOTHING_KEPT, signal=Signal.LOGS)["log_records"]
        assert (made["body"], made["attributes"]) == ("", {"gen_ai.system": "openai"})
        assert rows(records, KEEPS_CONTENT, signal=Signal.LOGS)["log_records"][0]["body"] == SECRET
    [made] = rows(logs([record({}, event="app.started", body="ready")]), NOTHING_KEPT, signal=Signal.LOGS)[
        "log_records"
    ]
    assert made["body"] == "ready"


def test_a_project_may_have_rules_of_its_own() -> None:
    told = {"gen_ai.output.messages": ANSWER, "ai.response.reasoning": SECRET}
    assert kept(told, MIXED, "other").keys().isdisjoint(told)
    assert kept(told, MIXED, "open").keys() >= told.keys()
    assert kept(told, MIXED, "half").keys() & told.keys() == {"gen_ai.output.messages"}
    closed = Privacy(content=True, projects={"closed": Kept(content=False)})
    assert "gen_ai.output.messages" not in kept(told, closed, "closed")


def test_what_a_pattern_matches_is_stored_nowhere() -> None:
    privacy = Privacy(content=True, redact=(r"sk-[A-Za-z0-9]{8,}", r"\b\d{3}-\d{2}-\d{4}$"))
    span = span_of(
        {**CALL, "note": "key sk-abcdefgh12 and 123-45-6789", "list": ["sk-abcdefgh12"], a.USER_ID: "123-45-6789"},
        events=[(a.EVALUATION_EVENT, {a.EVALUATION_EXPLANATION: "it said sk-abcdefgh12"})],
    )
    span.status.message = "rejected sk-abcdefgh12"
    made = rows(traces([span], resource={"host": "sk-abcdefgh12"}), privacy)
    assert made["spans"][0]["attributes"]["note"] == f"key {REDACTED} and {REDACTED}"
    assert made["spans"][0]["user_id"] == REDACTED
    assert made["verdicts"][0]["explanation"] == f"it said {REDACTED}"
    assert "sk-abcdefgh12" not in str(made)


@pytest.mark.parametrize("pattern", ["(", "a*", r"\b", "(?=x)", r"(a)\1", "x++", "(?<!a)b"])
def test_a_pattern_that_both_decoders_would_not_read_alike_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        Privacy(redact=(pattern,))


# --- the store does the same ----------------------------------------------------------------------


def samples() -> dict[Signal, bytes]:
    spans = []
    for number, (name, text) in enumerate(TOLD, 1):
        events = [
            ("gen_ai.user.message", {"gen_ai.system": "openai", "content": THOUGHT if number % 2 else "lion"}),
            ("exception", {"exception.message": "tiger", "role": "thinking"}),
        ]
        spans.append(span_of({**CALL, "ai.response.text": "yes", name: text}, number, events))
        spans[-1].status.message = "no tiger"
    records = [
        record({"gen_ai.system": "openai", "role": role, "gen_ai.input.messages": ANSWER}, event=event, body=body)
        for event in ("gen_ai.user.message", "gen_ai.choice", "app.started", a.EVALUATION_EVENT)
        for role in ("user", "thinking")
        for body in (SECRET, THOUGHT, [{"type": "thinking", "text": "lion"}])
    ]
    return {Signal.TRACES: traces(spans), Signal.LOGS: logs(records)}


@pytest.fixture(scope="module")
def store_client(store: EmbeddedStore) -> Iterator[Client]:
    with own_database(store, "test_privacy") as connected:
        yield connected


@pytest.mark.parametrize(
    "privacy",
    [NOTHING_KEPT, KEEPS_CONTENT, MIXED, FOREIGN],
    ids=["nothing", "content", "by project", "letters of several bytes"],
)
def test_both_decoders_keep_the_same(store_client: Client, privacy: Privacy) -> None:
    insertion: Insertion = install(store_client, embedded=True, privacy=privacy)
    assert insertion.native, insertion.reason
    for signal, body in samples().items():
        for table in TABLES[signal]:
            store_client.command(f"TRUNCATE TABLE {table}")
            store_client.command(f"SYSTEM STOP MERGES {table}")
        expected: dict[str, list[Row]] = {table: [] for table in TABLES[signal]}
        for project in ("open", "half", "other"):
            for table, made in decode(signal, body, project, RECEIVED, privacy).items():
                expected[table] += made
        segment = [frame(body, p, RECEIVED) for p in ("open", "half", "other")]
        insertion.insert_natively(store_client, signal, segment, f"{signal} {privacy}")
        for table, right in expected.items():
            found = in_order(stored(store_client, table))
            assert len(found) == len(right)
            for row, wanted in zip(found, in_order(right), strict=True):
                assert {column: row[column] for column in wanted} == wanted
        if privacy is NOTHING_KEPT:
            assert SECRET not in str(expected.get("spans"))
