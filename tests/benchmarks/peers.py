"""Our collector beside other servers that take OTLP, in one run of the scripts that measure all of them alike.

`python -m tests.benchmarks.peers FOLDER VENVS`: the folder of those scripts (`run_ingest.py`) and that of the peers'
environments; without them there is nothing to compare with. The collector runs as a process of its own with the store
below it, so that the scripts count the CPU time and the memory of both.
"""

import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from tests.waiting import wait_for
from thinkmeter.collector.service import Collector
from thinkmeter.collector.settings import CollectorSettings
from thinkmeter.schema.store.embedded import EmbeddedStore
from thinkmeter.schema.store.migrate import migrate

RUNS = (
    # a store that is written to by a few lines of Python is fast enough for a load that lasts seconds
    ("102400", "3", ("decode", "ref-chdb")),
    ("5120", "1", ("ref-sqlite", "phoenix", "mlflow", "agentmesh")),
)
"""Spans of a run, rounds, and who takes part beside us."""


def serve() -> None:
    """Take spans until standard input ends; the first line of output is what the scripts have to know of it."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedStore(Path(folder), port=0) as store:
        migrate(store.address)
        with Collector(store.address, Path(folder), CollectorSettings(http_port=0, grpc_port=0)) as collector:
            wait_for(lambda: collector.health().ready)
            query = urllib.parse.urlencode(
                {
                    "user": store.address.username,
                    "password": store.address.password,
                    "query": f"SELECT count() AS spans FROM {store.address.database}.spans FORMAT JSON",
                }
            )
            count = f"http:http://127.0.0.1:{store.address.port}/?{query}#data.0.spans"
            print(f"http://127.0.0.1:{collector.http_port}/v1/traces", count, flush=True)
            sys.stdin.read()


def main(scripts: Path, venvs: Path) -> None:
    """Measure everyone there is."""
    if not (scripts / "run_ingest.py").is_file():
        sys.exit(f"{scripts} has no run_ingest.py: nothing to compare with")
    for spans, rounds, names in RUNS:
        with subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.peers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as ours:
            assert ours.stdin is not None
            assert ours.stdout is not None
            endpoint, count = ours.stdout.readline().split()
            command = [str(venvs / "loadgen/bin/python"), "run_ingest.py", "--venvs", str(venvs.resolve())]
            command += ["--spans", spans, "--rounds", rounds, "--patience", "10", "--max-seconds", "90"]
            command += ["--own", f"thinkmeter={endpoint},{ours.pid},{count}"]
            begun_s = time.monotonic()
            subprocess.run([*command, "--servers", *names], cwd=scripts, check=True)
            print(f"\n{spans} spans, {rounds} rounds, {time.monotonic() - begun_s:.0f} s\n", flush=True)
            ours.stdin.close()


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*map(Path, sys.argv[1:]))
    else:
        serve()
