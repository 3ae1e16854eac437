"""Blows in the middle of ingest: kill -9 of collector, store and both, a store that hangs, restart storms, torn files.

What was acknowledged is there, once.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.collector.traffic import stored_spans
from tests.waiting import wait_for
from thinkmeter.collector.record import marker, record
from thinkmeter.collector.spool import SUFFIX
from thinkmeter.schema.store.client import StoreAddress, connect

PATHS = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
MANY = 200
STUCK_S = 60.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}


class Serving:
    """The process under test."""

    def __init__(self, data_dir: Path, http_port: int, *, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.collector.serving", str(data_dir), str(http_port)],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.store_pid = self.wait_until_up() if wait else 0

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


class Trial:
    """A process under test with a sender, and what can be done to it."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.http_port = probe.getsockname()[1]
        self.data_dir, self.journal = folder / "data", folder / "journal"
        self.chance = chance
        self.serving = self.serve()

    def serve(self) -> Serving:
        return Serving(self.data_dir, self.http_port)

    def wait_for_batches(self, more: int) -> None:
        """Until so many more batches were acknowledged."""
        wait_for(partial(has_grown_to, self.journal, len(journal_of(self.journal)) + more))

    def wait_until_stored(self) -> None:
        """Until nothing is in the spool any more, however much that is, as long as it gets less."""
        while waiting := self.waiting():
            try:
                wait_for(partial(self.is_less_than, waiting), STUCK_S)
            except AssertionError:
                raise AssertionError(f"{waiting} segments wait: {self.health()}") from None

    def waiting(self) -> int:
        return len(list((self.data_dir / "spool").glob(f"*{SUFFIX}")))

    def is_less_than(self, segments: int) -> bool:
        return self.waiting() < segments

    def health(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=10) as reply:
                return str(reply.read())
        except urllib.error.HTTPError as error:
            return str(error.read())
        except OSError as error:
            return str(error)

    def kill_collector(self) -> None:
        """The store ends with its parent."""
        self.serving.kill()
        self.serving = self.serve()

    def kill_store(self) -> None:
        self.serving.kill_store()

    def kill_both(self) -> None:
        os.kill(self.serving.store_pid, signal.SIGKILL)
        self.kill_collector()

    def hang_store(self) -> None:
        """It is there and does not answer: what comes meanwhile is acknowledged all the same."""
        os.kill(self.serving.store_pid, signal.SIGSTOP)
        try:
            self.wait_for_batches(self.chance.randint(20, 200))
        finally:
            os.kill(self.serving.store_pid, signal.SIGCONT)

    def restart_in_a_storm(self) -> None:
        """Killed again and again before it is up."""
        for _ in range(self.chance.randint(2, 4)):
            self.serving.kill()
            self.serving = Serving(self.data_dir, self.http_port, wait=False)
            time.sleep(self.chance.random())  # the moment of the blow, not a wait for anything
        self.kill_collector()

    def tear_spool(self) -> None:
        """Ended while it wrote a record."""
        self.serving.kill()
        files = sorted((self.data_dir / "spool").glob(f"*{SUFFIX}"))
        if files:
            torn = self.chance.choice(files)
            cut = record(marker(torn.stem), b"x" * 1000, 3)
            with torn.open("ab") as file:
                file.write(cut[: self.chance.randint(1, len(cut) - 1)])
        self.serving = self.serve()


BLOWS = (
    Trial.kill_collector,
    Trial.kill_store,
    Trial.kill_both,
    Trial.hang_store,
    Trial.restart_in_a_storm,
    Trial.tear_spool,
)


def survives(tmp_path: Path, blows: Iterable[Callable[[Trial], None]], chance: random.Random) -> None:
    with ExitStack() as ending:
        trial = Trial(tmp_path, chance)
        ending.callback(lambda: trial.serving.kill())
        sender = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.collector.sending", str(trial.http_port), str(trial.journal), "1"],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
        )
        ending.callback(sender.kill)
        for blow in blows:
            trial.wait_for_batches(chance.randint(5, 60))
            time.sleep(chance.random() * 0.05)  # the moment of the blow, not a wait for anything
            blow(trial)
        sender.communicate(timeout=60)
        assert sender.returncode == 0
        trial.wait_until_stored()
        batches = journal_of(trial.journal)
        with connect(StoreAddress.of_running(trial.data_dir)) as client:
            raw = Counter(stored_spans(client))
            counted = client.command("SELECT count() FROM spans FINAL")
        assert not (trial.data_dir / "quarantine").exists()
        trial.serving.stop()
    sent = {number for start, end, _ in batches for number in range(start, end)}
    assert raw.keys() == sent, f"{len(sent - raw.keys())} lost, {len(raw.keys() - sent)} unasked for"
    assert counted == len(sent)
    # A batch that was sent once is there once, before any deduplication by key.
    once = [number for start, end, attempts in batches if attempts == 1 for number in range(start, end)]
    assert [number for number in once if raw[number] != 1] == []
    assert len(once) > len(sent) / 2
    again = sum(attempts > 1 for _, _, attempts in batches)
    print(
        f"{len(sent)} spans acknowledged in {len(batches)} batches, {again} sent more than once; all stored, each once"
    )


def test_nothing_acknowledged_is_lost_or_doubled_by_any_blow(tmp_path: Path) -> None:
    chance = random.Random(7)
    survives(tmp_path, chance.sample(BLOWS, len(BLOWS)), chance)


@pytest.mark.stress
def test_nothing_acknowledged_is_lost_or_doubled_by_many_blows(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    survives(tmp_path, chance.choices(BLOWS, k=MANY), chance)
