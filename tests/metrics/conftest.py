"""A store with every scenario in it, filled once, and what it reports."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.databases import Databases
from tests.metrics.scenarios import POLICIES, traffic
from tests.metrics.traffic import SINCE, UNTIL, insert_traffic
from tests.schema.rows import insert, price
from thinkmeter.collector.jobs.requests import refresh_requests
from thinkmeter.schema.policy import Policies
from thinkmeter.schema.query import Reader, ReportRow
from thinkmeter.schema.rules import policy_rules, store_rules
from thinkmeter.schema.store.client import StoreAddress, connect

# A machine that is busy is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="package")
def filled(databases: Databases) -> Iterator[StoreAddress]:
    address = databases.take()
    policies = Policies.from_sections(POLICIES)
    with connect(address) as client:
        store_rules(client, "policy", policy_rules({task: policies[task].model_dump_json() for task in policies}))
        insert(client, "prices", [price()])
        insert_traffic(client, list(traffic()))
        refresh_requests(client, budget_s=None)
    yield address
    databases.give_back(address)


@pytest.fixture(scope="package")
def reader(filled: StoreAddress) -> Iterator[Reader]:
    with Reader(filled) as reader:
        yield reader


class Reported:
    """Rows of each metric by task class; read once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._rows: dict[str, list[ReportRow]] = {}

    def __call__(self, metric: str, task: str, **key: str) -> ReportRow:
        if metric not in self._rows:
            self._rows[metric] = list(self._reader.report(metric, since=SINCE, until=UNTIL).rows)
        [row] = [row for row in self._rows[metric] if {"task": task, **key}.items() <= row.key.items()]
        return row


@pytest.fixture(scope="package")
def reported(reader: Reader) -> Reported:
    return Reported(reader)
