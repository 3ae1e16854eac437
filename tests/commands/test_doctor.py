"""`thinkmeter doctor`: quiet where all goes well, and a sentence with what to do where it does not."""

import json
import time
import uuid
from pathlib import Path

from clickhouse_connect.driver.client import Client

from tests.alerts.traffic import request
from tests.commandline import Run, Told
from tests.schema.rows import insert
from thinkmeter.alerts.engine import AlertEngine
from thinkmeter.alerts.settings import AlertSettings
from thinkmeter.collector.installation import install
from thinkmeter.collector.jobs.schedule import Schedule
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.schema.prices import PriceSettings
from thinkmeter.schema.store.client import StoreAddress


def levels(told: Told) -> dict[str, str]:
    """Part -> level; of several lines of a part, the last."""
    return {line.split()[1]: line.split()[0] for line in told.out.splitlines() if line[:1] != " "}


def test_all_is_well(tmp_path: Path, run: Run, store_url: str, client: Client, database: StoreAddress) -> None:
    install(client, embedded=True)
    insert(client, "spans", [request("r", 300)])
    rates = {"input_per_mtok_usd": 1, "thinking_per_mtok_usd": 4, "answer_per_mtok_usd": 2}
    prices = PriceSettings.model_validate({"override": [{"provider": "acme", "model": "acme-*", **rates}]})
    schedule, alerts = Schedule(database, prices), AlertEngine(database, AlertSettings())
    try:
        schedule.start()
        alerts.run_once()
        told = run("doctor", "--data", str(tmp_path), "--store-url", store_url)
    finally:
        schedule.close()
        alerts.stop()
    assert told.code == 0, told.out
    assert set(levels(told)) >= {"disk", "spool", "quarantine", "store", "decoding", "jobs", "alerts", "traffic"}
    assert [line for line in told.out.splitlines() if line.startswith("failure")] == []
    assert levels(told)["coverage"] == "ok"


def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    insert(client, "spans", [request("r", None, request_model="nobody-knows")])
    settle_calls(client)
    (tmp_path / "spool").mkdir()
    name = f"traces-{time.time_ns() - 10**12:020d}-{uuid.uuid4().hex}.segment"
    (tmp_path / "spool" / name).write_bytes(b"x" * 100)
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "traces-1_0.json").write_text(json.dumps({"reason": "a field of another type"}))
    (tmp_path / "t.toml").write_text(
        '[alerts.channels.oncall]\nkind = "pagerduty"\nrouting_key_env = "NOT_SET"\n[dashboard]\ntitle = "x"\n'
        "[collector]\nmax_spool_age_s = 900\n"
    )
    options = ["--data", str(tmp_path), "--store-url", store_url, "--config", str(tmp_path / "t.toml")]
    told = run("doctor", *options)
    assert told.code == 1
    said = " ".join(told.out.split())
    assert "1 segments, 100 bytes, wait for the store, the oldest for 1000 s" in said
    assert "longer than collector.max_spool_age_s (900): requests are answered 503" in said
    assert "1 requests could not be stored" in said
    assert "a field of another type" in said
    assert "NOT_SET" in said
    assert "not in effect in this version: [dashboard]" in said
    assert "no process runs them: calls are not settled" in said
    assert "1 of 1 calls of 24 hours have unknown thinking" in said


def test_a_store_that_is_away_or_has_no_schema_is_a_failure(tmp_path: Path, run: Run, store_url_of_empty: str) -> None:
    told = run("doctor", "--data", str(tmp_path))
    assert told.code == 1
    assert "no store is running on" in " ".join(told.out.split())
    told = run("doctor", "--data", str(tmp_path), "--store-url", store_url_of_empty)
    assert told.code == 1
    assert levels(told)["store"] == "failure"
