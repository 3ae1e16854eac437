"""Real servers of processes: gunicorn with a preloaded application, Celery with recycled prefork workers."""

import os
import signal
import subprocess
import textwrap
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sdk.beside.running import ROOT
from tests.sdk.collector_server import CollectorServer, attributes_of
from tests.waiting import wait_for
from thinkmeter.schema import attributes as names

HEAD = """
    import os, pathlib, thinkmeter

    thinkmeter.instrument()

    def call(name):
        thinkmeter.record_call(provider="openai", model="gpt-5", input_tokens=1, output_tokens=1, request_id=str(name))

    call("master")
"""


@contextmanager
def server(folder: Path, collector: CollectorServer, program: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server with that application in `app.py`, and end it as an operator does."""
    (folder / "app.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(program))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "THINKMETER_"))}
    paths = os.pathsep.join([str(ROOT / "src"), str(folder)])
    environment = {**own, "PYTHONPATH": paths, "THINKMETER_ENDPOINT": collector.url, "PYTHONSAFEPATH": "1"}
    with (folder / "server.log").open("w") as log:
        running = subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=log, stderr=log)
        try:
            yield running
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 0, (folder / "server.log").read_text()
        finally:
            running.kill()
            running.wait()


def sent(collector: CollectorServer) -> Counter[str]:
    return Counter(str(attributes_of(span.attributes)[names.REQUEST_ID]) for span in collector.spans)


def test_gunicorn_with_a_preloaded_application(environments: Path, collector: CollectorServer, tmp_path: Path) -> None:
    program = """
        def application(environ, start_response):
            call(environ["PATH_INFO"])
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(os.getpid()).encode()]
    """
    gunicorn = str(environments / "servers" / "bin" / "gunicorn")
    options = ["--preload", "--workers", "3", "--max-requests", "7", "--bind", "127.0.0.1:0", "app:application"]
    with server(tmp_path, collector, program, gunicorn, *options):
        log = tmp_path / "server.log"
        wait_for(lambda: "Listening at: http://127.0.0.1:" in log.read_text())
        port = log.read_text().split("Listening at: http://127.0.0.1:")[1].split()[0]
        pids = set()
        for number in range(40):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{number}", timeout=30) as reply:
                pids.add(reply.read())
        assert len(pids) > 3  # some were recycled
    assert sent(collector) == Counter(["master", *(f"/{number}" for number in range(40))])


def test_celery_with_recycled_prefork_workers(environments: Path, collector: CollectorServer, tmp_path: Path) -> None:
    program = """
        from celery import Celery
        folder = pathlib.Path(__file__).parent
        app = Celery("app", broker="filesystem://")
        places = {name: str(folder / "queue") for name in ("data_folder_in", "data_folder_out")}
        app.conf.broker_transport_options = {**places, "control_folder": str(folder / "control")}
        app.conf.worker_max_tasks_per_child = 2
        app.conf.broker_connection_retry_on_startup = True

        @app.task
        def task(number):
            call(number)
            (folder / "done" / str(number)).write_text(str(os.getpid()))
    """
    for folder in ("queue", "control", "done"):
        (tmp_path / folder).mkdir()
    python = str(environments / "servers" / "bin" / "python")
    worker = [python, "-m", "celery", "-A", "app", "worker", "--pool", "prefork", "--concurrency", "2", "-l", "info"]
    with server(tmp_path, collector, program, *worker, "--without-gossip", "--without-mingle"):
        own = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(tmp_path)]),
            "THINKMETER_DISABLED": "1",
        }
        send = "from app import task; [task.delay(number) for number in range(12)]"
        subprocess.run([python, "-c", send], cwd=tmp_path, env=own, check=True, timeout=60)
        wait_for(lambda: len(list((tmp_path / "done").iterdir())) == 12)
        pids = {path.read_text() for path in (tmp_path / "done").iterdir()}
        assert len(pids) > 3  # some were recycled
    assert sent(collector) == Counter(["master", *map(str, range(12))])
