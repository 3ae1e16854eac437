"""Policies: defaults, inheritance, and messages that name the place."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from tests.schema.rows import select
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.policy import Policies, Policy
from thinkmeter.schema.rules import policy_rules, store_rules


def test_without_sections_the_defaults_hold() -> None:
    policies = Policies.from_sections({})
    assert list(policies) == ["default"]
    policy = policies["anything"]
    assert (policy.min_requests, policy.min_labels, policy.p95_factor, policy.runaway_floor_tokens) == (20, 30, 2, 1000)
    assert (policy.escalation_target, policy.precision_target, policy.parent) == (0.20, 0.95, "default")
    assert (policy.baseline_accuracy, policy.verifier, policy.thinking_cap_tokens) == (None, None, None)


def test_a_section_inherits_what_it_does_not_set() -> None:
    policies = Policies.from_sections({"sql": {"min_labels": 50}, "default": {"min_labels": 40, "verifier": "orm"}})
    assert list(policies) == ["default", "sql"]
    assert (policies["sql"].min_labels, policies["sql"].verifier) == (50, "orm")
    assert (policies["other"].min_labels, policies["other"].verifier) == (40, "orm")
    assert "sql" in policies
    assert "other" not in policies


def test_values_may_come_as_text() -> None:
    assert Policies.from_sections({"sql": {"min_labels": "50"}})["sql"].min_labels == 50


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Policy().min_labels = 3


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"sql": {"min_label": 3}}, r"policy\.sql\.min_label: there is no such key; the nearest is 'min_labels'"),
        ({"sql": {"p95_factor": 0.5}}, r"policy\.sql\.p95_factor: .*greater than or equal to 1, not 0\.5"),
        ({"sql": {"baseline_accuracy": 62}}, r"policy\.sql\.baseline_accuracy: .*less than or equal to 1, not 62"),
        ({"sql": {"tier_mix": [0.5, 0.2, 0.2]}}, r"policy\.sql\.tier_mix: the three shares add up to 0\.9, not to 1"),
        ({"sql": {"tier_mix": [0.5, 0.5]}}, r"policy\.sql\.tier_mix\.2: "),
        ({"sql": {"min_requests": "many"}}, r"policy\.sql\.min_requests: .*integer.*, not 'many'"),
        ({"sql": {"parent": "base"}}, r"policy\.sql\.parent: there is no section policy\.base; the nearest is policy"),
        (
            {"a": {"parent": "b"}, "b": {"parent": "a"}},
            r"policy\.b\.parent: the parents go in a circle: a -> b -> a",
        ),
        ({"a": {"parent": "a"}}, r"policy\.a\.parent: the parents go in a circle: a -> a"),
    ],
)
def test_a_mistake_is_told_with_its_place(sections: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(ThinkmeterError, match=message):
        Policies.from_sections(sections)


def test_the_store_keeps_policies_whole(client: Client) -> None:
    policies = Policies.from_sections({"sql": {"verifier": "orm", "tier_mix": [0.6, 0.3, 0.1], "parent": "default"}})
    store_rules(client, "policy", policy_rules({task: policies[task].model_dump_json() for task in policies}))
    rows = select(client, "SELECT task, settings, verifier, min_labels, baseline_accuracy FROM policies ORDER BY task")
    assert Policies.from_json({row["task"]: row["settings"] for row in rows}) == policies
    assert [(r["task"], r["verifier"], r["min_labels"], r["baseline_accuracy"]) for r in rows] == [
        ("default", "", 30, None),
        ("sql", "orm", 30, None),
    ]
