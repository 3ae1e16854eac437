"""Our collector and store beside ClickHouse alone, which decodes and inserts the same bytes, in turns in one run.

`python -m tests.benchmarks.alone FOLDER [REQUESTS [ROUNDS]]`: the folder of the scripts that make the bytes
(`gen_corpus.py`) and insert them (`bench_paths.py`, on one core, a file of 60 requests at a time); without them there
is nothing to compare with. Ours is the whole way of the requests of a round, from the socket to the last row that can
be queried.
"""

import http.client
import itertools
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.waiting import wait_for

SENDERS: Final = 4
INSERTED_AT_ONCE: Final = 60
WANTED: Final = re.compile(r"^P2 to MergeTree, file\(\)\s+([\d,]+)", re.MULTILINE)


def requests_of(corpus: Path) -> Iterator[bytes]:
    """The bodies in a file of `gen_corpus.py`, each behind its length."""
    with corpus.open("rb") as file:
        while length := file.read(4):
            yield file.read(struct.unpack("<I", length)[0])


def alone(scripts: Path, corpus: Path, folder: Path) -> float:
    """Spans a second that ClickHouse decodes and inserts on one core."""
    command = [sys.executable, "bench_paths.py", str(corpus), str(folder / "alone")]
    command += ["--requests", f"{INSERTED_AT_ONCE}", "--rounds", "5"]
    core = max(os.sched_getaffinity(0))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    done = subprocess.run(
        ["taskset", "-c", f"{core}", *command],
        cwd=scripts,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = WANTED.search(done.stdout)
    if found is None:
        sys.exit(f"bench_paths.py told nothing of what is compared with:\n{done.stdout}")
    return float(found[1].replace(",", ""))


@contextmanager
def collector() -> Iterator[tuple[str, str]]:
    """Ours, running: where requests go, and where rows are counted."""
    command = [sys.executable, "-m", "tests.benchmarks.peers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        endpoint, count = server.stdout.readline().split()
        yield endpoint, count.removeprefix("http:").partition("#")[0]
        server.stdin.close()


def ours(endpoint: str, count: str, bodies: Iterator[bytes], spans: int) -> float:
    """Spans a second from the first request to the last row."""
    address = urllib.parse.urlsplit(endpoint)
    taking = threading.Lock()
    answers: set[int] = set()

    def send() -> None:
        connection = http.client.HTTPConnection(f"{address.hostname}", address.port)
        while True:
            with taking:
                body = next(bodies, None)
            if body is None:
                return
            connection.request("POST", address.path, body, {"Content-Type": "application/x-protobuf"})
            reply = connection.getresponse()
            reply.read()
            answers.add(reply.status)

    def stored() -> int:
        with urllib.request.urlopen(count) as reply:
            return int(json.load(reply)["data"][0]["spans"])

    wanted = stored() + spans
    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    begun_s = time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert answers == {200}, answers
    wait_for(lambda: stored() >= wanted, timeout_s=600)
    return spans / (time.monotonic() - begun_s)


def main(scripts: Path, requests: int = 600, rounds: int = 5) -> None:
    """Measure in turns and print."""
    if not (scripts / "bench_paths.py").is_file():
        sys.exit(f"{scripts} has no bench_paths.py: nothing to compare with")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        made = subprocess.run(
            [sys.executable, str(scripts / "gen_corpus.py"), str(corpus), "--requests", f"{requests * (rounds + 1)}"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        (spans,) = (int(told.replace(",", "")) // (rounds + 1) for told in re.findall(r"([\d,]+) spans", made))
        print(f"{made.strip()}; {requests} requests a round, and as many before the first")
        figures = []
        bodies = requests_of(corpus)
        with collector() as (endpoint, count):
            ours(endpoint, count, itertools.islice(bodies, requests), spans)
            for number in range(1, rounds + 1):
                one = alone(scripts, corpus, Path(folder))
                figures.append((one, ours(endpoint, count, itertools.islice(bodies, requests), spans)))
                _tell(f"{number}", *figures[-1])
        _tell("medians", *map(statistics.median, zip(*figures, strict=True)))


def _tell(what: str, one: float, whole: float) -> None:
    print(f"{what}: ClickHouse alone {one:,.0f} spans/s on one core, ours {whole:,.0f}, {whole / one:.2f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
