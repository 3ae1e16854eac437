"""The job that lets merges go on knows the embedded store by what it says, and leaves those of another alone."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.test_merges import are_merged, insert_parts
from tests.waiting import wait_for
from thinkmeter.collector.jobs.merging import let_merges_go_on
from thinkmeter.schema.store import embedded
from thinkmeter.schema.store.client import StoreAddress, connect


def test_the_embedded_store_is_known_whatever_address_it_is_reached_by(client: Client, store_url: str) -> None:
    address = StoreAddress.from_url(store_url)
    assert not address.embedded
    client.command("SYSTEM STOP MERGES spans")  # as a writer leaves them that is killed
    insert_parts(client, 3)
    with connect(address) as of_url:
        wait_for(lambda: let_merges_go_on(of_url, quiet_s=1))
    assert are_merged(client)


def test_merges_of_another_store_are_its_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = embedded.CONFIG.replace("thinkmeter_store", "another_store")
    assert others != embedded.CONFIG
    monkeypatch.setattr(embedded, "CONFIG", others)
    with embedded.EmbeddedStore(tmp_path, port=0) as store, connect(store.address, database="default") as client:
        client.command("CREATE TABLE spans (project String, span_id String, time DateTime64(9)) ORDER BY span_id")
        client.command("SYSTEM STOP MERGES spans")
        insert_parts(client, 2)
        assert not let_merges_go_on(client, quiet_s=0)
        assert not are_merged(client)
