"""Merges wait while more comes than goes in, never for long, and never once a writer has started or all is in."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.collector.traffic import spans, stored_spans
from tests.waiting import wait_for
from thinkmeter.collector import merges as module
from thinkmeter.collector.jobs.merging import let_merges_go_on
from thinkmeter.collector.merges import Merges
from thinkmeter.collector.record import marker, new_segment_id, record
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.collector.spool_files import SUFFIX
from thinkmeter.schema.store.client import StoreAddress

STOPPED = 236
"""ClickHouse's code of a merge that may not be."""
PARTS = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'spans' AND active"


def insert_parts(client: Client, count: int) -> None:
    for number in range(count):
        client.command(f"INSERT INTO spans (project, span_id, time) SELECT 'p', '{number}', now64(9)")


def are_merged(client: Client) -> bool:
    try:
        client.command("OPTIMIZE TABLE spans FINAL")
    except DatabaseError as error:
        if error.code != STOPPED:
            raise
        return False
    return int(str(client.command(PARTS))) == 1


def test_they_wait_while_more_comes_than_goes_in_and_go_on_when_all_is_in(client: Client) -> None:
    merges = Merges()
    merges.look(True, True, lambda: client)
    insert_parts(client, 3)
    assert merges.wait
    assert not are_merged(client)
    merges.look(False, False, lambda: client)
    assert are_merged(client)


def test_they_wait_until_all_is_in_and_do_not_begin_to_before_more_comes_than_goes_in(client: Client) -> None:
    merges = Merges()
    for behind, underway, expected in (
        (False, True, False),
        (True, True, True),
        (False, True, True),
        (False, False, False),
        (False, True, False),
    ):
        merges.look(behind, underway, lambda: client)
        assert merges.wait is expected
    insert_parts(client, 2)
    assert are_merged(client)


def test_they_go_on_under_a_load_that_lasts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    merges = Merges()
    merges.look(True, True, lambda: client)
    for tail_s, expected in ((60.0, True), (0.0, False)):
        monkeypatch.setattr(module, "TAIL_S", tail_s)
        merges.look(False, True, lambda: client)
        assert merges.wait is expected
    insert_parts(client, 2)
    assert are_merged(client)


def test_they_wait_for_no_more_than_a_while(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.0)
    merges = Merges()
    for expected in (True, False, False):  # and not again until all is in
        merges.look(True, True, lambda: client)
        assert merges.wait is expected
    insert_parts(client, 2)
    assert are_merged(client)
    merges.look(False, False, lambda: client)
    merges.look(True, True, lambda: client)
    assert merges.wait
    merges.look(False, False, lambda: client)


def test_they_go_on_where_nobody_writes_any_more(client: Client) -> None:
    client.command("SYSTEM STOP MERGES spans")  # as a writer leaves them that is killed
    insert_parts(client, 3)
    assert not let_merges_go_on(client)
    assert not are_merged(client)
    wait_for(lambda: let_merges_go_on(client, quiet_s=1))
    assert are_merged(client)


def test_a_start_lets_them_go_on_whatever_was_left(
    database: StoreAddress, client: Client, tmp_path: Path, settings: CollectorSettings
) -> None:
    client.command("SYSTEM STOP MERGES spans")  # as a writer leaves them that is killed
    (tmp_path / "spool").mkdir()
    for number in range(1, 4):
        segment_id = new_segment_id(Signal.TRACES)
        body = frame(spans([number]).SerializeToString(), "p", 1)
        path = tmp_path / "spool" / f"{segment_id}{SUFFIX}"
        path.write_bytes(b"".join(record(marker(segment_id), body, 1)))
    with Collector(database, tmp_path, settings):
        wait_for(lambda: stored_spans(client) == [1, 2, 3])
        wait_for(lambda: are_merged(client))
