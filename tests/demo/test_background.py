"""A demo that nobody sits in front of: says its address, goes on, and ends when its process is told to."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.waiting import wait_for


def run_demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "thinkmeter", "demo", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"  # ended, and nobody has asked yet how


def test_without_a_terminal_it_goes_on_in_the_background_until_it_is_ended(laid_data: Path) -> None:
    told = run_demo("--requests", "40", "--data", str(laid_data))
    assert told.returncode == 0, told.stdout + told.stderr
    assert all(f"({metric}, " in told.stdout for metric in ("cpq", "ttr", "escr", "vrate", "cost"))
    url = re.search(r"^dashboard: (http://127\.0\.0\.1:\d+)$", told.stdout, re.MULTILINE)
    pid = re.search(r"end it with: kill (\d+)$", told.stdout, re.MULTILINE)
    assert url
    assert pid
    with urllib.request.urlopen(f"{url[1]}/readyz", timeout=30) as reply:
        assert reply.status == 200
    os.kill(int(pid[1]), signal.SIGTERM)
    wait_for(lambda: has_ended(int(pid[1])), timeout_s=60)
    assert (laid_data / "demo.log").read_text().endswith("stopping\n")


def test_a_demo_that_cannot_start_says_why_and_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = run_demo("--data", str(tmp_path / "file" / "data"))
    assert told.returncode == 1
    assert told.stderr == f"thinkmeter: the data directory {tmp_path}/file/data cannot be made: Not a directory\n"
    (tmp_path / "lock").mkdir()
    told = run_demo("--data", str(tmp_path))
    assert told.returncode == 1
    assert f"the data directory {tmp_path} cannot be written" in told.stdout
