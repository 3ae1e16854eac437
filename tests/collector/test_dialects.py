"""What spans of every dialect mean: which are calls, whose, and what their counts are."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.collector.otlp import RECEIVED, span_of, traces
from tests.collector.recordings import recorded
from thinkmeter.collector.dialects import DIALECTS, OPEN_BEGINNINGS, OPEN_NAMES, candidates
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.dialects.page import documented
from thinkmeter.collector.dialects.providers import HOSTS, PROVIDERS
from thinkmeter.collector.privacy import NOTHING_KEPT
from thinkmeter.collector.reference import Row, decode
from thinkmeter.collector.segment import Signal
from thinkmeter.schema import attributes as a

CHAT = {a.OPERATION_NAME: "chat", a.REQUEST_MODEL: "m"}
TOKENS = ("input_tokens", "output_tokens", "thinking_tokens", "thinking_source")


def decoded(attributes: dict[str, Any], scope: str = "some.scope") -> Row:
    [row] = decode(Signal.TRACES, traces([span_of(attributes)], scope), "default", RECEIVED)["spans"]
    return row


def tokens(attributes: dict[str, Any], scope: str = "some.scope") -> tuple[Any, ...]:
    row = decoded(attributes, scope)
    return tuple(row[column] for column in TOKENS)


def otel(provider: str, said: int, out: int, **more: Any) -> dict[str, Any]:
    usage = {a.PROVIDER_NAME: provider, a.INPUT_TOKENS: said, a.OUTPUT_TOKENS: out}
    return {**CHAT, **usage, **{f"gen_ai.usage.{name}": count for name, count in more.items()}}


# --- the table itself -----------------------------------------------------------------------------


def test_every_field_that_a_dialect_names_exists() -> None:
    for dialect in DIALECTS:
        assert set(dialect.names) <= {*f.TEXTS, *f.NUMBERS}


def test_no_name_stands_for_two_fields_and_orders_agree() -> None:
    names = [name for field in (*f.TEXTS, *f.NUMBERS) for name in candidates(field)]
    assert len(names) == len(set(names))


def test_providers_end_at_names_that_stay() -> None:
    for name in (*PROVIDERS.values(), *HOSTS.values()):
        assert PROVIDERS.get(name, name) == name


def test_the_documentation_lists_every_name() -> None:
    text = documented()
    for field in (*f.TEXTS, *f.NUMBERS):
        for name in candidates(field):
            assert f"`{name}`" in text


def test_the_page_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "dialects.md"
    assert page.read_text() == documented(), "python -m thinkmeter.collector.dialects.page > docs/dialects.md"


# --- whose span it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "attributes", "dialect"),
    [
        ("thinkmeter", CHAT, "thinkmeter"),
        ("thinkmeterish", {}, ""),
        ("com.anthropic.sdk.python", CHAT, "anthropic_sdk"),
        ("xai_sdk.sync.chat", CHAT, "xai_sdk"),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", CHAT, "otel_bedrock"),
        ("openinference.instrumentation.openai", {}, "openinference"),
        ("x", {"openinference.span.kind": "LLM", **CHAT}, "openinference"),
        ("x", {"llm.request.type": "chat", **CHAT}, "openllmetry"),
        ("x", {"traceloop.workflow.name": "w"}, "openllmetry"),
        ("x", CHAT, "otel_genai"),
        ("x", {"gen_ai.system": "openai"}, "otel_genai"),
        ("x", {"http.request.method": "POST", a.REQUEST_ID: "r"}, ""),
    ],
)
def test_the_first_dialect_that_claims_a_span_reads_it(scope: str, attributes: dict[str, Any], dialect: str) -> None:
    assert decoded(attributes, scope)["dialect"] == dialect


def test_a_span_written_in_two_dialects_is_read_in_one() -> None:
    both = {**otel("openai", 10, 5), "openinference.span.kind": "LLM", "llm.token_count.prompt": 99}
    assert tokens(both)[:2] == (99, None)


def test_the_context_of_a_request_is_read_on_every_span() -> None:
    row = decoded(
        {a.REQUEST_ID: "r", a.TASK: "t", a.TIER: "2", a.ATTEMPT: 3.0, a.SAMPLE: 0, a.USER_ID: 7, a.CONVERSATION_ID: "c"}
    )
    assert (row["dialect"], row["span_class"]) == ("", "other")
    assert [row[c] for c in ("request_id", "task", "tier", "attempt", "sample", "user_id", "session_id")] == [
        "r", "t", 2, 3, 0, "7", "c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "scope", "expected"),
    [
        ({a.ENTITY: "request"}, "thinkmeter", "request"),
        ({a.ENTITY: "attempt"}, "thinkmeter", "attempt"),
        ({a.ENTITY: "request"}, "other", "other"),
        ({a.OPERATION_NAME: "embeddings"}, "x", "inference"),
        ({a.OPERATION_NAME: "invoke_agent", a.REQUEST_MODEL: "m"}, "x", "agent"),
        ({a.OPERATION_NAME: "execute_tool"}, "x", "tool"),
        ({a.OPERATION_NAME: "fetch_response", a.RESPONSE_MODEL: "m"}, "x", "other"),
        ({a.OPERATION_NAME: "responses", a.REQUEST_MODEL: "m"}, "x", "inference"),
        ({"gen_ai.tool.name": "t"}, "x", "tool"),
        ({"gen_ai.agent.name": "t"}, "x", "agent"),
        ({"openinference.span.kind": "CHAIN", "llm.model_name": "m"}, "x", "other"),
        ({"openinference.span.kind": "EMBEDDING"}, "x", "inference"),
        ({"openinference.span.kind": "UNKNOWN", "llm.model_name": "m"}, "x", "inference"),
        ({"traceloop.span.kind": "workflow"}, "x", "agent"),
        ({"traceloop.span.kind": "task"}, "x", "other"),
        ({"llm.request.type": "completion"}, "x", "inference"),
        # counting tokens names a model and is no call
        ({a.PROVIDER_NAME: "anthropic", a.REQUEST_MODEL: "m"}, "com.anthropic.sdk.python", "other"),
    ],
)
def test_spans_are_told_apart(attributes: dict[str, Any], scope: str, expected: str) -> None:
    assert decoded(attributes, scope)["span_class"] == expected


def test_agents_and_tools_bear_no_tokens() -> None:
    summed = {**otel("openai", 100, 50), a.OPERATION_NAME: "invoke_agent"}
    assert tokens(summed) == (None, None, None, "")
    assert decoded(summed)["attributes"][a.INPUT_TOKENS] == "100"


@pytest.mark.parametrize(
    ("said", "host", "provider"),
    [
        ("xai", "", "x_ai"),
        ("Google", "", "gcp.gemini"),
        ("VertexAI", "", "gcp.vertex_ai"),
        ("Acme", "", "acme"),
        ("openai", "api.x.ai", "x_ai"),
        ("openai", "api.openai.com", "openai"),
        ("", "api.deepseek.com", "deepseek"),
        ("anthropic", "api.x.ai", "anthropic"),
    ],
)
def test_providers_have_one_name(said: str, host: str, provider: str) -> None:
    assert decoded({**CHAT, "gen_ai.system": said, a.SERVER_ADDRESS: host})["provider"] == provider


# --- what the counts mean -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "scope", "expected"),
    [
        # the conventions: thinking inside output, cache inside input
        (otel("openai", 100, 60, **{"reasoning.output_tokens": 40}), "x", (100, 60, 40, "provider")),
        # xai-sdk: 30 + 151 + 418 = 599, thinking outside
        (otel("xai", 30, 151, reasoning_tokens=418, total_tokens=599), "xai_sdk.aio.chat", (30, 569, 418, "provider")),
        (otel("xai", 30, 151, reasoning_tokens=418), "xai_sdk.aio.chat", (30, 569, 418, "provider")),
        # an xAI model through an OpenAI client: outside, unless the total or the API says otherwise
        (otel("x_ai", 30, 151, reasoning_tokens=100), "x", (30, 251, 100, "provider")),
        (otel("x_ai", 30, 151, reasoning_tokens=100, total_tokens=181), "x", (30, 151, 100, "provider")),
        (
            {**otel("x_ai", 30, 151, reasoning_tokens=100), "openai.api.type": "responses"},
            "x",
            (30, 151, 100, "provider"),
        ),
        # outside and unknown: so is the output
        (otel("x_ai", 30, 151), "x", (30, None, None, "missing")),
        # a total proves it for any provider
        (otel("acme", 30, 151, reasoning_tokens=100, total_tokens=281), "x", (30, 251, 100, "provider")),
        # Gemini's thoughts that an instrumentation dropped, found in the total
        (otel("gemini", 6, 951, total_tokens=2061), "x", (6, 2055, 1104, "estimated")),
        # Bedrock: cache outside
        (
            otel("aws.bedrock", 10, 5, **{"cache_read.input_tokens": 80, "cache_write.input_tokens": 20}),
            "opentelemetry.instrumentation.botocore.bedrock-runtime",
            (110, 5, None, "missing"),
        ),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "aws",
                "llm.token_count.prompt": 10,
                "llm.token_count.completion": 5,
                "llm.token_count.prompt_details.cache_read": 80,
                "llm.token_count.total": 95,
            },
            "x",
            (90, 5, None, "missing"),
        ),
        # older names
        ({**CHAT, "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 8}, "x", (7, 8, None, "missing")),
        (
            {"llm.request.type": "chat", "llm.usage.prompt_tokens": 7, "llm.usage.reasoning_tokens": 2},
            "x",
            (7, None, 2, "provider"),
        ),
    ],
)
def test_counts_mean_what_the_dialect_means(attributes: dict[str, Any], scope: str, expected: tuple[Any, ...]) -> None:
    assert tokens(attributes, scope) == expected


@pytest.mark.parametrize(
    ("more", "thinking", "source"),
    [
        ({}, None, "missing"),
        ({a.REQUEST_REASONING_LEVEL: "none"}, 0, "derived"),
        ({a.REQUEST_REASONING_LEVEL: "minimal"}, None, "missing"),
        ({a.THINKING_BUDGET_TOKENS: 0}, 0, "derived"),
        ({a.THINKING_BUDGET_TOKENS: -1}, None, "missing"),
        ({"anthropic.thinking.type": "disabled"}, 0, "derived"),
        ({a.REASONING_OUTPUT_TOKENS: 3, a.REQUEST_REASONING_LEVEL: "none"}, 3, "provider"),
        ({a.REASONING_OUTPUT_TOKENS: 3, a.THINKING_SOURCE: "estimated"}, 3, "estimated"),
        ({a.REASONING_OUTPUT_TOKENS: 3, a.THINKING_SOURCE: "guessed"}, 3, "provider"),
        ({a.REASONING_OUTPUT_TOKENS: 0}, 0, "provider"),
        # above the output: kept as sent, so that it can be counted; no call has it
        ({a.REASONING_OUTPUT_TOKENS: 50}, 50, "provider"),
    ],
)
def test_zero_is_known_or_it_is_null(more: dict[str, Any], thinking: int | None, source: str) -> None:
    assert tokens({**otel("openai", 10, 5), **more})[2:] == (thinking, source)


@pytest.mark.parametrize(
    ("said", "count"),
    [("123", 123), (123.0, 123), ("1e2", 100), (10**9, 10**9), (0, 0)]
    + [(bad, None) for bad in (-1, 0.5, 10**9 + 1, "12 tokens", "", "nan", True, [5], b"5", None)],
)
def test_a_count_is_read_whatever_it_was_sent_as(said: Any, count: int | None) -> None:
    row = decoded({**CHAT, a.INPUT_TOKENS: said})
    assert row["input_tokens"] == count
    assert a.INPUT_TOKENS in row["attributes"]


def test_a_name_that_says_nothing_leaves_its_place_to_the_next() -> None:
    assert tokens({**CHAT, a.INPUT_TOKENS: "?", "gen_ai.usage.prompt_tokens": 4})[0] == 4


def test_parameters_of_openinference_are_read() -> None:
    parameters = {"reasoning": {"effort": "high"}, "thinking": {"budget_tokens": 2048}, "service_tier": "flex"}
    row = decoded({"openinference.span.kind": "LLM", "llm.invocation_parameters": json.dumps(parameters)})
    assert (row["effort"], row["budget_tokens"], row["service_tier"]) == ("high", 2048, "flex")


def test_what_was_billed_stands_before_what_was_asked_for() -> None:
    asked = {**CHAT, "openai.request.service_tier": "auto"}
    assert decoded(asked)["service_tier"] == "auto"
    assert decoded({**asked, "gen_ai.openai.response.service_tier": "flex"})["service_tier"] == "flex"


def test_costs_that_the_provider_reports_are_read() -> None:
    assert decoded({**CHAT, "gen_ai.usage.cost_in_usd_ticks": 25_000_000_000}, "xai_sdk.x")["reported_cost_usd"] == 2.5
    assert decoded({**CHAT, a.USAGE_COST_USD: 0.25})["reported_cost_usd"] == 0.25
    assert decoded({**CHAT, "gen_ai.usage.cost_in_usd_ticks": 1})["reported_cost_usd"] is None


def test_what_stands_in_a_column_as_it_was_sent_is_not_kept_twice() -> None:
    row = decoded({**CHAT, a.RESPONSE_ID: "id", "gen_ai.system": "xai", "other": [1, "a"]})
    assert row["attributes"] == {a.OPERATION_NAME: "chat", "gen_ai.system": "xai", "other": '[1,"a"]'}


def test_names_that_need_no_look_are_neither_read_nor_content() -> None:
    read = {name for dialect in DIALECTS for names in (dialect.marks, *dialect.names.values()) for name in names}
    assert read.isdisjoint(f.PLAIN)
    told = dict.fromkeys(f.PLAIN, "x")
    assert NOTHING_KEPT.attributes("default", told, []) == told


@pytest.mark.parametrize(
    "name",
    [
        *sorted(OPEN_NAMES),
        *(name for dialect in DIALECTS for part in dialect.parts for name in part),
        *("gen_ai.completion.#.reasoning_content", "llm.input_messages.#.message.reasoning_content"),
    ],
)
def test_names_that_stand_for_many_are_told_by_their_beginnings(name: str) -> None:
    assert ".".join(name.split(".")[:2]) in OPEN_BEGINNINGS
    told = {name.replace("#", "7") + ("x" if name.endswith(".") else ""): "x"}
    assert NOTHING_KEPT.attributes("default", told, []) == {}


def test_recordings_of_other_sdks_give_the_counts_that_their_own_receiver_has(real_data: Path) -> None:
    expected = json.loads((real_data / "foreign_otlp" / "expected.json").read_text())
    classes = {"GENERATION": "inference", "AGENT": "agent", "TOOL": "tool", "SPAN": "other"}
    compared = 0
    for name, body in recorded(real_data):
        rows = {row["span_id"]: row for row in decode(Signal.TRACES, body, "default", RECEIVED)["spans"]}
        assert rows.keys() == {told["span_id"] for told in expected[name]}
        for told in expected[name]:
            row, usage = rows[told["span_id"]], told["usage_details"]
            assert row["scope_name"] == told["scope"]
            # its receiver takes a span that names a tool for any span
            named_tool = "gen_ai.tool.name" in row["attributes"]
            assert row["span_class"] == ("tool" if named_tool else classes[told["type"]])
            assert (row["response_model"] or row["request_model"]) == (told["model"] or "")
            if told["scope"] == "ai.koog":
                # koog sent no counts: its receiver counted the words itself, which nobody can tell from a provider's
                assert not any("usage" in key for key in row["attributes"])
                usage = {}
            compared += bool(usage)
            assert row["input_tokens"] == usage.get("input")
            assert row["output_tokens"] == usage.get("output")
            assert row["thinking_tokens"] == usage.get("completion_details.reasoning")
            assert row["cache_read_tokens"] == usage.get("prompt_details.cache_read")
    assert compared == 3
