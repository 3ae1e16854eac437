"""A recorded cascade, through the SDK and through `thinkmeter import`: the same four metrics as a plain reading."""

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

import thinkmeter
from tests.acceptance import jhu
from tests.commandline import Run
from tests.waiting import wait_for
from thinkmeter.collector.jobs.pricing import refresh_prices
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.configuration import Configuration, apply_rules
from thinkmeter.pipeline import Pipeline
from thinkmeter.schema.query.reader import Reader
from thinkmeter.schema.store.client import StoreAddress, connect

WINDOW = ("--since", "2023-11-30T00:00:00Z", "--until", "2023-12-04T00:00:00Z")
BOOTSTRAP_ERROR = 0.3
"""Standard errors of a bound from 2,000 draws, as a share of the distance from the value to it; four of them."""
ATTEMPT_S = 1.0


@pytest.fixture(scope="module")
def requests(real_data: Path) -> list[jhu.Request]:
    return jhu.read_requests(real_data)


@pytest.fixture(scope="module")
def configuration(requests: list[jhu.Request]) -> Configuration:
    """Prices as they were, and accuracy without thinking as the pinned baseline."""
    prices = [
        {"provider": "openai", "model": model, "input_per_mtok_usd": per_input, "answer_per_mtok_usd": per_output}
        for model, (per_input, per_output) in jhu.PRICES_PER_MTOK_USD.items()
    ]
    return Configuration(
        prices={"override": prices},  # type: ignore[arg-type]  # as a file has it
        policy={task: {"baseline_accuracy": share} for task, share in jhu.baselines(requests).items()},
    )


def test_the_prices_are_those_that_were_charged(requests: list[jhu.Request]) -> None:
    tries = [t for request in requests for t in request.tries]
    assert len(requests) == 800
    assert [t.cost_usd for t in tries] == pytest.approx([t.recorded_cost_usd for t in tries])


def test_through_the_sdk(requests: list[jhu.Request], configuration: Configuration, laid_data: Path, run: Run) -> None:
    ports = configuration.collector.model_copy(update={"http_port": 0, "grpc_port": 0})
    with Pipeline(configuration.model_copy(update={"collector": ports}), laid_data, store_port=0) as pipeline:
        thinkmeter.instrument(endpoint=f"http://127.0.0.1:{pipeline.collector.http_port}", service_name="exams")
        try:
            send(requests)
            assert thinkmeter.flush(timeout_s=60)
            assert thinkmeter.health().faults == 0
        finally:
            thinkmeter.uninstrument()
        calls = sum(len(request.tries) for request in requests)
        wait_for_calls(pipeline.address, calls)
        compare(run, requests, "--data", str(laid_data))


def test_through_an_import(
    requests: list[jhu.Request],
    configuration: Configuration,
    tmp_path: Path,
    run: Run,
    store_url: str,
    database: StoreAddress,
) -> None:
    file = tmp_path / "exams.csv"
    write(requests, file)
    told = run("import", str(file), "--store-url", store_url)
    assert (told.code, told.err) == (0, "")
    with connect(database) as client:
        apply_rules(client, configuration)
        settle_calls(client)
        refresh_prices(client, configuration.prices)
    compare(run, requests, "--store-url", store_url)


def send(requests: list[jhu.Request]) -> None:
    """Replay every request at its own time."""
    for request in requests:
        start = request.tries[0].time
        with thinkmeter.request(request.task, request_id=request.id, start=start) as req:
            for t in request.tries:
                with req.attempt(tier=t.tier, strategy=t.strategy, start=t.time) as attempt:
                    attempt.record_call(
                        provider="openai",
                        model=t.model,
                        input_tokens=t.input_tokens,
                        output_tokens=t.output_tokens,
                        thinking_tokens=t.thinking_tokens,
                        start=t.time,
                        end=t.time + dt.timedelta(seconds=ATTEMPT_S),
                        error="provider_error" if t.error else None,
                    )
                    verdict = attempt.verdict("self_consistency_10", score=t.score, threshold=jhu.THRESHOLD)
                    assert verdict.passed == t.passed
        for number, t in enumerate(request.tries, 1):
            thinkmeter.label(req.id, correct=t.correct, attempt=number, source="reference", time=t.time)


def write(requests: list[jhu.Request], file: Path) -> None:
    """The same as a file of past calls."""
    rows = [
        {
            "time": t.time.isoformat(),
            "request_id": request.id,
            "task": request.task,
            "tier": t.tier,
            "attempt": number,
            "strategy": t.strategy,
            "provider": "openai",
            "model": t.model,
            "input_tokens": t.input_tokens,
            "output_tokens": t.output_tokens,
            "thinking_tokens": t.thinking_tokens,
            "error_type": "provider_error" if t.error else "",
            "verifier": "self_consistency_10",
            "verdict_score": t.score,
            "verdict_threshold": jhu.THRESHOLD,
            "correct": int(t.correct),
            "label_source": "reference",
        }
        for request in requests
        for number, t in enumerate(request.tries, 1)
    ]
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def compare(run: Run, requests: list[jhu.Request], *where: str) -> None:
    """Every metric of every exam."""
    baselines = jhu.baselines(requests)
    reports = {metric: report(run, metric, *where) for metric in ("cpq", "ttr", "escr", "vrate")}
    assert all(set(rows) == set(baselines) for rows in reports.values())
    for task, baseline in baselines.items():
        mine = [request for request in requests if request.task == task]
        assert all(rows[task]["state"] == "ok" for rows in reports.values())

        cpq, expected = reports["cpq"][task], jhu.cpq(mine, baseline)
        assert cpq["value"] == pytest.approx(expected.value)
        assert cpq["n"] == expected.n
        assert cpq["detail"]["baseline_kind"] == "pinned"
        # the bounds belong to improvements: compared there, where a resampled share is what varies
        for ours, theirs in ((cpq["low"], expected.low), (cpq["high"], expected.high)):
            distance = abs(1 / expected.value - 1 / theirs)
            assert 1 / ours == pytest.approx(1 / theirs, abs=BOOTSTRAP_ERROR * distance)

        ttr = reports["ttr"][task]
        assert {"mean": ttr["value"], **{p: ttr["detail"][p] for p in ("p50", "p95", "p99")}} == pytest.approx(
            jhu.ttr(mine)
        )
        for name, figure in (("escr", jhu.escr(mine)), ("vrate", jhu.vrate(mine))):
            row = reports[name][task]
            assert (row["value"], row["low"], row["high"], row["n"]) == pytest.approx(
                (figure.value, figure.low, figure.high, figure.n)
            )


def report(run: Run, metric: str, *where: str) -> dict[str, dict[str, Any]]:
    """Task class -> its row."""
    told = run("report", metric, "--json", *WINDOW, *where)
    assert told.code == 0, told.err
    return {row["key"]["task"]: row for row in json.loads(told.out)["rows"]}


def wait_for_calls(address: StoreAddress, calls: int) -> None:
    """Until the store shows them all, priced, and reports read them; the pipeline's own jobs bring them there."""

    def arrived() -> bool:
        found = client.query(
            "SELECT count(), countIf(cost_source = 'computed'), (SELECT count() FROM labels FINAL) FROM calls"
        ).result_rows
        return found == [(calls, calls, calls)]

    with connect(address) as client, Reader(address) as reader:
        wait_for(arrived)
        by_then = reader.freshness().as_of
        wait_for(lambda: reader.freshness().shown_until >= by_then)
