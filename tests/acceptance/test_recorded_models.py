"""Real recordings through `thinkmeter import`: their published and computed figures, and their faults as states."""

import csv
import gzip
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run
from tests.metrics import reference
from thinkmeter.collector.jobs.pricing import refresh_prices
from thinkmeter.collector.jobs.settling import settle_calls
from thinkmeter.configuration import Configuration, apply_rules

NAMES = (
    "ts=time", "task_type=task", "group_id=", "problem_id=", "sample=",
    "thinking_source=", "output_chars=", "score=", "verifier_score=verdict_score", "verdict=", "escalated=",
    "cost_usd=", "error=", "tier=",
)  # fmt: skip
"""How the columns of the recordings are called here; what has no meaning in it is left out."""
WINDOW = ("--since", "2025-01-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z")
Rows = list[dict[str, str]]


def recorded(folder: Path, name: str) -> Rows:
    with gzip.open(folder / name / "requests.csv.gz", "rt", newline="") as text:
        return list(csv.DictReader(text))


def imported(run: Run, url: str, client: Client, rows: Rows, file: Path, *options: str) -> None:
    """Rows as they are, but for a time where the recording has none, and whole numbers written as such."""
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        for number, row in enumerate(rows):
            thinking = str(int(float(row["thinking_tokens"]))) if row["thinking_tokens"] else ""
            time = row["ts"] or f"2025-06-01T00:{number // 60 % 60:02}:{number % 60:02}Z"
            writer.writerow({**row, "ts": time, "thinking_tokens": thinking})
    told = run("import", str(file), "--store-url", url, *(f"--map={name}" for name in NAMES), *options)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"{len(rows)} calls, 0 verdicts and ")
    settle_calls(client)


def report(run: Run, url: str, metric: str, by: str = "model") -> dict[str, dict[str, Any]]:
    told = run("report", metric, "--json", "--by", by, *WINDOW, "--store-url", url)
    assert told.code == 0, told.err
    return {row["key"][by]: row for row in json.loads(told.out)["rows"]}


def test_reasoning_models_on_knowledge_questions(
    real_data: Path, tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    rows = recorded(real_data, "lrm_token_economy")
    imported(run, store_url, client, rows, tmp_path / "rows.csv", "--set", "provider=recorded")
    known: dict[str, list[int]] = defaultdict(list)
    above: dict[str, int] = defaultdict(int)
    unseen: dict[str, int] = defaultdict(int)
    for row in rows:
        output, thinking = float(row["output_tokens"]), float(row["thinking_tokens"] or -1)
        above[row["model"]] += thinking > output
        unseen[row["model"]] += thinking == 0 and int(row["thinking_chars"] or 0) > 0
        if 0 <= thinking <= output and not (thinking == 0 and int(row["thinking_chars"] or 0) > 0):
            known[row["model"]].append(int(thinking))  # estimates are no whole numbers there
    assert (sum(above.values()), sum(unseen.values())) == (89, 27)
    ttr, coverage = report(run, store_url, "ttr"), report(run, store_url, "coverage")
    assert len(ttr) == 19
    for model, told in ttr.items():
        counts = known[model]
        assert (told["n"], told["detail"]["requests"]) == (len(counts), 25), model
        assert coverage[model]["detail"]["thinking_above_output_calls"] == above[model], model
        if len(counts) < 20:
            assert (told["state"], told["value"]) == ("insufficient_data", None), model
        else:
            assert told["value"] == pytest.approx(statistics.fmean(counts)), model
            assert told["detail"]["p50"] == pytest.approx(statistics.median(counts)), model
    # all of its thinking stands there to be read, and its count is 0: not a number
    assert unseen["llama-3.3-nemotron-super-49b-v1"] == 25
    assert ttr["llama-3.3-nemotron-super-49b-v1"]["detail"]["left_out_share"] == 1.0
    # every answer is right, thought over or not: there is no gain that could be priced
    assert all(told["value"] is None for told in report(run, store_url, "cpq").values())
    whole = report(run, store_url, "accuracy", "task")["knowledge"]
    assert (whole["n"], whole["value"], whole["low"]) == (475, 1.0, pytest.approx(reference.wilson(475, 475)[0]))


def test_trick_questions_with_and_without_thinking(
    real_data: Path, tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    rows = recorded(real_data, "misguided_attention")
    imported(run, store_url, client, rows, tmp_path / "rows.csv", "--set", "provider=recorded")
    accuracy, ttr = report(run, store_url, "accuracy"), report(run, store_url, "ttr")
    right = {name: [row for row in rows if row["model"] == name and row["correct"] == "1"] for name in accuracy}
    assert {name: len(mine) for name, mine in right.items()} == {
        "claude-sonnet-4": 64, "claude-4-sonnet-0522-thinking": 102, "o4-mini-high-long": 69
    }  # fmt: skip
    for name, told in accuracy.items():
        assert (told["n"], told["value"]) == (156, pytest.approx(len(right[name]) / 156))
        assert (told["low"], told["high"]) == pytest.approx(reference.wilson(len(right[name]), 156))
    for name in ("claude-sonnet-4", "claude-4-sonnet-0522-thinking"):
        assert (ttr[name]["n"], ttr[name]["value"]) == (0, None)  # unknown, and never 0


@pytest.mark.parametrize(
    ("baseline", "state"), [(64 / 156, "ok"), (102 / 156, "no_gain"), (0.9, "worse"), (0.62, "inconclusive")]
)
def test_a_gain_of_zero_or_less_has_no_price(
    baseline: float, state: str, real_data: Path, tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    rows = [row for row in recorded(real_data, "misguided_attention") if "thinking" in row["model"]]
    # the recording does not tell how much of the output was thinking; what a price needs is set here, and only that
    told = [{**row, "thinking_tokens": row["output_tokens"]} for row in rows]
    configuration = Configuration(
        prices={
            "override": [{"provider": "recorded", "model": "*", "input_per_mtok_usd": 3.0, "answer_per_mtok_usd": 15.0}]
        },  # type: ignore[arg-type]
        policy={"misguided_attention": {"baseline_accuracy": baseline}},
    )
    apply_rules(client, configuration)
    imported(
        run, store_url, client, told, tmp_path / "rows.csv", "--set", "provider=recorded", "--set", "input_tokens=0"
    )
    refresh_prices(client, configuration.prices)
    row = report(run, store_url, "cpq", "task")["misguided_attention"]
    spent = sum(int(one["output_tokens"]) for one in rows) * 15 / 1e6
    assert (row["state"], row["n"]) == (state, 156)
    assert row["detail"]["thinking_cost_usd"] == pytest.approx(spent)
    if state in ("ok", "inconclusive"):
        assert row["value"] == pytest.approx(spent / (100 * (102 / 156 - baseline)))
        assert (row["high"] is None) == (state == "inconclusive")
    else:
        assert (row["value"], row["low"], row["high"]) == (None, None, None)
