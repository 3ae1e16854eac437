"""The configuration: the file, the environment over it, and one sentence for whatever is wrong in it."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.schema.rows import select
from thinkmeter.configuration import apply_rules, load
from thinkmeter.schema.errors import ThinkmeterError

COMPLETE = """
timezone = "Europe/Berlin"

[store]
url = "clickhouse://thinkmeter:secret@db.internal:8443/thinkmeter?secure=true"

[collector]
http_port = 14318

[tiers]
"gpt-5-nano*" = 1
"claude-opus-*" = 3

[policy.default]
p95_factor = 2.5

[policy.sql_generation]
baseline_accuracy = 0.62
escalation_target = 0.15

[[tasks]]
match = { "gen_ai.prompt.name" = "sql-*" }
task = "sql_generation"

[[prices.override]]
provider = "acme"
model = "acme-think-*"
valid_from = 2026-01-01T00:00:00Z
input_per_mtok_usd = 1.0
thinking_per_mtok_usd = 10.0
answer_per_mtok_usd = 8.0

[[prices.self_hosted]]
model = "deepseek-r1*"
gpu_hour_usd = 2.80
gpus = 8
output_tokens_per_second = 2400

[budgets]
monthly_usd = 12000
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "thinkmeter.toml"
    path.write_text(text)
    return path


def test_the_whole_form_is_read(tmp_path: Path) -> None:
    configuration = load(write(tmp_path, COMPLETE))
    assert configuration.timezone == "Europe/Berlin"
    assert configuration.collector.http_port == 14318
    assert configuration.tiers == {"gpt-5-nano*": 1, "claude-opus-*": 3}
    assert configuration.prices.override[0].thinking_per_mtok_usd == 10.0
    sql = configuration.policies["sql_generation"]
    assert (sql.baseline_accuracy, sql.escalation_target, sql.p95_factor) == (0.62, 0.15, 2.5)
    assert configuration.policies["never heard of"].p95_factor == 2.5
    assert configuration.budgets.monthly_usd is not None
    assert configuration.idle_sections == []


def test_the_environment_holds_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINKMETER_COLLECTOR__HTTP_PORT", "24318")
    monkeypatch.setenv("THINKMETER_TIMEZONE", "Asia/Tokyo")
    configuration = load(write(tmp_path, COMPLETE))
    assert (configuration.collector.http_port, configuration.timezone) == (24318, "Asia/Tokyo")
    assert configuration.tiers == {"gpt-5-nano*": 1, "claude-opus-*": 3}


def test_without_a_file_everything_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load().collector.http_port == 4318
    write(tmp_path, "[collector]\nhttp_port = 5\n")
    assert load().collector.http_port == 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[collecter]\nhttp_port = 1\n", "unknown key 'collecter', did you mean 'collector'?"),
        (
            "[collector]\nhttp_prt = 1\n",
            "unknown key 'collector.http_prt', did you mean 'collector.http_port'?",
        ),
        ("[collector]\nhttp_port = 99999\n", "collector.http_port = 99999: "),
        ("timezone = 'Mars/Olympus'\n", "timezone = 'Mars/Olympus': no time zone is called 'Mars/Olympus'"),
        ("[policy.sql]\nbaseline = 0.5\n", "policy.sql"),
        ("[policy.sql]\nescalation_target = 1.5\n", "policy.sql"),
        ("[tiers]\n'gpt*' = 4\n", "tiers.gpt* = 4: "),
        ("[[prices.override]]\nmodel = 'm'\nanswer_per_mtok_usd = 1.0\n", "prices.override.0.input_per_mtok_usd"),
        ("[store\n", "is not TOML"),
    ],
)
def test_a_wrong_key_or_value_is_one_sentence_with_its_place(text: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ThinkmeterError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ThinkmeterError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_rules_reach_the_store_and_the_same_again_changes_nothing(tmp_path: Path, client: Client) -> None:
    configuration = load(write(tmp_path, COMPLETE))
    assert apply_rules(client, configuration) == ["tier", "task", "never_thinks", "timezone", "policy", "budget"]
    assert apply_rules(client, configuration) == []
    assert select(client, "SELECT task, baseline_accuracy FROM policies ORDER BY task") == [
        {"task": "default", "baseline_accuracy": None},
        {"task": "sql_generation", "baseline_accuracy": 0.62},
    ]
    assert apply_rules(client, load(write(tmp_path, ""))) == ["tier", "task", "timezone", "policy", "budget"]
    assert select(client, "SELECT count() AS n FROM current_rules WHERE kind = 'tier'") == [{"n": 0}]


def test_the_example_is_valid_and_every_section_of_it_takes_effect() -> None:
    configuration = load(Path(__file__).parents[1] / "deploy" / "thinkmeter.toml")
    assert configuration.idle_sections == []
    assert configuration.policies["sql_generation"].thinking_cap_tokens == 16000
