"""Spans and log records in bulk, made to hit what chance seldom hits: counts that add up, words that count."""

from collections.abc import Sequence
from random import Random
from typing import Any, cast

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector.otlp import RECEIVED, SECOND, pairs, record, span_of
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.dialects.dialect import Dialect
from thinkmeter.schema import attributes as a

COUNTS: Sequence[Any] = (0, 1, 3, 5, 8, 13, 21, "13", 8.0)
ODD_COUNTS: Sequence[Any] = (-1, 0.5, 10**9, 10**9 + 1, "x", "", "1e1", True, None, [5])
WORDS = {
    "entity": ("request", "attempt", "x"),
    "span_kind": (*f.SPAN_KINDS, "LLM", "Agent", "unknown"),
    "operation": (*f.OPERATIONS, *f.RENAMED_OPERATIONS, "Chat", "other"),
    "provider": ("xai", "x_ai", "openai", "google", "aws", "aws.bedrock", "Acme", "vertexai"),
    "host": ("api.x.ai", "api.deepseek.com", "localhost"),
    "api": ("responses", "chat_completions"),
    "effort": ("none", "None", "high"),
    "thinking_switch": ("disabled", "enabled"),
    "thinking_source": ("provider", "Derived", "estimated", "missing", "x"),
    "finish_reason": ("stop", '["length"]', ["tool", "x"], "[1]", "[", []),
    "parameters": (
        '{"reasoning_effort": "none"}',
        '{"thinking": {"type": "disabled", "budget_tokens": 0}}',
        '{"reasoning": {"effort": "low"}, "thinking_config": {"thinking_budget": 128}, "service_tier": "flex"}',
        '{"thinking": {"budget_tokens": true, "type": 1}, "thinking_config": {"thinking_budget": -1}}',
        '["none"]',
        "{broken",
    ),
    "usage": (
        '{"prompt_tokens": 5, "completion_tokens": 8, "total_tokens": 13, "completion_tokens_details":'
        ' {"reasoning_tokens": 3}, "prompt_tokens_details": {"cached_tokens": 1}}',
        '{"input": 5, "input": 8, "output": 8, "output_reasoning": 3, "input_cache_read": 21}',
        '{"input_tokens": 5, "output_tokens": 8, "output_tokens_details": {"thinking_tokens": 3},'
        ' "cache_read_input_tokens": 13, "cache_creation_input_tokens": 1,'
        ' "cache_creation": {"ephemeral_1h_input_tokens": 1}}',
        '{"google": {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 8, "thoughtsTokenCount": 13,'
        ' "totalTokenCount": 26}}}',
        '{"anthropic": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 8, "output_tokens": 1}}}',
        '{"openai": {"reasoningTokens": 3}, "prompt_tokens": "5", "total": -1}',
        '{"input": true, "output": 1e400, "total": 8.5}',
        '{"input": 5, "output": null',
        '"text"',
    ),
    "cost": ('{"total": 0.25}', '{"total": "1"}', '{"input": 1}', "{"),
}
REPLIES: Sequence[tuple[str, Any]] = (
    ("gen_ai.output.messages", '[{"parts": [{"type": "reasoning", "content": "hm"}]}]'),
    ("gen_ai.output.messages", '[{"parts": [{"content": "a \\"b\\"", "id": null, "type":"reasoning"}]}]'),
    ("gen_ai.output.messages", '[{"parts": [{"type": "reasoning", "content": "\\n "}, {"type": "text"}]}]'),
    ("gen_ai.output.messages", [{"type": "reasoning", "content": "hm"}]),
    ("gen_ai.input.messages", '[{"parts": [{"type": "reasoning", "content": "hm"}]}]'),
    ("langfuse.observation.output", '{"reasoning_content": "hm"}'),
    ("output.value", '{"content": [{"thinking": "hm", "type": "thinking"}]}'),
    ("output.value", '{"thought": "hm", "reasoning": "so"}'),
    ("gen_ai.completion", '{"parts": [{"thought" : true, "text": "hm"}]}'),
    ("gen_ai.choice", '{"reasoningContent": {"reasoningText": {"signature": "c", "text": "hm"}}}'),
    ("response_data", '{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}'),
    ("ai.response.reasoning", "hm"),
    ("ai.response.reasoning", " "),
    ("gen_ai.completion.0.reasoning", "hm"),
    ("gen_ai.completion.0.role", "thinking"),
    ("gen_ai.completion.0.content", "hm"),
    ("gen_ai.completion.1.content", "yes"),
    ("llm.output_messages.0.message.contents.0.message_content.type", "reasoning"),
    ("llm.output_messages.0.message.contents.0.message_content.text", "hm"),
    ("llm.output_messages.0.message.contents.1.message_content.text", "yes"),
)
"""Content that shows thinking, or looks as if it did."""
SCORES: Sequence[Any] = (0, 1, 0.0, 1.0, 0.5, "0.5", -1, "x")


def spans(random: Random, dialect: Dialect, count: int) -> list[Span]:
    """Spans of a dialect, each saying about half of what it can."""
    return [_span(random, dialect, number) for number in range(1, count + 1)]


def records(random: Random, count: int) -> list[LogRecord]:
    """Log records, most of them evaluations."""
    made = []
    for number in range(1, count + 1):
        told = _evaluation(random)
        event = random.choice((a.EVALUATION_EVENT, a.EVALUATION_EVENT, "", "other"))
        if not event:
            told["event.name"] = random.choice((a.EVALUATION_EVENT, "other"))
        one = record(told, event=event, body=random.choice((None, "text", [{"a": [1]}])), number=number)
        one.time_unix_nano, one.observed_time_unix_nano = _time(random), _time(random)
        one.severity_number = cast(Any, random.randrange(26))
        made.append(one)
    return made


def _span(random: Random, dialect: Dialect, number: int) -> Span:
    said: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for field, names in dialect.names.items():
        if random.random() < 0.5:
            of = random.choice(COUNTS if random.random() < 0.85 else ODD_COUNTS)
            said[random.choice(names)] = of if field in f.NUMBERS else random.choice(WORDS.get(field, ("m", "n")))
            if field in f.NUMBERS and type(of) is int and of >= 0:
                counts[field] = of
    for field in ("input_tokens", "output_tokens", "thinking_tokens", "cache_read_tokens", "total_tokens"):
        if field in dialect.names and random.random() < 0.7:
            counts[field] = random.choice((1, 2, 5, 8, 13, *([0] * 5 if field == "thinking_tokens" else ())))
            for name in dialect.names[field]:
                said.pop(name, None)
            said[random.choice(dialect.names[field])] = counts[field]
    if "total_tokens" in dialect.names and random.random() < 0.8:
        outside = random.choice(
            ((), ("thinking_tokens",), ("cache_read_tokens",), ("thinking_tokens", "cache_read_tokens"))
        )
        summed = sum(counts.get(field, 0) for field in ("input_tokens", "output_tokens", *outside))
        said[dialect.names["total_tokens"][0]] = summed
    if random.random() < 0.5:
        said.update(random.sample(REPLIES, random.choice((1, 2, 4))))
    if dialect.marks and random.random() < 0.9:
        said.setdefault(dialect.marks[0], "chat")
    events = []
    for _ in range(random.choice((0, 0, 1, 2))):
        name = random.choice((a.EVALUATION_EVENT, "exception", *f.FIRST_CHUNK_EVENTS, "gen_ai.choice"))
        told = dict([random.choice(REPLIES)]) if name == "gen_ai.choice" else {"exception.type": "E"}
        events.append((name, _evaluation(random) if name == a.EVALUATION_EVENT else told))
    made = span_of(said, number, events)
    made.start_time_unix_nano, made.end_time_unix_nano = _time(random), _time(random)
    made.status.code = cast(Any, random.randrange(4))
    made.trace_state = random.choice(("", "ot=th:8", "a=b,ot=rv:1;th:fd70a4", "ot=th:ffffffffffffff"))
    # a name twice: the first that says something counts
    if said and random.random() < 0.2:
        made.attributes.extend(pairs({random.choice(list(said)): 99}))
    for event in made.events:
        event.time_unix_nano = _time(random)
    return made


def _evaluation(random: Random) -> dict[str, Any]:
    choices: dict[str, Sequence[Any]] = {
        a.EVALUATION_KIND: ("ground_truth", "verifier"),
        a.EVALUATION_SCORE_VALUE: SCORES,
        a.EVALUATION_SCORE_LABEL: (*f.CORRECT, *f.INCORRECT, "PASS", "other"),
        a.VERDICT_THRESHOLD: SCORES,
        a.REQUEST_ID: ("r",),
        a.ATTEMPT: (*COUNTS, *ODD_COUNTS),
        a.SAMPLE: (*COUNTS, *ODD_COUNTS),
        a.LABEL_SOURCE: ("human", "TEST"),
        a.LABEL_SAMPLING_PROBABILITY: (0, 0.25, 1, 2),
        a.RESPONSE_ID: ("id",),
    }
    return {name: random.choice(values) for name, values in choices.items() if random.random() < 0.5}


def _time(random: Random) -> int:
    return random.choice(
        (RECEIVED - 3 * SECOND, RECEIVED - SECOND, RECEIVED, 0, RECEIVED + 2 * 86_400 * SECOND, 2**64 - 1)
    )
