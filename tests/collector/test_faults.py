"""Blows in the middle of ingest, after which everything that was acknowledged is there, once.

kill -9 of collector, store and both, a store that hangs, is slow or away, restart storms, torn and poisoned segments,
clocks that jump, disks without room or inodes, a client that sends everything again.
"""

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.collector.sending import acknowledged
from tests.collector.traffic import spans
from tests.collector.trial import BLOWS, Trial
from tests.waiting import wait_for

MANY = 200
AWAY_S = 180.0
DISKS: dict[str, tuple[str, dict[str, Any]]] = {
    "room": ("size=6m", {}),
    "inodes": ("size=64m,nr_inodes=8", {"segment_spans": 300}),
}
"""Options of the spool's file system, and settings with which it is used up by what a few senders send."""


def survives(tmp_path: Path, blows: Iterable[Callable[[Trial], None]], chance: random.Random, resent: int) -> None:
    with ExitStack() as ending:
        trial = Trial(tmp_path, chance)
        ending.callback(lambda: trial.serving.kill())
        with trial.sender():
            for blow in blows:
                trial.wait_for_batches(chance.randint(5, 60))
                time.sleep(chance.random() * 0.05)  # the moment of the blow, not a wait for anything
                blow(trial)
        trial.check()
        resend(trial, resent)
        trial.serving.stop()


def resend(trial: Trial, batches: int) -> None:
    """Send what was acknowledged once more, as a client does that lost its memory: nothing is counted twice."""
    sent = trial.batches()[-batches:]
    for start, end, _ in sent:
        wait_for(lambda: acknowledged(trial.http_port, spans(range(start, end)).SerializeToString()))  # noqa: B023
    trial.check(resent=True)


def test_nothing_acknowledged_is_lost_or_doubled_by_any_blow(tmp_path: Path) -> None:
    chance = random.Random(7)
    # storms and damaged spools begin with a kill of the collector alone
    blows = [blow for blow in BLOWS if blow is not Trial.kill_collector]
    chance.shuffle(blows)
    survives(tmp_path, blows, chance, resent=100)


@pytest.mark.stress
def test_nothing_acknowledged_is_lost_or_doubled_by_many_blows(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    away = [lambda trial: trial.take_store_away(AWAY_S)]
    survives(tmp_path, [*chance.choices(BLOWS, k=MANY), *away], chance, resent=10**9)


@pytest.fixture
def own_disks() -> None:
    """Whether a process may have file systems of its own; its tests are skipped where it may not."""
    tried = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")


def fills_up(tmp_path: Path, disk: str, settings: dict[str, Any], chance: random.Random, times: int) -> None:
    with ExitStack() as ending:
        trial = Trial(tmp_path, chance, disk, **settings)
        ending.callback(lambda: trial.serving.kill())
        with trial.sender():
            for _ in range(times):
                with trial.store_hangs():
                    wait_for(lambda: trial.post()[0] == 503)
                    refused = [trial.post() for _ in range(20)]
                    status, retry_after_s, told = next(one for one in refused if one[0] != 200)
                    assert (status, int(retry_after_s) > 0) == (503, True)
                    assert "No space left on device" in told or "the disk of the spool is full" in told
                    assert len(trial.segments()) > 0
                trial.wait_for_batches(chance.randint(20, 100))
        trial.check()
        trial.serving.stop()


@pytest.mark.usefixtures("own_disks")
@pytest.mark.parametrize("lacks", DISKS)
def test_a_disk_without_room_puts_off_and_loses_nothing(tmp_path: Path, lacks: str) -> None:
    disk, settings = DISKS[lacks]
    fills_up(tmp_path, disk, settings, random.Random(7), times=1)


@pytest.mark.stress
@pytest.mark.usefixtures("own_disks")
@pytest.mark.parametrize("lacks", DISKS)
def test_a_disk_without_room_many_times_loses_nothing(tmp_path: Path, lacks: str) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    disk, settings = DISKS[lacks]
    fills_up(tmp_path, disk, settings, random.Random(seed), times=20)
