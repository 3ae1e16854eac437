"""Where one of the spans of a call shows thinking, 0 thinking tokens in another are no count either."""

from typing import Any, Final

from clickhouse_connect.driver.client import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector.otlp import pairs, span_of, traces
from tests.collector.shown import CALL, SECRET, messages
from tests.collector.test_counted_once import deliver
from tests.schema.rows import select
from tests.waiting import wait_for
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.collector.service import Collector
from thinkmeter.schema import attributes as a

Told = dict[str, Any]
UNSAID: Final = {name: said for name, said in CALL.items() if name != a.REASONING_OUTPUT_TOKENS}
ZERO: Final[Told] = {**CALL}
OFF: Final[Told] = {**UNSAID, a.REQUEST_REASONING_LEVEL: "none"}
SHOWN: Final = {"gen_ai.output.messages": messages({"type": "reasoning", "content": SECRET})}
OURS: Final = "thinkmeter"
# what our own spans say of thinking that was shown and counted as 0
RATIO: Final = {**UNSAID, a.REFLECTION_RATIO: 0.25, a.THINKING_SOURCE: "missing"}
UNKNOWN: Final = (None, "missing")
Thinking = tuple[int | None, str]
# what the outer span says, what the inner one does, and the call
CASES: Final[dict[str, tuple[Told, Told, Thinking]]] = {
    "nobody shows any": (ZERO, ZERO, (0, "provider")),
    "the client's own shows it": (ZERO, {**ZERO, **SHOWN}, UNKNOWN),
    "the wrapper shows it": ({**ZERO, **SHOWN}, ZERO, UNKNOWN),
    "one was switched off": (OFF, {**ZERO, **SHOWN}, UNKNOWN),
    "the client's own says nothing of a number": ({**ZERO, **SHOWN}, UNSAID, UNKNOWN),
    "one tells how far it reflects": (ZERO, RATIO, UNKNOWN),
    "another has a count": ({**ZERO, a.REASONING_OUTPUT_TOKENS: 20}, {**ZERO, **SHOWN}, (20, "provider")),
    "another has an estimate": (
        {**ZERO, a.REASONING_OUTPUT_TOKENS: 20, a.THINKING_SOURCE: "estimated"},
        {**ZERO, **SHOWN},
        (20, "estimated"),
    ),
}


def thinking(client: Client, collector: Collector, told: dict[str, list[tuple[str, Span]]]) -> dict[str, Thinking]:
    """What is known of the thinking of calls, each told of by spans of these scopes; response -> count and source."""
    bodies = [traces([said(span, response)], scope) for response, of in told.items() for scope, span in of]
    deliver(collector, b"".join(bodies), "plain")
    wait_for(lambda: select(client, "SELECT count() AS n FROM spans") == [{"n": len(bodies)}])
    settle_calls(client)
    calls = select(client, "SELECT response_id, merged_spans, thinking_tokens, thinking_source FROM calls")
    assert {call["response_id"]: call["merged_spans"] for call in calls} == {key: len(of) for key, of in told.items()}
    return {call["response_id"]: (call["thinking_tokens"], call["thinking_source"]) for call in calls}


def said(span: Span, response: str) -> Span:
    span.attributes.extend(pairs({a.RESPONSE_ID: response}))
    return span


def numbered(attributes: Told, number: int, trace: int, parent: int = 0) -> Span:
    made = span_of(attributes, 100 * trace + number)
    made.trace_id = trace.to_bytes(16, "big")
    made.parent_span_id = (100 * trace + parent).to_bytes(8, "big") if parent else b""
    return made


def test_a_wrapper_and_the_clients_own(client: Client, collector: Collector) -> None:
    told = {
        case: [
            (OURS if a.THINKING_SOURCE in outer else "a.framework", numbered(outer, 1, trace)),
            (OURS if a.THINKING_SOURCE in inner else "a.client", numbered(inner, 2, trace, parent=1)),
        ]
        for trace, (case, (outer, inner, _)) in enumerate(CASES.items(), 1)
    }
    assert thinking(client, collector, told) == {case: expected for case, (_, _, expected) in CASES.items()}


def test_a_gateway_that_counts_none_in_a_trace_of_its_own(client: Client, collector: Collector) -> None:
    told = {
        case: [(OURS, numbered(ours, 1, trace)), ("a.gateway", numbered(ZERO, 2, 10 + trace))]
        for trace, (case, ours) in enumerate({"content": {**ZERO, **SHOWN}, "ratio": RATIO, "none": ZERO}.items(), 1)
    }
    expected = {"content": UNKNOWN, "ratio": UNKNOWN, "none": (0, "provider")}
    assert thinking(client, collector, told) == expected


def test_a_span_alone_comes_to_the_same(client: Client, collector: Collector) -> None:
    contradicts = {**ZERO, a.REFLECTION_RATIO: 0.25}
    told = {"odd": [(OURS, numbered(contradicts, 1, 1))], "none": [(OURS, numbered(ZERO, 1, 2))]}
    assert thinking(client, collector, told) == {"odd": UNKNOWN, "none": (0, "provider")}
