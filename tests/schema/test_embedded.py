"""The embedded store starts, refuses strangers, survives kill -9, and ends with its parent."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.waiting import wait_for
from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.store.client import ADDRESS_FILE, StoreAddress, connect
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.embedded_child import LARGEST_LOG_BYTES, MERGES_NICE
from thinkmeter.schema.store.migrate import migrate

PARENT = """
import sys
from pathlib import Path
from thinkmeter.schema.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]), port=0)
print(store.pid, flush=True)
sys.stdin.read()
"""


def anonymous(port: int, sql: str) -> str:
    """What the password-less user is answered."""
    url = f"http://127.0.0.1:{port}/?query={urllib.parse.quote(sql)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return str(reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/hostname', 'LineAsString', 'l String')",
        "SELECT '' UNION ALL SELECT * FROM file('/etc/hostname', 'LineAsString', 'l String')",
        "SELECT (SELECT count() FROM file('/etc/hostname', 'LineAsString', 'l String'))",
        "SELECT 1 UNION ALL SELECT count() FROM thinkmeter.spans",
        "SELECT '' UNION ALL SELECT query FROM system.processes",
        "SELECT '' UNION ALL SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'l String')",
    ],
)
def test_a_stranger_reads_nothing(store: EmbeddedStore, sql: str) -> None:
    migrate(store.address)
    assert "ACCESS_DENIED" in anonymous(store.address.port, sql) or "QUOTA_EXCEEDED" in anonymous(
        store.address.port, sql
    )


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMPORARY TABLE t (x Int8)",
        "SHOW TABLES",
        "DROP DATABASE thinkmeter",
        "SELECT count() FROM numbers(3)",
    ],
)
def test_a_stranger_can_do_nothing(store: EmbeddedStore, sql: str) -> None:
    assert "QUOTA_EXCEEDED" in anonymous(store.address.port, sql)


def test_a_wrong_password_is_refused(store: EmbeddedStore) -> None:
    wrong = StoreAddress("127.0.0.1", store.address.port, "thinkmeter", "wrong", database="default")
    with pytest.raises(ThinkmeterError, match="refused"):
        connect(wrong)


def test_secrets_are_private(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, port=0) as store:
        for name in ("store-password", ADDRESS_FILE, "store-config/users.xml"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
        assert StoreAddress.of_running(tmp_path) == store.address
        assert json.loads((tmp_path / ADDRESS_FILE).read_text())["port"] == store.address.port
    assert not (tmp_path / ADDRESS_FILE).exists()


def test_rows_survive_kill_9_of_the_store(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, port=0) as store:
        migrate(store.address)
        with connect(store.address) as client:
            client.insert("prices", [["acme", "m"]], column_names=["provider", "model"])
        os.kill(store.pid, signal.SIGKILL)
        store.restart()
        with connect(store.address) as client:
            assert client.query("SELECT provider, model FROM prices").result_rows == [("acme", "m")]


def test_the_log_of_a_store_stays_small_and_why_it_died_is_kept(tmp_path: Path) -> None:
    log, before = tmp_path / "store.log", tmp_path / "store.log.1"
    with EmbeddedStore(tmp_path, port=0) as store:

        def say(text: str) -> None:
            with Path(f"/proc/{store.pid}/fd/2").open("a") as out:  # where the store writes by now
                out.write(text)

        say("x" * (LARGEST_LOG_BYTES + 1))
        wait_for(lambda: before.exists() and log.exists() and log.stat().st_size == 0)
        assert before.stat().st_size > LARGEST_LOG_BYTES
        say("its last words\n")
        assert log.read_text() == "its last words\n"
        with connect(store.address.with_database("default")) as client:
            assert client.query("SELECT 1").result_rows == [(1,)]
        os.kill(store.pid, signal.SIGKILL)
        wait_for(lambda: not store.running)
        store.restart()
        assert before.read_text() == "its last words\n"
        assert "its last words" not in log.read_text()
    assert sorted(path.name for path in tmp_path.glob("store.log*")) == ["store.log", "store.log.1"]


def test_the_store_ends_with_its_parent_and_a_new_one_takes_over(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        with pytest.raises(ThinkmeterError, match=f"is in use by process {parent.pid}"):
            EmbeddedStore(tmp_path, port=0)
        parent.kill()
        parent.wait()
    with EmbeddedStore(tmp_path, port=0) as store:  # waits for the orphan's lock
        assert store.pid != child
        with connect(store.address, database="default") as client:
            assert client.command("SELECT 1") == 1


def test_an_unwritable_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ThinkmeterError, match="cannot be written"):
        EmbeddedStore(tmp_path / "file" / "data", port=0)


def test_an_occupied_port_is_one_sentence(store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(ThinkmeterError, match=f"port {store.address.port} for the store cannot be opened"):
        EmbeddedStore(tmp_path, port=store.address.port)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:s3cret@db/x",
        "clickhouse://me:s3cret@/x",
        "s3cret:8123",
        "clickhouse://me:s3cret@db:port/x",
        "clickhouse://me:s3cret/more@db:8123/x",
        "clickhouse://me:s3cret#more@db:8123/x",
        "clickhouse://me:[s3cret@db:8123/x",
    ],
)
def test_a_malformed_url_is_one_sentence_without_its_password(url: str) -> None:
    with pytest.raises(ThinkmeterError, match="the store url is not of the form") as told:
        StoreAddress.from_url(url)
    assert "s3cret" not in str(told.value)
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_a_url_is_read_whole() -> None:
    address = StoreAddress.from_url("clickhouse://me:p%40ss@db.internal:8443/metrics?secure=true")
    assert address == StoreAddress("db.internal", 8443, "me", "p@ss", "metrics", secure=True)
    assert "p@ss" not in repr(address)


def test_a_directory_may_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EmbeddedStore(Path("data"), port=0) as store, connect(store.address, database="") as client:
        assert client.command("SELECT 1") == 1
        assert StoreAddress.of_running(Path("data")) == store.address
    assert not (tmp_path / "data" / ADDRESS_FILE).exists()


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="what is mapped is told by /proc")
def test_of_its_library_a_store_holds_what_it_uses(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, port=0) as started, connect(started.address.with_database("default")) as client:
        wait_for(lambda: resident_mb(started.pid, "_chdb") < 80)  # a start takes twice as much
        assert client.query("SELECT sum(number) FROM numbers(10)").result_rows == [(45,)]
        assert resident_mb(started.pid, "libarrow") == 0, "the package around the engine was loaded"


def resident_mb(pid: int, name: str) -> float:
    """How much memory holds of the files with this in their name."""
    held_kb, counts = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        word, *rest = line.split()
        if not word.endswith(":"):
            counts = bool(rest) and name in rest[-1]
        elif word == "Rss:" and counts:
            held_kb += int(rest[0])
    return held_kb / 1024


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are told by /proc")
def test_merges_leave_the_cores_to_inserts_and_questions(store: EmbeddedStore) -> None:
    def urgencies() -> set[int]:
        threads = [task for task in Path(f"/proc/{store.pid}/task").iterdir() if "Merge" in (task / "comm").read_text()]
        return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in threads}

    migrate(store.address)  # without tables nothing merges
    wait_for(lambda: urgencies() == {os.getpriority(os.PRIO_PROCESS, store.pid) + MERGES_NICE})


def test_the_log_of_a_store_does_not_say_what_statements_bring(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, port=0) as started, connect(started.address.with_database("default")) as client:
        with pytest.raises(DatabaseError, match="private"):
            client.command("SELECT toUInt8('something private')")
    assert "private" not in (tmp_path / "store.log").read_text()


def test_the_store_keeps_no_logs_of_its_own_in_tables(store: EmbeddedStore) -> None:
    # They would grow with every query, for ever: query_log, part_log, metric_log and their like.
    with connect(store.address, database="") as client:
        client.command("SYSTEM FLUSH LOGS")
        found = client.query("SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'")
    assert found.result_rows == []


def test_a_store_that_is_away_is_told_by_the_error_alone(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RetryableError, match="does not answer"):
        connect(StoreAddress("127.0.0.1", 1))
    assert caplog.records == []
