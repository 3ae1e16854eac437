"""`thinkmeter policy init`: a policy that can be read back, and what tasks behave like."""

import re
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run
from tests.schema.rows import Row, insert, span
from thinkmeter.configuration import load
from thinkmeter.schema.presets import PRESETS, Behaviour, nearest

WINDOW = ("--since", "2026-10-30", "--until", "2026-11-08")


def requests(task: str, number: int, *, thinking: int, wait_ms: float, calls: int = 1, strategy: str = "") -> list[Row]:
    return [
        span(
            at_s=n,
            task=task,
            request_id=f"{task}{n}",
            attempt=1,
            sample=sample,
            strategy=strategy,
            thinking_tokens=thinking,
            output_tokens=thinking + 100,
            time_to_first_answer_ms=wait_ms,
            duration_ns=int(wait_ms * 2e6),
        )
        for n in range(number)
        for sample in range(calls)
    ]


def test_tasks_are_told_what_they_behave_like(run: Run, store_url: str, client: Client, tmp_path: Path) -> None:
    insert(
        client,
        "spans",
        [
            *requests("support", 30, thinking=0, wait_ms=900),
            *requests('say "sql"\n', 30, thinking=3500, wait_ms=12_000),
            *requests("invoices", 30, thinking=400, wait_ms=50_000, calls=4, strategy="best_of_n"),
            *requests("rare", 3, thinking=10, wait_ms=100),
        ],
    )
    output = tmp_path / "policy.toml"
    told = run("policy", "init", "--output", str(output), *WINDOW, "--store-url", store_url)
    assert told.code == 0, told.err
    for task, preset in (("support", "interactive chat"), ("invoices", "batch extraction")):
        assert re.search(rf"^ *{task} .* {preset} ", told.out, re.MULTILINE), told.out
    assert "not enough data: 3 of 20 requests" in told.out
    text = output.read_text()
    assert "it behaves like data analysis and SQL; next is" in text
    policies = load(output).policies
    assert set(policies) == {"default", "support", 'say "sql"\n', "invoices"}
    assert policies["support"].ttft_target_ms == 2000
    assert policies['say "sql"\n'].thinking_cap_tokens == 5000
    again = run("policy", "init", "--output", str(output), *WINDOW, "--store-url", store_url)
    assert (again.code, "exists already" in again.err) == (1, True)
    assert output.read_text() == text


def test_every_usual_class_can_be_taken_as_it_stands(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THINKMETER_STORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    told = run("policy", "init", "--output", "-", "--data", str(tmp_path))
    assert told.code == 0
    assert f"no data, so the usual classes alone: no store is running on {tmp_path}" in told.err
    usual = told.out[told.out.index("# The usual classes") :]
    sections = re.findall(r"^# (\[policy\.\w+\]|\w+ = .*)$", usual, re.MULTILINE)
    (tmp_path / "usual.toml").write_text("\n".join(sections))
    assert set(load(tmp_path / "usual.toml").policies) == {
        "default",
        *(preset.name.replace(" ", "_") for preset in PRESETS),
    }


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_what_lies_in_the_ranges_of_a_class_behaves_like_it(preset: object) -> None:
    [mine] = [one for one in PRESETS if one is preset]
    wait = sum(mine.wait_ms) / 2 if mine.wait_ms[1] < 1e6 else 3_600_000
    thinking = sum(mine.thinking_tokens) / 2
    (first, distance), *_ = nearest(Behaviour(thinking, wait, 1.0 if mine.samples else 0.0))
    assert (first.name, distance) == (mine.name, 0.0)
