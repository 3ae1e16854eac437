"""0 thinking tokens beside thinking that is shown are no count, whichever instrumentation tells of both."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.collector.otlp import RECEIVED, span_of, traces
from tests.collector.shown import CALL, NOT_SHOWING, SECRET, SHOWING, messages
from thinkmeter.collector.dialects import DIALECTS
from thinkmeter.collector.dialects.fields import ODD
from thinkmeter.collector.privacy import Privacy
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.segment import Signal
from thinkmeter.schema import attributes as a

Events = tuple[tuple[str, Mapping[str, Any]], ...]


def row(attributes: Mapping[str, Any], events: Events = (), privacy: Privacy | None = None) -> Row:
    body = traces([span_of(attributes, events=events)])
    [made] = decode(Signal.TRACES, body, "default", RECEIVED, privacy or Privacy())["spans"]
    return made


@pytest.mark.parametrize(("call", "content"), SHOWING.values(), ids=SHOWING)
def test_zero_beside_thinking_is_unknown(call: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    made = row(call)
    assert (made["thinking_tokens"], made["thinking_source"], ODD in made["attributes"]) == (0, "provider", False)
    made = row({**call, **content})
    assert (made["thinking_tokens"], made["thinking_source"], made["attributes"][ODD]) == (None, "missing", "thinking")
    assert made["output_tokens"] == 50
    assert SECRET not in str(made)


@pytest.mark.parametrize(("call", "content"), NOT_SHOWING.values(), ids=NOT_SHOWING)
def test_zero_is_believed_where_no_text_of_thinking_is_shown(
    call: Mapping[str, Any], content: Mapping[str, Any]
) -> None:
    made = row({**call, **content})
    assert (made["thinking_tokens"], made["thinking_source"], ODD in made["attributes"]) == (0, "provider", False)


def test_thinking_that_was_switched_off_and_is_shown_is_unknown() -> None:
    call = {name: said for name, said in CALL.items() if name != a.REASONING_OUTPUT_TOKENS}
    shown = {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})}
    for off in (
        {a.REQUEST_REASONING_LEVEL: "None"},
        {"anthropic.thinking.type": "disabled"},
        {a.THINKING_BUDGET_TOKENS: 0},
    ):
        assert row({**call, **off})["thinking_source"] == "derived"
        made = row({**call, **off, **shown})
        assert (made["thinking_tokens"], made["thinking_source"]) == (None, "missing")


def test_a_count_that_is_not_zero_is_believed_and_an_agent_has_none() -> None:
    shown = {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})}
    made = row({**CALL, a.REASONING_OUTPUT_TOKENS: 5, **shown})
    assert (made["thinking_tokens"], made["thinking_source"], ODD in made["attributes"]) == (5, "provider", False)
    made = row({**CALL, a.OPERATION_NAME: "invoke_agent", **shown})
    assert (made["thinking_tokens"], ODD in made["attributes"]) == (None, False)


def test_output_that_leaves_thinking_out_is_unknown_with_it() -> None:
    call = {**CALL, a.PROVIDER_NAME: "x_ai"}
    assert row(call)["output_tokens"] == 50
    shown = {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})}
    assert row({**call, **shown})["output_tokens"] is None


@pytest.mark.parametrize(
    ("event", "told", "thinking"),
    [
        ("gen_ai.choice", {"message": json.dumps({"content": "yes", "reasoning_content": SECRET})}, None),
        (
            "gen_ai.content.completion",
            {"gen_ai.completion": json.dumps([{"type": "thinking", "thinking": SECRET}])},
            None,
        ),
        (
            "gen_ai.client.inference.operation.details",
            {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})},
            None,
        ),
        (
            "gen_ai.client.inference.operation.details",
            {"gen_ai.input.messages": messages({"type": "reasoning", "content": SECRET})},
            0,
        ),
        ("gen_ai.assistant.message", {"content": json.dumps([{"type": "thinking", "thinking": SECRET}])}, 0),
    ],
)
def test_events_show_it_as_well(event: str, told: Mapping[str, Any], thinking: int | None) -> None:
    made = row(CALL, ((event, told),))
    assert made["thinking_tokens"] == thinking
    assert SECRET not in str(made)


def test_it_holds_where_content_is_kept_and_where_words_are_redacted() -> None:
    shown = {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})}
    for privacy in (Privacy(content=True, thinking=True), Privacy(content=True), Privacy(redact=("train|nine",))):
        assert row({**CALL, **shown}, privacy=privacy)["thinking_tokens"] is None


def test_what_is_looked_into_is_content() -> None:
    for dialect in DIALECTS:
        assert set(dialect.reply) <= set(dialect.content)
        for names in dialect.parts:
            assert all(any(name.startswith(own.rstrip("#.")) for own in dialect.content) for name in names)
