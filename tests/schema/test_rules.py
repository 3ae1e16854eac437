"""Rules reach the store once, are replaced whole, and match as globs do."""

import fnmatch

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import Row, insert, select, span
from thinkmeter.schema.rules import glob_to_regex, never_thinks_rules, store_rules, task_rules, tier_rules
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore


def test_rules_are_replaced_whole(client: Client) -> None:
    assert store_rules(client, "tier", tier_rules({"acme-*": 2, "*": 1}))
    assert not store_rules(client, "tier", tier_rules({"acme-*": 2, "*": 1}))
    insert(client, "spans", [span()])
    assert select(client, "SELECT tier FROM calls") == [{"tier": 2}]
    assert store_rules(client, "tier", [])
    assert not store_rules(client, "tier", [])
    assert select(client, "SELECT tier FROM calls") == [{"tier": None}]


def test_a_task_rule_needs_all_of_its_globs(client: Client) -> None:
    store_rules(client, "task", task_rules([({"gen_ai.prompt.name": "sql-*", "user.id": "u-?"}, "sql")]))
    both: Row = {"attributes": {"gen_ai.prompt.name": "sql-1"}}
    insert(client, "spans", [span(user_id="u-1", **both), span(user_id="admin", at_s=1, **both)])
    assert select(client, "SELECT task FROM calls ORDER BY time") == [{"task": "sql"}, {"task": "unknown"}]


def test_the_store_matches_as_globs_do(store: EmbeddedStore) -> None:
    globs = ["gpt-5*", "a.b", "x?z", "[ab]c", "[!a]c", "a+b(c)", "*", "o1-*-mini", "50%"]
    names = ["gpt-5-nano", "a.b", "axb", "xyz", "ac", "bc", "a+b(c)", "o1-x-mini", "50%", ""]
    with connect(store.address, database="default") as client:
        for glob in globs:
            matched = client.query(
                "SELECT arrayMap(name -> match(name, {regex:String}), {names:Array(String)})",
                parameters={"names": names, "regex": glob_to_regex(glob)},
            ).result_rows[0][0]
            assert [bool(m) for m in matched] == [fnmatch.fnmatchcase(name, glob) for name in names], glob


@pytest.mark.parametrize(
    ("model", "thinking"),
    [("gpt-4o-2024-08-06", 0), ("openai/gpt-4o", 0), ("gpt-4", 0), ("gpt-5-nano", None), ("o3-mini", None)],
)
def test_models_that_never_think(client: Client, model: str, thinking: int | None) -> None:
    store_rules(client, "never_thinks", never_thinks_rules())
    insert(client, "spans", [span(request_model=model, input_tokens=1, output_tokens=1)])
    assert select(client, "SELECT thinking_tokens AS n FROM calls") == [{"n": thinking}]


def test_what_is_configured_last_holds_though_the_clock_went_back(client: Client) -> None:
    assert store_rules(client, "tier", tier_rules({"acme-*": 2}))
    client.command("INSERT INTO rules SELECT * REPLACE (revision + INTERVAL 40 DAY AS revision) FROM rules")
    assert store_rules(client, "tier", tier_rules({"acme-*": 3}))
    assert select(client, "SELECT value FROM current_rules WHERE kind = 'tier'") == [{"value": "3"}]
    assert not store_rules(client, "tier", tier_rules({"acme-*": 3}))
