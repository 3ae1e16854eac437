"""Kill -9 of the collector and of the store in the middle of ingest: what was acknowledged is there, once."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.collector.traffic import stored_spans, wait_for
from thinkmeter.collector.spool import SUFFIX
from thinkmeter.schema.store.client import StoreAddress, connect

PATHS = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}


class Serving:
    """The process under test."""

    def __init__(self, data_dir: Path, http_port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.collector.serving", str(data_dir), str(http_port)],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.store_pid = self.wait_until_up()

    def wait_until_up(self) -> int:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("up "), line
        return int(line.split()[1])

    def kill(self) -> None:
        self.process.kill()
        with self.process:
            pass

    def kill_store(self) -> None:
        os.kill(self.store_pid, signal.SIGKILL)
        self.store_pid = self.wait_until_up()

    def stop(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()


def journal_of(path: Path) -> list[tuple[int, int, int]]:
    rows = [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []
    return [(start, end, attempts) for start, end, attempts in rows]


def has_grown_to(journal: Path, batches: int) -> bool:
    return len(journal_of(journal)) >= batches


def survives(tmp_path: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        http_port = probe.getsockname()[1]
    data_dir, journal = tmp_path / "data", tmp_path / "journal"
    with ExitStack() as ending:
        serving = Serving(data_dir, http_port)
        sender = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.collector.sending", str(http_port), str(journal), "1"],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
        )
        ending.callback(sender.kill)
        for _ in range(kills):
            wait_for(partial(has_grown_to, journal, len(journal_of(journal)) + chance.randint(5, 60)))
            time.sleep(chance.random() * 0.05)  # the moment of the blow, not a wait for anything
            if chance.random() < 0.3:
                serving.kill_store()
            else:
                serving.kill()
                serving = Serving(data_dir, http_port)
        sender.communicate(timeout=60)
        assert sender.returncode == 0
        spool = data_dir / "spool"
        wait_for(lambda: not list(spool.glob(f"*{SUFFIX}")), timeout_s=120)
        batches = journal_of(journal)
        with connect(StoreAddress.of_running(data_dir)) as client:
            raw = Counter(stored_spans(client))
            counted = client.command("SELECT count() FROM spans FINAL")
        serving.stop()
    sent = {number for start, end, _ in batches for number in range(start, end)}
    assert raw.keys() == sent, f"{len(sent - raw.keys())} lost, {len(raw.keys() - sent)} unasked for"
    assert counted == len(sent)
    # A batch that was acknowledged at once was sent once, so that it is there once, before any deduplication by key.
    once = [number for start, end, attempts in batches if attempts == 1 for number in range(start, end)]
    assert [number for number in once if raw[number] != 1] == []
    assert len(once) > len(sent) / 2


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    survives(tmp_path, kills=4, seed=7)


@pytest.mark.stress
def test_nothing_acknowledged_is_lost_or_doubled_by_many_kills(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    survives(tmp_path, kills=100, seed=seed)
