"""Recordings that others made of real models, through the store and the reader, against plain Python."""

import csv
import dataclasses
import datetime as dt
import gzip
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.metrics import derived, reference
from tests.metrics.traffic import SINCE, UNTIL, Attempt, Request, Verdict, insert_traffic
from tests.schema.rows import insert, price
from thinkmeter.schema.query import Reader
from thinkmeter.schema.rules import policy_rules, store_rules
from thinkmeter.schema.store.client import StoreAddress


def recorded(folder: Path) -> Iterator[dict[str, str]]:
    with gzip.open(folder / "requests.csv.gz", "rt", newline="") as text:
        yield from csv.DictReader(text)


def attempt(row: dict[str, str], verdicts: tuple[Verdict, ...] = ()) -> Attempt:
    return Attempt(
        int(row["tier"]) if row["tier"] else None,
        int(float(row["thinking_tokens"])) if row["thinking_tokens"] else None,
        int(float(row["output_tokens"])) if row["output_tokens"] else None,
        int(float(row["input_tokens"])) if row["input_tokens"] else None,
        verdicts,
        bool(int(row["correct"])) if row["correct"] else None,
        model=row["model"],
    )


def test_thinking_that_cannot_be_true_and_thinking_that_is_unknown_count_as_unknown(
    database: StoreAddress, client: Client, real_data: Path
) -> None:
    rows = list(recorded(real_data / "lrm_token_economy"))
    insert_traffic(
        client,
        [Request(row["request_id"], (attempt(row),), row["model"], at_s=n) for n, row in enumerate(rows)],
    )
    known: dict[str, list[int]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for row in rows:
        one = attempt(row)
        sizes[row["model"]] += 1
        if one.thinking is not None and one.output is not None and one.thinking <= one.output:
            known[row["model"]].append(one.thinking)
    with Reader(database) as reader:
        report = {row.key["task"]: row for row in reader.report("ttr", since=SINCE, until=UNTIL).rows}
        coverage = {row.key["task"]: row for row in reader.report("coverage", since=SINCE, until=UNTIL).rows}
    assert report.keys() == sizes.keys()
    assert sum(len(counts) for counts in known.values()) < len(rows) - 100  # the fault is a common one
    for model, size in sizes.items():
        found, counts = report[model], known[model]
        assert (found.n, found.detail["requests"]) == (len(counts), size), model
        assert found.detail["left_out_share"] == pytest.approx(1 - len(counts) / size)
        if len(counts) >= 20:
            assert found.value == pytest.approx(statistics.fmean(counts)), model
            assert found.detail["p95"] == pytest.approx(reference.percentile(counts, 95)), model
        else:
            assert (found.state, found.value) == ("insufficient_data", None), model
    above = sum(covered.detail["thinking_above_output_calls"] for covered in coverage.values())
    assert above == sum(
        float(row["thinking_tokens"]) > float(row["output_tokens"]) for row in rows if row["thinking_tokens"]
    )


def test_models_that_keep_their_thinking_to_themselves_have_no_cost_per_point(
    database: StoreAddress, client: Client, real_data: Path
) -> None:
    rows = list(recorded(real_data / "misguided_attention"))
    insert_traffic(
        client,
        [Request(row["request_id"], (attempt(row),), row["model"], at_s=n) for n, row in enumerate(rows)],
    )
    with Reader(database) as reader:
        cpq = {row.key["task"]: row for row in reader.report("cpq", since=SINCE, until=UNTIL).rows}
        ttr = {row.key["task"]: row for row in reader.report("ttr", since=SINCE, until=UNTIL).rows}
    for model in ("claude-sonnet-4", "claude-4-sonnet-0522-thinking"):
        assert (ttr[model].n, ttr[model].value, ttr[model].detail["left_out_share"]) == (0, None, 1.0)
        assert (cpq[model].state, cpq[model].n) == ("insufficient_data", 156)
        assert cpq[model].detail["reason"].endswith("unpaired has 0 labels with thinking and 0 without, of 30 each")
    counts = [attempt(row).thinking for row in rows if row["model"] == "o4-mini-high-long"]
    told = ttr["o4-mini-high-long"]
    assert (told.n, told.detail["requests"]) == (155, 156)
    assert told.value == pytest.approx(statistics.fmean(count for count in counts if count is not None))


def test_a_cascade_of_two_real_models(database: StoreAddress, client: Client, real_data: Path) -> None:
    """GPT-3.5 without thinking; where ten votes agree too little, GPT-4 with a chain of thought."""
    rows = list(recorded(real_data / "jhu_concise_cot"))
    thinkers = {
        (row["task_type"], row["problem_id"]): row
        for row in rows
        if row["tier"] == "2" and row["strategy"] == "chain_of_thought"
    }
    requests: list[Request] = []
    for row in rows:
        if row["tier"] == "1" and row["strategy"] == "baseline":
            score = float(row["verifier_score"])
            attempts = [attempt(row, (Verdict(score >= 0.7, score, row["verifier"]),))]
            if score < 0.7:
                attempts.append(attempt(thinkers[row["task_type"], row["problem_id"]]))
            requests.append(Request(row["request_id"], tuple(attempts), "exam", at_s=60.0 * len(requests)))
    assert len(requests) == 200
    insert(client, "prices", [price(model=model) for model in ("gpt-35-turbo", "gpt-4")])
    store_rules(client, "policy", policy_rules({"default": "{}"}))
    insert_traffic(client, requests)
    with Reader(database) as reader:
        window = {"since": SINCE, "until": SINCE + dt.timedelta(days=1)}
        [cpq], [ttr], [escr], [vrate] = (
            reader.report(metric, since=window["since"], until=window["until"]).rows
            for metric in ("cpq", "ttr", "escr", "vrate")
        )
    paired, climbs, precision = (
        reference.paired(requests),
        reference.escr(requests),
        reference.vrate(requests, "self_consistency_10"),
    )
    assert (cpq.state, cpq.detail["baseline_kind"], cpq.n) == ("ok", "paired", paired.n)
    assert cpq.value == pytest.approx(paired.value)
    assert cpq.detail["improvement_pp"] == pytest.approx(100 * paired.improvement)
    bounds = [cpq.detail["improvement_low_pp"], cpq.detail["improvement_high_pp"]]
    assert bounds == pytest.approx([100 * end for end in paired.interval], abs=1.0)
    counts = [reference.thinking(request) or 0 for request in requests]
    assert ttr.value == pytest.approx(statistics.fmean(counts))
    assert ttr.detail["p99"] == pytest.approx(reference.percentile(counts, 99))
    assert escr.n == 200
    assert escr.value == pytest.approx(climbs.value)
    assert (escr.low, escr.high) == pytest.approx(climbs.interval)
    assert escr.detail["rescued_share"] == pytest.approx(climbs.rescued)
    assert escr.detail["usd_per_rescued"] == pytest.approx(climbs.usd_per_rescued)
    assert vrate.n == precision.n
    assert vrate.value == pytest.approx(precision.value)
    assert vrate.detail["recall"] == pytest.approx(precision.recall)
    assert vrate.detail["false_positive_rate"] == pytest.approx(precision.false_positive_rate)


def test_accuracy_by_length_of_real_thinking(database: StoreAddress, client: Client, real_data: Path) -> None:
    rows = list(recorded(real_data / "lrm_token_economy"))
    insert_traffic(
        client,
        [Request(row["request_id"], (attempt(row),), row["model"], at_s=n) for n, row in enumerate(rows)],
    )
    wanted: dict[str, dict[int, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        one = attempt(row)
        if one.correct is not None and one.thinking is not None and one.output is not None:
            if one.thinking <= one.output:
                wanted[row["model"]][derived.bin_of(one.thinking)].append(one.correct)
    with Reader(database) as reader:
        report = {row.key["task"]: row for row in reader.report("overthinking", since=SINCE, until=UNTIL).rows}
    assert len(wanted) > 5
    for model, lengths in wanted.items():
        found = report[model]
        labelled = {one["from_tokens"]: one for one in found.detail["bins"] if one["n"]}
        assert {derived.bin_of(begin) for begin in labelled} == lengths.keys(), model
        for one in labelled.values():
            answers = lengths[derived.bin_of(one["from_tokens"])]
            assert (one["n"], one["correct"]) == (len(answers), pytest.approx(statistics.fmean(answers))), model
            assert (one["low"], one["high"]) == pytest.approx(reference.wilson(sum(answers), len(answers)))
        assert found.n == sum(len(answers) for length, answers in lengths.items() if length), model
        assert (found.value is None) == (found.state == "insufficient_data"), model


def test_strategies_of_a_published_comparison(database: StoreAddress, client: Client, real_data: Path) -> None:
    rows = [row for row in recorded(real_data / "jhu_concise_cot") if row["model"] == "gpt-4" and row["correct"]]
    names = {"baseline": "greedy"}
    insert(client, "prices", [price(model="gpt-4")])
    insert_traffic(
        client,
        [
            Request(
                row["request_id"],
                (dataclasses.replace(attempt(row), strategy=names.get(row["strategy"], row["strategy"])),),
                "exam",
                at_s=n,
            )
            for n, row in enumerate(rows)
        ],
    )
    with Reader(database) as reader:
        report = {row.key["strategy"]: row for row in reader.report("strategies", since=SINCE, until=UNTIL).rows}
    by_name: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        by_name[names.get(row["strategy"], row["strategy"])].append(row)
    assert by_name.keys() == report.keys()
    shares = {name: statistics.fmean(int(row["correct"]) for row in mine) for name, mine in by_name.items()}
    costs = {
        name: statistics.fmean(reference.cost_usd(attempt(row)) or 0 for row in mine) for name, mine in by_name.items()
    }
    for name, told in report.items():
        assert told.n == len(by_name[name])
        assert told.value == pytest.approx(shares[name])
        assert told.detail["cost_per_attempt_usd"] == pytest.approx(costs[name])
        if name != "greedy":
            gain = shares[name] - shares["greedy"]
            assert told.detail["gain_pp"] == pytest.approx(100 * gain)
            price_of_it = told.detail["cost_per_extra_correct_usd"]
            if gain > 0 and costs[name] > costs["greedy"]:
                assert price_of_it == pytest.approx((costs[name] - costs["greedy"]) / gain)
            else:
                assert price_of_it is None
