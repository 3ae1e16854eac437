"""The short way of settling, for traces that one instrumentation saw, comes to what the long one comes to."""

import random

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.test_settling import put
from tests.schema.rows import Row, select, span
from thinkmeter.collector.dialects.fields import ODD
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.attributes import REFLECTION_RATIO
from thinkmeter.schema.store.statement import statement

FACTS = (
    "SELECT * EXCEPT (version) FROM call_facts FINAL"
    " WHERE (project, trace_id) NOT IN (SELECT project, trace_id FROM spans WHERE scope_name = 'other')"
    " ORDER BY project, trace_id, span_id"
)


def traces(rng: random.Random, *, with_context: bool) -> list[Row]:
    """Traces of one instrumentation each, with every kind of gap and nonsense in what they say."""
    rows: list[Row] = []
    for n in range(40):
        scope = rng.choice(["thinkmeter", "x", "y"])
        root = span(span_class="request", scope_name=scope, request_id=rng.choice(["", f"r{n}"]), task=f"t{n % 3}")
        context = {"request_id": f"r{n}", "task": "sql", "tier": 2, "attempt": 1}
        calls = [
            span(
                trace_id=root["trace_id"],
                parent_span_id=rng.choice(["", root["span_id"], "f" * 16]) if not with_context else root["span_id"],
                scope_name=scope,
                at_s=n,
                project=rng.choice(["default", "another"]) if with_context else "default",
                operation=rng.choice(["chat", "embeddings"]),
                response_id=rng.choice(["", f"resp-{scope}-{n % 7}"]),
                input_tokens=rng.choice([None, 0, 50]),
                output_tokens=rng.choice([None, 0, 20]),
                thinking_tokens=rng.choice([None, -1, 0, 20, 21]),
                thinking_source=rng.choice(["", "provider", "derived"]),
                cache_read_tokens=rng.choice([None, 40]),
                cache_write_tokens=rng.choice([None, 20]),
                reported_cost_usd=rng.choice([None, 0.25]),
                service_tier=rng.choice(["", "flex"]),
                effort=rng.choice(["", "high"]),
                finish_reason=rng.choice(["", "stop"]),
                error_type=rng.choice(["", "timeout"]),
                attributes=rng.choice([{}, {ODD: "count,thinking"}, {REFLECTION_RATIO: "0.5"}]),
                **(context if with_context or rng.random() < 0.3 else {}),
            )
            for _ in range(rng.randrange(1, 4))
        ]
        rows += [root, *calls]
    return rows


def way(client: Client) -> tuple[bool, bool]:
    """Whether the last run found anything tangled, and anything lacking."""
    [[run]] = client.query("SELECT max(run) FROM settling_traces").result_rows
    [found] = client.query(statement("thinkmeter.collector.jobs", "settle_ways"), parameters={"run": run}).result_rows
    return bool(found[0]), bool(found[1])


@pytest.mark.parametrize("with_context", [True, False])
def test_both_ways_come_to_the_same(client: Client, with_context: bool) -> None:
    put(client, traces(random.Random(26), with_context=with_context))
    settle_calls(client)
    assert way(client) == (False, not with_context)
    short = select(client, FACTS)
    assert len(short) >= 40
    # two instrumentations of one call, which make the whole run take the long way
    ours = span(scope_name="other")
    put(client, [ours, span(scope_name="another", trace_id=ours["trace_id"], parent_span_id=ours["span_id"])])
    client.command("TRUNCATE TABLE call_facts")
    client.command("TRUNCATE TABLE watermarks")
    settle_calls(client)
    assert way(client)[0]
    assert select(client, FACTS) == short
