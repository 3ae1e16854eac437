"""Processes as they are in production: forked, spawned, pooled, recycled, preloaded. Each sends its own, once."""

import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.sdk.collector_server import CollectorServer, attributes_of
from tests.sdk.programs import run
from thinkmeter.schema import attributes as names

HEAD = """
    import os, sys, multiprocessing, threading
    import thinkmeter

    thinkmeter.instrument()

    def call(name):
        thinkmeter.record_call(provider="openai", model="gpt-5", input_tokens=1, output_tokens=1, request_id=str(name))
        return os.getpid()
"""


def run_file(
    folder: Path, script: str, collector: CollectorServer, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program that lies in a file, as children that are spawned need it."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(script))
    kept = {"THINKMETER_ENDPOINT": collector.url, **environment}
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "THINKMETER_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={**own, **kept},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def sent(collector: CollectorServer) -> Counter[str]:
    return Counter(str(attributes_of(span.attributes)[names.REQUEST_ID]) for span in collector.spans)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_send_before_they_end(
    collector: CollectorServer, tmp_path: Path, method: str
) -> None:
    done = run_file(
        tmp_path,
        f"""
        if __name__ == "__main__":
            call("parent before")
            context = multiprocessing.get_context({method!r})
            children = [context.Process(target=call, args=(f"child {{n}}",)) for n in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
                assert child.exitcode == 0
            call("parent after")
        """,
        collector,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = ["parent before", "parent after", *(f"child {n}" for n in range(3))]
    assert sent(collector) == Counter(expected)


def test_workers_that_are_recycled_lose_nothing(collector: CollectorServer, tmp_path: Path) -> None:
    done = run_file(
        tmp_path,
        """
        if __name__ == "__main__":
            call("parent")
            context = multiprocessing.get_context("fork")
            with context.Pool(2, maxtasksperchild=2) as pool:
                pids = pool.map(call, range(12), chunksize=1)
                pool.close()
                pool.join()
            assert len(set(pids)) >= 4, pids
        """,
        collector,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sent(collector) == Counter(["parent", *map(str, range(12))])


def test_an_executor_of_processes_loses_nothing(collector: CollectorServer, tmp_path: Path) -> None:
    done = run_file(
        tmp_path,
        """
        from concurrent.futures import ProcessPoolExecutor
        if __name__ == "__main__":
            with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
                list(pool.map(call, range(10)))
        """,
        collector,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sent(collector) == Counter(map(str, range(10)))


def test_a_child_ends_in_time_though_the_collector_is_away(tmp_path: Path) -> None:
    with CollectorServer() as gone:
        pass
    begun = time.monotonic()
    done = run_file(
        tmp_path,
        """
        if __name__ == "__main__":
            child = multiprocessing.get_context("fork").Process(target=call, args=("child",))
            child.start()
            child.join()
            assert child.exitcode == 0
        """,
        gone,
        THINKMETER_FLUSH_TIMEOUT_S="1",
    )
    assert done.returncode == 0
    assert time.monotonic() - begun < 15
    assert "Traceback" not in done.stderr


def test_workers_forked_from_a_busy_parent_serve_and_send(collector: CollectorServer) -> None:
    """As gunicorn does with --preload: threads of the parent hold locks at the moment of the fork."""
    script = """
        stop = threading.Event()
        def work(n):
            number = 0
            while not stop.is_set() and number < 400:
                call(f"parent {n} {number}")
                number += 1
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        children = []
        for n in range(6):
            child = os.fork()
            if child == 0:
                for number in range(20):
                    call(f"worker {n} {number}")
                assert thinkmeter.health().spans.accepted == 20, thinkmeter.health()
                sys.exit(0)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
    """
    done = run(textwrap.dedent(HEAD) + textwrap.dedent(script), THINKMETER_ENDPOINT=collector.url)
    assert done.returncode == 0, done.stderr
    found = sent(collector)
    assert {name: count for name, count in found.items() if count != 1} == {}
    workers = {name for name in found if name.startswith("worker")}
    assert workers == {f"worker {n} {number}" for n in range(6) for number in range(20)}


def test_a_call_that_ends_while_the_interpreter_does_harms_nothing(collector: CollectorServer) -> None:
    script = """
        import atexit
        request = thinkmeter.request("t")
        request.__enter__()
        held = []
        class Late:
            def __del__(self):
                call("too late")
        held.append(held)
        held.append(Late())
        atexit.register(lambda: call("at exit"))
        call("in time")
    """
    done = run(textwrap.dedent(HEAD) + textwrap.dedent(script), THINKMETER_ENDPOINT=collector.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sent(collector).keys() >= {"in time", "at exit"}


def test_nothing_is_imported_while_the_first_batch_is_sent(collector: CollectorServer, tmp_path: Path) -> None:
    """A module whose import another thread was in the middle of when a process forked never loads in the child."""
    done = run_file(
        tmp_path,
        """
        from thinkmeter.sdk.runtime import active
        from thinkmeter.sdk.wire import Wire

        span = active().tracer().start_span("call")
        span.end()
        wire = Wire("traces", active().settings, lambda: None)
        before = set(sys.modules)
        assert wire.send([span]).taken
        print(sorted(set(sys.modules) - before))
        """,
        collector,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stdout + done.stderr
