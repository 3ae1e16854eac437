"""`thinkmeter backup` and `restore`: what was stored is there again, and what cannot be is one sentence."""

from pathlib import Path

import pytest

from tests.alerts.traffic import insert_settled
from tests.commandline import Run
from tests.schema.rows import insert, label, price, select, verdict
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.store.client import connect
from thinkmeter.schema.store.embedded import EmbeddedStore

REQUESTS = "SELECT request_id, thinking_tokens, cost_usd, verdict_passed, correct FROM requests ORDER BY request_id"


def test_everything_is_there_again_in_another_directory(laid_data: Path, tmp_path: Path, run: Run) -> None:
    here, there, file = laid_data, tmp_path / "there", tmp_path / "kept.tar.zst"
    with EmbeddedStore(here, port=0) as store:
        with connect(store.address) as client:
            insert_settled(client, range(100, 120))
            insert(client, "prices", [price()])
            insert(client, "verdicts", [verdict("old-{}-3", passed=True)])
            insert(client, "labels", [label("old-{}-3", correct=True)])
            settle_calls(client)
            before = select(client, REQUESTS)
            assert len(before) == 20
        told = run("backup", str(file), "--data", str(here))
        assert told.code == 0, told.err
        assert told.out.startswith(f"{file}: {file.stat().st_size:,} bytes")
        assert list((here / "backups").iterdir()) == []
        again = run("backup", str(file), "--data", str(here))
        assert (again.code, again.err) == (1, f"thinkmeter: {file} exists already: name another\n")
        busy = run("restore", str(file), "--data", str(here))
        assert busy.code == 1
        assert "is in use by process" in busy.err
    told = run("restore", str(file), "--data", str(there))
    assert (told.code, told.out) == (0, f"{file} is restored to {there}\n"), told.err
    with EmbeddedStore(there, port=0) as store, connect(store.address) as client:
        assert select(client, REQUESTS) == before
    again = run("restore", str(file), "--data", str(there))
    assert (again.code, again.err) == (
        1,
        "thinkmeter: the store has data already: restore into a data directory of its own\n",
    )


@pytest.mark.parametrize("content", [b"", b"no backup at all"])
def test_a_file_that_is_no_backup_is_one_sentence(content: bytes, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "kept.tar.zst"
    file.write_bytes(content)
    told = run("restore", str(file), "--data", str(tmp_path / "data"))
    assert told.code == 1
    assert told.err.startswith("thinkmeter: the store refused: ")
    assert told.err.count("\n") == 1


def test_what_cannot_be_written_or_found_is_one_sentence(tmp_path: Path, run: Run) -> None:
    told = run("backup", str(tmp_path / "x"), "--data", str(tmp_path))
    assert told.err.startswith(f"thinkmeter: no store is running on {tmp_path}")
    told = run("restore", str(tmp_path / "x"), "--data", str(tmp_path))
    assert told.err == f"thinkmeter: {tmp_path / 'x'} is no file\n"
    file = tmp_path / "t.toml"
    file.write_text('[store]\nurl = "clickhouse://db.internal/thinkmeter"\n')
    told = run("backup", str(tmp_path / "x"), "--config", str(file))
    assert told.err.startswith("thinkmeter: the store is a server: back it up")
