"""A collector with its store in a process of their own, senders, and what may befall them."""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.collector.traffic import TRACES_GARBAGE, spans, stored_spans, with_odd_field
from tests.waiting import wait_for
from thinkmeter.collector.record import marker, new_segment_id, record
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.collector.spool_files import SUFFIX
from thinkmeter.schema.store.client import StoreAddress, connect

PATHS = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
STUCK_S = 60.0
PLANTED = 1 << 40
"""Numbers of spans that no sender sent begin here."""
COMPILER = shutil.which("cc")
"""What the clock's library is made with; without it no clock is moved."""
LONGEST_JUMP_S = 40 * 86_400
ON_A_DISK_OF_ITS_OWN = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'


class Clock:
    """The wall clock of processes that are started with `environment`, and of their children.

    Attributes:
        environment: variables that put the clock under control; empty where it cannot be.
    """

    def __init__(self, folder: Path) -> None:
        """Make the library that moves it, in a folder."""
        self.environment: dict[str, str] = {}
        self._file = folder / "clock"
        if COMPILER is None:
            return
        library = folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._file)}

    def set_ahead(self, seconds: int) -> None:
        """Let it go so far ahead of the machine's from now on, or behind."""
        with self._file.open("r+b") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))


class Serving:
    """The process under test."""

    def __init__(self, command: list[str], environment: dict[str, str], *, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.store_pid = self.wait_until_up() if wait else 0

    def wait_until_up(self) -> int:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("up "), line
        return int(line.split()[1])

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def signal_store(self, what: signal.Signals) -> None:
        os.kill(self.store_pid, what)

    def kill(self) -> None:
        self.process.kill()
        with self.process:
            pass

    def stop(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()


class Trial:
    """A process under test with a sender, and what can be done to it.

    Attributes:
        planted: numbers of the spans that the trial itself put into the spool or got acknowledged.
        poisoned: requests that nobody can decode, which it put into the spool.
    """

    def __init__(self, folder: Path, chance: random.Random, disk: str = "", **settings: Any) -> None:
        """Start.

        Args:
            folder: where everything lies.
            chance: decides everything that is left to it.
            disk: options of a file system in memory that the spool gets for itself.
            settings: of the collector.
        """
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.http_port = probe.getsockname()[1]
        self.data_dir, self.journal = folder / "data", folder / "journal"
        self.chance = chance
        self.planted: set[int] = set()
        self.poisoned = 0
        self._disk = disk
        self._settings = settings
        self._clock = Clock(folder)
        self._environment = {**ENVIRONMENT, **self._clock.environment}
        if disk:
            (self.data_dir / "spool").mkdir(parents=True)
        self.serving = self.serve()

    def serve(self, *, wait: bool = True) -> Serving:
        command = [sys.executable, "-P", "-m", "tests.collector.serving", str(self.data_dir), str(self.http_port)]
        command.append(json.dumps(self._settings))
        if self._disk:
            mounted = [self._disk, str(self.data_dir / "spool")]
            command = [
                "unshare",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                ON_A_DISK_OF_ITS_OWN,
                "sh",
                *mounted,
                *command,
            ]
        return Serving(command, self._environment, wait=wait)

    @contextmanager
    def sender(self) -> Iterator[None]:
        """A sender for the block, at whose end it has everything acknowledged."""
        command = [sys.executable, "-P", "-m", "tests.collector.sending", str(self.http_port), str(self.journal), "1"]
        with subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE) as process:
            try:
                yield
                process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 0

    # --- what it is at -----------------------------------------------------------------------------------

    def batches(self) -> list[tuple[int, int, int]]:
        """First and end of the numbers of each acknowledged batch, and how often it was sent."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [(start, end, attempts) for start, end, attempts in (map(int, line.split()) for line in lines)]

    def wait_for_batches(self, more: int) -> None:
        """Until so many more batches were acknowledged."""
        wanted = len(self.batches()) + more
        wait_for(lambda: len(self.batches()) >= wanted)

    def wait_until_stored(self) -> None:
        """Until nothing is in the spool any more, however much that is, as long as it gets less."""
        while waiting := len(self.segments()):
            try:
                wait_for(partial(self._has_fewer_than, waiting), STUCK_S)
            except AssertionError:
                raise AssertionError(f"{waiting} segments wait: {self.health()}") from None

    def segments(self) -> list[Path]:
        """Files of the spool, also of one that only the process under test sees."""
        seen_from = Path(f"/proc/{self.serving.process.pid}/root") if self._disk else Path("/")
        return sorted((seen_from / self.data_dir.relative_to("/") / "spool").glob(f"*{SUFFIX}"))

    def health(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=10) as reply:
                return str(reply.read())
        except urllib.error.HTTPError as error:
            return str(error.read())
        except OSError as error:
            return str(error)

    def post(self) -> tuple[int, str, str]:
        """Send ten spans of its own: status, header Retry-After and body of the answer."""
        numbers = range(PLANTED + len(self.planted), PLANTED + len(self.planted) + 10)
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=20)
        connection.request(
            "POST", "/v1/traces", spans(numbers).SerializeToString(), {"Content-Type": "application/x-protobuf"}
        )
        reply = connection.getresponse()
        told = reply.status, reply.headers.get("Retry-After", ""), reply.read().decode(errors="replace")
        connection.close()
        if told[0] == 200:
            self.planted.update(numbers)
        return told

    def check(self, *, resent: bool = False) -> None:
        """Everything acknowledged is stored, once; what nobody can decode is kept, and nothing else.

        Args:
            resent: all of it was sent again, so that rows may have to be deduplicated by their keys.
        """
        self.wait_until_stored()
        batches = self.batches()
        with connect(StoreAddress.of_running(self.data_dir)) as client:
            raw = Counter(stored_spans(client))
            counted = client.command("SELECT count() FROM spans FINAL")
        sent = {number for start, end, _ in batches for number in range(start, end)} | self.planted
        assert raw.keys() == sent, f"{len(sent - raw.keys())} lost, {len(raw.keys() - sent)} unasked for"
        assert counted == len(sent)
        if not resent:
            # A batch that was sent once is there once, before any deduplication by key.
            once = [number for start, end, attempts in batches if attempts == 1 for number in range(start, end)]
            assert [number for number in once if raw[number] != 1] == []
            assert once
        kept = list((self.data_dir / "quarantine").glob("*.pb"))
        assert len(kept) == self.poisoned
        again = sum(attempts > 1 for _, _, attempts in batches)
        print(
            f"{len(sent)} spans acknowledged in {len(batches)} batches, {again} sent more than once;"
            f" all stored, each once; {self.poisoned} requests in quarantine"
        )

    # --- what may befall it ------------------------------------------------------------------------------

    def kill_collector(self) -> None:
        """The store ends with its parent."""
        self.serving.kill()
        self.serving = self.serve()

    def kill_store(self) -> None:
        self.serving.signal_store(signal.SIGKILL)
        self.serving.store_pid = self.serving.wait_until_up()

    def kill_both(self) -> None:
        self.serving.signal_store(signal.SIGKILL)
        self.kill_collector()

    def hang_store(self) -> None:
        """It is there and does not answer: what comes meanwhile is acknowledged all the same."""
        with self.store_hangs():
            self.wait_for_batches(self.chance.randint(20, 100))

    @contextmanager
    def store_hangs(self) -> Iterator[None]:
        self.serving.signal_store(signal.SIGSTOP)
        try:
            yield
        finally:
            self.serving.signal_store(signal.SIGCONT)

    def slow_store(self) -> None:
        """It works a tenth of the time."""
        end = len(self.batches()) + self.chance.randint(20, 100)
        while len(self.batches()) < end:
            with self.store_hangs():
                time.sleep(0.05)  # how slow it is, not a wait for anything
            time.sleep(0.005)

    def take_store_away(self, seconds: float = 0.0) -> None:
        """Nothing answers where it was; what comes meanwhile is acknowledged all the same."""
        self.serving.tell("hold")
        self.serving.signal_store(signal.SIGKILL)
        until_s = time.monotonic() + seconds
        self.wait_for_batches(self.chance.randint(20, 100))
        time.sleep(max(0.0, until_s - time.monotonic()))  # how long it is away, not a wait for anything
        self.serving.tell("go")
        self.serving.store_pid = self.serving.wait_until_up()

    def restart_in_a_storm(self) -> None:
        """Killed again and again before it is up."""
        for _ in range(self.chance.randint(2, 4)):
            self.serving.kill()
            self.serving = self.serve(wait=False)
            time.sleep(self.chance.random())  # the moment of the blow, not a wait for anything
        self.kill_collector()

    def tear_spool(self) -> None:
        """Ended while it wrote a record."""
        self.serving.kill()
        if files := self.segments():
            torn = self.chance.choice(files)
            cut = b"".join(record(marker(torn.stem), b"x" * 1000, 3))
            with torn.open("ab") as file:
                file.write(cut[: self.chance.randint(1, len(cut) - 1)])
        self.serving = self.serve()

    def poison_spool(self) -> None:
        """A segment that the store refuses: a request that nobody can decode, and one that Python alone can."""
        self.serving.kill()
        odd, *good = range(PLANTED + len(self.planted), PLANTED + len(self.planted) + 20)
        padded = spans(good)
        if self.chance.random() < 0.5:  # large ones are decoded by the store, small ones by Python from the start
            padded.resource_spans[0].scope_spans[0].spans[0].status.message = "x" * 1_100_000
        bodies = [TRACES_GARBAGE, with_odd_field(odd), padded.SerializeToString()]
        self.chance.shuffle(bodies)
        segment_id = new_segment_id(Signal.TRACES)
        frames = [frame(body, "default", time.time_ns()) for body in bodies]
        (self.data_dir / "spool" / f"{segment_id}{SUFFIX}").write_bytes(
            b"".join(b"".join(record(marker(segment_id), one, 1)) for one in frames)
        )
        self.planted.update([odd, *good])
        self.poisoned += 1
        self.serving = self.serve()

    def jump_clock(self) -> None:
        """The wall clock of the collector goes forward or back at once; the store asks the kernel past it."""
        self._clock.set_ahead(self.chance.randint(-LONGEST_JUMP_S, LONGEST_JUMP_S))
        self.wait_for_batches(self.chance.randint(5, 50))

    # --- how ---------------------------------------------------------------------------------------------

    def _has_fewer_than(self, segments: int) -> bool:
        return len(self.segments()) < segments


BLOWS = (
    Trial.kill_collector,
    Trial.kill_store,
    Trial.kill_both,
    Trial.hang_store,
    Trial.slow_store,
    Trial.take_store_away,
    Trial.restart_in_a_storm,
    Trial.tear_spool,
    Trial.poison_spool,
    *([Trial.jump_clock] if COMPILER else []),
)
