"""Rules of the configuration that take part in reading, kept in the store so that every reader sees the same."""

import datetime as dt
import fnmatch
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.store.statement import statement


class Rule(NamedTuple):
    """One row of the table `rules`; what its fields mean depends on the kind.

    Most are told in migration 1. Beside them: 'budget' and 'quota' with the limits that are set as JSON in `value`,
    and 'price' with a price that was set by command.
    """

    attribute: str
    pattern: str
    value: str


NO_RULES = Rule("", "", "")
"""Stands in the table for "this kind has no rules any more"."""


def tier_rules(tiers: Mapping[str, int]) -> list[Rule]:
    """`[tiers]`: model glob -> tier; the first that matches holds."""
    return [Rule("", glob_to_regex(pattern), str(tier)) for pattern, tier in tiers.items()]


def task_rules(tasks: Sequence[tuple[Mapping[str, str], str]]) -> list[Rule]:
    """`[[tasks]]`: (attribute -> glob, task class); all globs of a rule must match, the first rule holds."""
    return [
        Rule("", json.dumps({name: glob_to_regex(glob) for name, glob in match.items()}), task) for match, task in tasks
    ]


def never_thinks_rules() -> list[Rule]:
    """Models whose absent thinking count is a known 0, from `models.toml`."""
    listed = tomllib.loads((files("thinkmeter.schema") / "models.toml").read_text())["never_thinks"]
    return [Rule("", glob_to_regex(glob, prefix="(?:.*/)?"), "") for glob in listed]


def policy_rules(policies: Mapping[str, str]) -> list[Rule]:
    """`[policy.*]`: task class -> its complete settings as JSON."""
    return [Rule(task, "", settings) for task, settings in policies.items()]


def timezone_rules(name: str) -> list[Rule]:
    """`timezone`: where the project's days begin, an IANA name."""
    return [Rule("", "", name)]


def limit_rules(limits: Mapping[str, float]) -> list[Rule]:
    """`[budgets]` or `[quotas]`: those that are set, as JSON; nothing where none is."""
    return [Rule("", "", json.dumps(limits))] if limits else []


def glob_to_regex(glob: str, prefix: str = "") -> str:
    """A regular expression in RE2's spelling that matches whole names, as `fnmatch` does, case-sensitively."""
    return f"^{prefix}{fnmatch.translate(glob).removesuffix(chr(92) + 'Z')}$"


def store_rules(client: Client, kind: str, rules: Sequence[Rule]) -> bool:
    """Make `rules` the ones of their kind; whether that changed anything."""
    current = [
        Rule(*row)
        for row in client.query(
            statement("thinkmeter.schema", "current_rules"),
            parameters={"kind": kind},
        ).result_rows
    ]
    if current == list(rules):
        return False
    revision = after(client, "newest_revision", kind=kind)
    client.insert(
        "rules",
        [[kind, revision, position, *rule] for position, rule in enumerate(rules or [NO_RULES])],
        column_names=["kind", "revision", "position", "attribute", "pattern", "value"],
    )
    return True


def after(client: Client, newest: str, **values: str) -> dt.datetime:
    """The time, or the instant after what was recorded last, where the clock went back since: the newest holds.

    Args:
        client: of the store.
        newest: the statement that says when that was.
        values: what it is bound to.
    """
    [(last,)] = client.query(statement(__package__, newest), parameters=values, tz_mode="aware").result_rows
    assert isinstance(last, dt.datetime)
    return max(dt.datetime.now(dt.UTC), last + dt.timedelta(microseconds=1))
