"""`thinkmeter import`: past calls, once however often, with the place and reason of what is not valid."""

import csv
import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run
from tests.schema.rows import select
from thinkmeter.collector.jobs.settling import settle_calls

ROWS: list[dict[str, Any]] = [
    {
        "time": "2026-11-01T10:00:00",
        "request_id": "r1",
        "task": "sql",
        "tier": tier,
        "attempt": tier,
        "provider": "openai",
        "model": "gpt-5-nano",
        "input_tokens": 100,
        "output_tokens": 50 * tier,
        "thinking_tokens": None if tier == 1 else 60,
        "duration_ms": 1500.5,
        "verifier": "orm",
        "verdict_score": 0.3 * tier,
        "verdict_threshold": 0.5,
        "correct": tier == 2,
        "label_source": "human",
    }
    for tier in (1, 2)
]


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    rows = list(rows)
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_packed(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_bytes(gzip.compress(write_csv(path.with_suffix(".plain"), rows).read_bytes()))
    return path


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), path)
    return path


WRITERS = {
    "calls.csv": write_csv,
    "calls.csv.gz": write_packed,
    "calls.jsonl": write_json_lines,
    "calls.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_gives_the_same_calls(name: str, tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    told = run("import", str(WRITERS[name](tmp_path / name, ROWS)), "--store-url", store_url)
    assert (told.code, told.out) == (0, "2 calls, 2 verdicts and 2 labels imported\n"), told.err
    settle_calls(client)
    columns = "time, task, tier, attempt, input_tokens, output_tokens, thinking_tokens, thinking_source, duration_ms"
    assert [list(row.values())[1:] for row in select(client, f"SELECT {columns} FROM calls ORDER BY attempt")] == [
        ["sql", 1, 1, 100, 50, None, "missing", 1500.5],
        ["sql", 2, 2, 100, 100, 60, "provider", 1500.5],
    ]
    assert select(client, "SELECT attempt, verdict_passed, correct, label_source FROM attempts ORDER BY attempt") == [
        {"attempt": 1, "verdict_passed": False, "correct": False, "label_source": "human"},
        {"attempt": 2, "verdict_passed": True, "correct": True, "label_source": "human"},
    ]


def test_the_same_file_again_changes_nothing_and_a_longer_one_adds(
    tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    # two rows of equal content are two calls
    file = write_csv(tmp_path / "calls.csv", [*ROWS, ROWS[0]])
    for _ in range(2):
        assert run("import", str(file), "--store-url", store_url).code == 0
        settle_calls(client)
    assert select(client, "SELECT count() AS calls FROM calls") == [{"calls": 3}]
    assert select(client, "SELECT count() AS n FROM labels FINAL") == [{"n": 3}]
    file = write_csv(tmp_path / "calls.csv", [*ROWS, ROWS[0], {**ROWS[0], "request_id": "r2"}])
    assert run("import", str(file), "--store-url", store_url).code == 0
    settle_calls(client)
    assert select(client, "SELECT request_id, calls FROM requests ORDER BY request_id") == [
        {"request_id": "r1", "calls": 3},
        {"request_id": "r2", "calls": 1},
    ]


def test_bad_rows_are_listed_with_line_and_reason_and_the_rest_is_imported(
    tmp_path: Path, run: Run, store_url: str, client: Client
) -> None:
    rows = [
        ROWS[0],
        {**ROWS[0], "tier": 4},
        {**ROWS[0], "time": "yesterday"},
        {**ROWS[0], "model": ""},
        {**ROWS[0], "output_tokens": -1},
        ROWS[1],
    ]
    told = run("import", str(write_csv(tmp_path / "calls.csv", rows)), "--store-url", store_url)
    assert told.code == 1
    assert [line.split("calls.csv:")[1] for line in told.out.splitlines()[1:]] == [
        "3: tier = '4': Input should be less than or equal to 3",
        "4: time = 'yesterday': Input should be a valid datetime or date, input is too short",
        "5: model is missing",
        "6: output_tokens = '-1': Input should be greater than or equal to 0",
    ]
    assert told.err.startswith("thinkmeter: 4 rows of ")
    assert "Traceback" not in told.err
    settle_calls(client)
    assert select(client, "SELECT count() AS calls FROM calls") == [{"calls": 2}]


def test_columns_go_by_other_names(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    rows = [{"ts": "2026-11-01T10:00:00Z", "model": "m", "prompt": "p-7", "out_tokens": "12"}]
    file = str(write_csv(tmp_path / "calls.csv", rows))
    told = run("import", file, "--store-url", store_url)
    assert (told.code, told.err) == (
        1,
        f"thinkmeter: {file}:2: column 'out_tokens' is not one of `calls`: did you mean "
        "--map out_tokens=output_tokens? --map out_tokens= leaves it out, "
        "--map out_tokens=attributes.out_tokens keeps it\n",
    )
    renames = ("ts=time", "prompt=attributes.prompt", "out_tokens=output_tokens", "none=")
    told = run("import", file, "--store-url", store_url, *(f"--map={rename}" for rename in renames))
    assert told.code == 0, told.err
    settle_calls(client)
    assert select(client, "SELECT output_tokens, attributes FROM calls") == [
        {"output_tokens": 12, "attributes": {"prompt": "p-7"}}
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("calls.txt", b"", "its name tells the format"),
        ("calls.csv", b"time,model\n\xff\xfe,m\n", "is not UTF-8"),
        ("calls.csv.gz", b"time,model\n", "cannot be read: Not a gzipped file"),
        ("calls.parquet", b"PAR1", "cannot be read: "),
    ],
)
def test_a_broken_file_is_one_sentence(
    name: str, content: bytes, reason: str, tmp_path: Path, run: Run, store_url: str
) -> None:
    (tmp_path / name).write_bytes(content)
    told = run("import", str(tmp_path / name), "--store-url", store_url)
    assert told.code == 1
    assert reason in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("calls.csv", b"time,model\n2026-11-01T00:00Z,m\n2026-11-01,m,x\n", "3: more values than the 2 columns"),
        ("calls.jsonl", b'{"time": "2026-11-01T00:00Z", "model": "m"}\n{"time"', "2: not JSON"),
        ("calls.jsonl", b'[1]\n{"time": "2026-11-01T00:00Z", "model": "m"}\n', "1: not a JSON object"),
    ],
)
def test_a_line_that_is_no_row_is_listed_and_the_others_are_kept(
    name: str, content: bytes, reason: str, tmp_path: Path, run: Run, store_url: str
) -> None:
    (tmp_path / name).write_bytes(content)
    told = run("import", str(tmp_path / name), "--store-url", store_url)
    assert told.code == 1
    assert told.out.startswith("1 calls, 0 verdicts and 0 labels imported\n")
    assert f"{name}:{reason}" in told.out
    assert told.err == f"thinkmeter: 1 row of {tmp_path / name} is not valid and was left out; mend it and try again\n"


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, run: Run, store_url: str) -> None:
    told = run("import", str(tmp_path / "none.csv"), "--store-url", store_url)
    assert (told.code, told.err) == (1, f"thinkmeter: {tmp_path}/none.csv cannot be read: No such file or directory\n")


def test_what_was_exported_comes_back(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    assert run("import", str(write_csv(tmp_path / "calls.csv", ROWS)), "--store-url", store_url).code == 0
    settle_calls(client)
    before = select(client, "SELECT * EXCEPT inserted FROM calls ORDER BY span_id")
    exported = tmp_path / "exported.parquet"
    exported.write_bytes(client.raw_query("SELECT * FROM calls", fmt="Parquet"))
    client.command("TRUNCATE TABLE spans")
    client.command("TRUNCATE TABLE call_facts")
    assert run("import", str(exported), "--store-url", store_url).code == 0
    settle_calls(client)
    assert select(client, "SELECT * EXCEPT inserted FROM calls ORDER BY span_id") == before
