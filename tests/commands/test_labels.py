"""`thinkmeter labels`: imported once, drawn blind, and weighed by what each stands for."""

import csv
import datetime as dt
import io
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.commandline import Run
from tests.metrics.traffic import Attempt, Request, Verdict, answered, insert_traffic
from tests.schema.rows import insert, label, select, span
from thinkmeter.schema.query import Reader
from thinkmeter.schema.query.labelling import allocate
from thinkmeter.schema.store.client import StoreAddress

WINDOW = ("--since", "2026-10-30", "--until", "2026-11-08")


def told_labels(client: Client) -> list[tuple[Any, ...]]:
    return [
        tuple(row.values())
        for row in select(
            client,
            "SELECT request_id, attempt, correct, source, labeler, sampling_probability FROM labels FINAL "
            "ORDER BY request_id, labeler, time",
        )
    ]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_good_rows_are_kept_and_bad_ones_listed(run: Run, store_url: str, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(
        "request_id,attempt,correct,source,labeler,sampling_probability\n"
        "r1,1,true,human,dana,\n"
        "r2,,no,,erin,0.25\n"
        ",,true,human,dana,\n"
        "r3,0,maybe,human,dana,\n"
        "r4,,1,guess,dana,\n"
        "r5,,,human,dana,\n"
    )
    for said in ("2 labels imported", "0 labels imported, 2 known already"):
        told = run("labels", "import", str(file), "--store-url", store_url)
        assert told.code == 1
        first, unknown, *bad = told.out.splitlines()
        assert first == said
        assert unknown == "of answers that project default has no calls of, kept until it has: 2: r1 attempt 1, r2"
        assert [line.removeprefix(f"{file}:").split(":")[0] for line in bad] == ["4", "5", "6", "7"]
        assert "name what is labelled" in bad[0]
        assert "attempt: Input should be greater than or equal to 1; correct: Input should be a valid boolean" in bad[1]
        assert "source: Input should be 'human', 'test' or 'reference'" in bad[2]
        assert "correct: Field required" in bad[3]
        assert told.err.startswith(f"thinkmeter: 4 rows of {file} are not valid and were left out; mend them")
        assert told_labels(client) == [
            ("r1", 1, True, "human", "dana", None),
            ("r2", None, False, "human", "erin", 0.25),
        ]


def test_labels_of_what_the_store_does_not_know_are_kept_and_told(
    run: Run, store_url: str, client: Client, tmp_path: Path
) -> None:
    insert_traffic(client, [answered("r1")])
    known = span(request_id="r2", response_id="resp-1")
    insert(client, "spans", [known])
    trace, one = known["trace_id"], known["span_id"]
    file = tmp_path / "labels.csv"
    file.write_text(
        "request_id,attempt,trace_id,span_id,response_id,correct\n"
        f"r1,,,,,1\nr1,1,,,,1\n,,,,resp-1,1\n,,{trace.upper()},{one},,1\n"
        f"r1,2,,,,1\nlate,,,,,1\n,,,,resp-2,0\n,,{trace},{'e' * 16},,1\n"
        + "".join(f"gone-{n},,,,,1\n" for n in range(4))
    )
    told = run("labels", "import", str(file), "--store-url", store_url)
    assert told.code == 0
    assert told.out.splitlines() == [
        "12 labels imported",
        "of answers that project default has no calls of, kept until it has: 8: "
        f"span {'e' * 16}, resp-2, gone-0, gone-1, gone-2 and 3 more",
    ]
    insert_traffic(client, [answered("late")])
    told = run("labels", "import", str(file), "--store-url", store_url)
    assert told.out.splitlines()[0] == "0 labels imported, 12 known already"
    assert told.out.splitlines()[1].startswith(
        "of answers that project default has no calls of, kept until it has: 7: "
    )


def test_a_labeler_who_changes_their_mind_is_heard(run: Run, store_url: str, client: Client, tmp_path: Path) -> None:
    insert_traffic(client, [answered("r1"), answered("r2")])
    file = tmp_path / "labels.jsonl"

    def say(*rows: dict[str, Any]) -> str:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        told = run("labels", "import", str(file), "--store-url", store_url)
        assert told.code == 0, told.err
        return told.out.splitlines()[0]

    dana = {"request_id": "r1", "labeler": "dana"}
    dated = {"request_id": "r2", "labeler": "dana", "time": "2026-11-02T10:00:00Z", "correct": True}
    assert say({**dana, "correct": True}, dated) == "2 labels imported"
    assert say({**dana, "correct": False}, dated) == "1 label imported, 1 known already"
    assert say({**dana, "correct": False}) == "0 labels imported, 1 known already"
    assert say({**dana, "correct": True}) == "1 label imported"
    assert select(client, "SELECT request_id, correct FROM requests ORDER BY request_id") == [
        {"request_id": "r1", "correct": True},
        {"request_id": "r2", "correct": True},
    ]


def population() -> list[Request]:
    """600 answers; high scores are mostly right, and most of them passed."""
    chance = random.Random(8)
    requests = []
    for n in range(600):
        score = chance.choice([0.95, 0.9, 0.85, 0.6, 0.3]) + chance.random() / 100
        verdicts = () if n % 10 == 0 else (Verdict(score >= 0.5, score),)
        requests.append(Request(f"r{n}", (Attempt(1, 10, verdicts=verdicts),), at_s=n))
    return requests


def truth(request_id: str, requests: dict[str, Request]) -> bool:
    [attempt] = requests[request_id].attempts
    score = attempt.verdicts[0].score if attempt.verdicts else 0.5
    assert score is not None
    return random.Random(request_id).random() < score


def test_a_spot_check_is_blind_and_each_label_weighs_what_it_stands_for(
    run: Run, store_url: str, database: StoreAddress, client: Client, tmp_path: Path
) -> None:
    requests = {one.id: one for one in population()}
    insert_traffic(client, list(requests.values()))
    insert(client, "labels", [label("r1", True, attempt=1), label("r2", True)])
    file, key = tmp_path / "check.csv", tmp_path / "check.key.csv"
    words = ("labels", "sample", "--size", "140", "--output", str(file), *WINDOW, "--store-url", store_url)
    told = run(*words)
    assert told.code == 0, told.err
    # fail, pass: three bands each; without a verdict there is no score
    assert told.out.startswith(f"140 answers of 7 strata in {file}: ")
    rows = list(table(file))
    assert list(rows[0]) == "item request_id attempt task question answer correct labeler explanation".split()
    drawn = {row["item"]: row for row in table(key)}
    assert key.stat().st_mode & 0o077 == 0
    assert Counter((row["verdict"], row["band"]) for row in drawn.values()) == Counter(
        {
            **{(verdict, band): 20 for verdict in ("pass", "fail") for band in ("low", "middle", "high")},
            ("none", "no score"): 20,
        }
    )
    verdicts = {
        name: one.attempts[0].verdicts[0].passed if one.attempts[0].verdicts else None
        for name, one in requests.items()
        if name not in ("r1", "r2")
    }
    for row in drawn.values():
        assert {"pass": True, "fail": False, "none": None}[row["verdict"]] == verdicts[row["request_id"]]
        assert float(row["sampling_probability"]) == 20 / int(row["stratum_size"])
    sizes = {(row["verdict"], row["band"]): int(row["stratum_size"]) for row in drawn.values()}
    assert sum(size for (verdict, _), size in sizes.items() if verdict == "pass") == sum(
        passed is True for passed in verdicts.values()
    )
    assert sum(sizes.values()) == 598
    # the order tells nothing: the strata are mixed
    assert len({drawn[row["item"]]["verdict"] for row in rows[:20]}) > 1
    # the reviewer, who takes half of them, and types nothing but the verdict
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(
            {**row, "correct": truth(row["request_id"], requests), "labeler": "dana"} if n < 139 else row
            for n, row in enumerate(rows)
        )
    told = run("labels", "import", str(file), "--store-url", store_url)
    assert (told.code, told.out) == (0, "139 labels imported, 1 not labelled yet\n"), told.err
    assert run("labels", "import", str(file), "--store-url", store_url).out == (
        "0 labels imported, 139 known already, 1 not labelled yet\n"
    )
    kept = {row[0]: row[5] for row in told_labels(client) if row[4] == "dana"}
    assert kept == {
        row["request_id"]: float(row["sampling_probability"])
        for row in drawn.values()
        if row["request_id"] != rows[139]["request_id"]
    }
    with Reader(database) as reader:
        [precision] = reader.report("vrate", since=WINDOW_SINCE, until=WINDOW_UNTIL).rows
    passes = [name for name, passed in verdicts.items() if passed]
    assert precision.value == pytest.approx(sum(truth(name, requests) for name in passes) / len(passes), abs=0.09)
    # a second reviewer of the same answers, who knows nothing of the draw, changes no weight
    again = tmp_path / "again.csv"
    again.write_text(
        "request_id,attempt,correct,labeler\n"
        + "".join(f"{name},1,{truth(name, requests)},lee\n" for name in sorted(kept))
    )
    assert run("labels", "import", str(again), "--store-url", store_url).out.startswith("139 labels imported")
    with Reader(database) as reader:
        assert reader.report("vrate", since=WINDOW_SINCE, until=WINDOW_UNTIL).rows == (precision,)
    told = run(*words)
    assert (told.code, f"{file} exists already" in told.err) == (1, True)


WINDOW_SINCE = dt.datetime(2026, 10, 30, tzinfo=dt.UTC)
WINDOW_UNTIL = dt.datetime(2026, 11, 8, tzinfo=dt.UTC)


def test_a_spot_check_without_its_key_is_refused(run: Run, store_url: str, tmp_path: Path) -> None:
    file = tmp_path / "check.csv"
    file.write_text("item,request_id,attempt,correct\n1,r1,1,true\n")
    told = run("labels", "import", str(file), "--store-url", store_url)
    assert told.code == 1
    assert f"its key {tmp_path}/check.key.csv cannot be read" in told.err
    key = tmp_path / "elsewhere.csv"
    key.write_text("item,request_id,attempt,sampling_probability\n2,r1,1,0.5\n")
    told = run("labels", "import", str(file), "--key", str(key), "--store-url", store_url)
    assert (told.code, f"{file}:2: item '1' is not in the key" in told.out) == (1, True)


def test_recorded_content_is_shown_to_the_reviewer(run: Run, store_url: str, client: Client, tmp_path: Path) -> None:
    content = {"gen_ai.input.messages": '[{"q": 1}]', "gen_ai.output.messages": '[{"a": 2}]'}
    insert(client, "spans", [span(request_id="r", attempt=1, thinking_tokens=1, output_tokens=2, attributes=content)])
    told = run("labels", "sample", "--output", str(tmp_path / "c.csv"), *WINDOW, "--store-url", store_url)
    assert told.code == 0, told.err
    [row] = table(tmp_path / "c.csv")
    assert (row["question"], row["answer"]) == ('[{"q": 1}]', '[{"a": 2}]')
    told = run(
        "labels", "sample", "--output", str(tmp_path / "d.csv"), "--task", "none", *WINDOW, "--store-url", store_url
    )
    assert (told.code, told.err) == (1, "thinkmeter: no settled answer without a label in this window\n")


def test_more_strata_than_answers_are_refused(run: Run, store_url: str, client: Client, tmp_path: Path) -> None:
    insert_traffic(client, [answered(f"r{n}", task=f"t{n}") for n in range(4)])
    told = run(
        "labels", "sample", "--size", "3", "--output", str(tmp_path / "c.csv"), *WINDOW, "--store-url", store_url
    )
    assert told.code == 1
    assert told.err.startswith("thinkmeter: there are 4 strata")
    assert list(tmp_path.iterdir()) == []


def test_disagreement_is_shown_pair_by_pair(run: Run, store_url: str, client: Client) -> None:
    insert_traffic(client, [answered(f"r{n}") for n in range(40)])
    chance = random.Random(3)
    labels, said = [], []
    for n in range(40):
        dana, erin = chance.random() < 0.7, chance.random() < 0.6
        # one names the attempt and one means the final one; what was said before does not count
        labels += [
            label(f"r{n}", not dana, attempt=1, labeler="dana", at_s=50),
            label(f"r{n}", dana, attempt=1, labeler="dana", at_s=90),
            label(f"r{n}", erin, labeler="erin", at_s=80),
        ]
        said.append((dana, erin))
    labels.append(label("r0", True, labeler="fay"))
    insert(client, "labels", labels)
    told = json.loads(run("labels", "disagreement", *WINDOW, "--json", "--store-url", store_url).out)
    [pair] = [one for one in told["pairs"] if one["labelers"] == ["dana", "erin"]]
    agreed = sum(dana == erin for dana, erin in said) / 40
    by_chance = sum(
        sum(dana == value for dana, _ in said) / 40 * sum(erin == value for _, erin in said) / 40
        for value in (True, False)
    )
    assert (pair["n"], pair["share"]) == (40, pytest.approx(agreed))
    assert pair["low"] < agreed < pair["high"]
    assert pair["kappa"] == pytest.approx((agreed - by_chance) / (1 - by_chance))
    assert {one["request_id"] for one in told["contested"]} >= {f"r{n}" for n, (d, e) in enumerate(said) if d != e}
    text = run("labels", "disagreement", *WINDOW, "--store-url", store_url).out
    assert "dana and erin" in text
    assert f"{100 * agreed:.1f}%" in text
    told_none = run(
        "labels", "disagreement", "--since", "2026-01-01", "--until", "2026-02-01", "--store-url", store_url
    )
    assert told_none.out == "no answer has labels of more than one labeler\n"


@given(sizes=st.dictionaries(st.integers(), st.integers(1, 50), min_size=1, max_size=12), extra=st.integers(0, 400))
def test_shares_use_up_the_total_and_no_stratum_goes_without(sizes: dict[int, int], extra: int) -> None:
    total = len(sizes) + extra
    shares = allocate(sizes, total)
    assert sum(shares.values()) == min(total, sum(sizes.values()))
    assert all(1 <= shares[one] <= sizes[one] for one in sizes)
    full = {one for one in sizes if shares[one] == sizes[one]}
    rest = [shares[one] for one in sizes if one not in full]
    assert not rest or max(rest) - min(rest) <= 1


@pytest.mark.parametrize(
    "words",
    [
        ("labels", "disagreement"),
        ("labels", "sample", "--output", "none.csv"),
        ("prices", "list"),
        ("prices", "diff"),
        ("reprice",),
        ("report", "overthinking"),
    ],
)
def test_a_store_that_was_never_migrated_is_told_in_a_sentence(
    run: Run, client: Client, store_url: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, names in (("VIEW", ("evaluations", "attempts", "current_rules")), ("TABLE", ("prices",))):
        for name in names:
            client.command(f"DROP {kind} {name}")
    told = run(*words, "--store-url", store_url)
    assert told.code == 1
    assert re.fullmatch(r"thinkmeter: the store refused.*\n", told.err)


def test_files_that_cannot_be_read_are_told_in_a_sentence(run: Run, store_url: str, tmp_path: Path) -> None:
    broken = tmp_path / "labels.csv"
    broken.write_bytes(b"request_id,correct\n\xff\xfe,1\n")
    for file, reason in (
        (tmp_path / "none.csv", "cannot be read"),
        (broken, "is not UTF-8"),
        (tmp_path / "a.txt", "its name"),
    ):
        for words in (("labels", "import"), ("prices", "import"), ("prices", "diff")):
            told = run(*words, str(file), "--store-url", store_url)
            assert (told.code, told.err.count("\n"), reason in told.err) == (1, 1, True)
