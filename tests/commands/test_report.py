"""`thinkmeter report` as people and scripts call it."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from rich.console import Console
from typer.testing import CliRunner

import thinkmeter.commands.report  # noqa: F401  # joins the application
from tests.databases import Databases
from tests.metrics.scenarios import POLICIES, traffic
from tests.metrics.traffic import SINCE, UNTIL, insert_traffic
from tests.schema.rows import insert, price
from thinkmeter.commands.line import app
from thinkmeter.commands.report.tables import show
from thinkmeter.schema.metrics.catalogue import METRICS
from thinkmeter.schema.policy import Policies
from thinkmeter.schema.query import Filters, Reader
from thinkmeter.schema.rules import policy_rules, store_rules
from thinkmeter.schema.store.client import StoreAddress, connect

WINDOW = ("--since", "7d", "--until", "2026-11-08T12:00:00Z")


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    address = databases.take()
    policies = Policies.from_sections(POLICIES)
    with connect(address) as client:
        store_rules(client, "policy", policy_rules({task: policies[task].model_dump_json() for task in policies}))
        insert(client, "prices", [price()])
        insert_traffic(client, list(traffic()))
    yield url_of(address)
    databases.give_back(address)


def url_of(address: StoreAddress) -> str:
    return f"clickhouse://{address.username}:{quote(address.password)}@{address.host}:{address.port}/{address.database}"


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["report", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["report", *words], env={"COLUMNS": "300"})
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.replace("│", " ").split())


def test_people_get_all_four_with_cost_and_coverage(url: str) -> None:
    text = run(*WINDOW, "--store-url", url)
    assert text.startswith("2026-11-01 12:00 to 2026-11-08 12:00 UTC, as of ")
    for title in (
        "Cost per quality point",
        "Thinking token rate",
        "Escalation rate",
        "Verifier precision",
        "Cost (",
        "Coverage: 95.3% of 965 calls have known thinking and cost; thinking unknown 4.7%; unpriced 4.7%",
    ):
        assert f"\n{title}" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["ok", "33", "+33.3", "pp", "paired"] in [[*words[:1], *words[5:9]] for words in lines]
    assert ["worse", "-", "-", "32", "-37.5", "pp"] in [words[:6] for words in lines]
    assert "no gain: accuracy did not rise" in text
    assert "worse: accuracy fell" in text
    assert "not enough data: 12 of 30 labels" in text
    assert "inconclusive: accuracy may not have risen" in text
    assert "confounded" in text
    assert "estimated" in text


def test_one_metric_of_one_task(url: str) -> None:
    text = run("escr", *WINDOW, "--task", "cascade", "--store-url", url)
    assert "Thinking token rate" not in text
    [line] = [line for line in text.splitlines() if line.startswith(" cascade") or line.startswith("cascade")]
    assert "26.1%" in line
    assert "59 / 27 / 14%" in line


def test_a_narrow_terminal_gets_fewer_columns_and_whole_numbers(url: str) -> None:
    console = Console(width=80, file=io.StringIO())
    with Reader(StoreAddress.from_url(url)) as reader:
        escr = reader.report("escr", since=SINCE, until=UNTIL, task="cascade")
        show([escr], coverage=reader.report("coverage", since=SINCE, until=UNTIL, by=()), console=console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "26.1%   15.6% to 40.3%   46   < 20.0%   59 / 27 / 14%   ok" in text
    assert "5 more columns on a wider terminal; --json has all" in text


def test_scripts_get_every_ingredient(url: str) -> None:
    report = json.loads(run("cpq", *WINDOW, "--task", "ok", "--json", "--store-url", url))
    [row] = report["rows"]
    assert (row["key"], row["state"], row["n"]) == ({"task": "ok"}, "ok", 33)
    detail = row["detail"]
    assert row["value"] == pytest.approx(
        detail["thinking_cost_usd"] / (100 * (detail["accuracy"] - detail["baseline"]))
    )
    assert detail["baseline_kind"] == "paired"
    assert detail["cost_per_extra_correct_usd"] > 0
    assert detail["cost_of_pass_usd"] == pytest.approx(detail["cost_per_request_usd"] / detail["accuracy"])


def test_without_a_name_scripts_get_all_four(url: str) -> None:
    reports = json.loads(run(*WINDOW, "--json", "--store-url", url))
    assert [report["metric"] for report in reports] == ["cpq", "ttr", "escr", "vrate"]


def test_csv_has_a_column_for_each_number(url: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("ttr", *WINDOW, "--by", "user", "--csv", "--store-url", url))))
    assert [row["user"] for row in rows] == ["u0", "u1", "u2"]
    assert float(rows[0]["p95"]) >= float(rows[0]["p50"])
    assert {row["state"] for row in rows} == {"ok"}
    assert run("ttr", "--since", "1d", "--until", "2020-01-01", "--csv", "--store-url", url).startswith("metric,value")


def test_an_empty_window_is_no_error(url: str) -> None:
    text = run("--since", "2020-01-01", "--until", "2020-01-02", "--store-url", url)
    assert text.count("no requests in this window") == 4
    assert "no answers that a verifier judged in this window" in text
    assert text.endswith("\nCoverage: no calls\n")


def test_what_cannot_be_split_is_left_out_and_said(url: str) -> None:
    result = CliRunner().invoke(app, ["report", *WINDOW, "--by", "tier", "--store-url", url])
    assert result.exit_code == 0
    assert "Escalation rate" not in result.stdout
    assert "Thinking token rate" in result.stdout
    assert "escr cannot be split by tier, only by task, user, session" in result.stderr


def test_cost_alone_is_split_by_phase(url: str) -> None:
    result = CliRunner().invoke(app, ["report", *WINDOW, "--by", "phase", "--store-url", url])
    assert (result.exit_code, result.stderr.count("cannot be split by phase")) == (0, 4)
    assert "Cost (cost, USD" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["speed"], "Invalid value for METRIC: there is no 'speed', only cpq, ttr, escr, vrate, cost, overthinking"),
        (["--since", "yesterday"], "Invalid value for --since: 'yesterday' is neither a duration such as 7d"),
        (["--until", "2026-13-01"], "Invalid value for --until: '2026-13-01' is neither"),
        (["escr", "--by", "tier"], "Invalid value for --by: escr cannot be split by tier, only by task"),
        (["--by", "colour"], "Invalid value for --by: cpq cannot be split by colour"),
        (["--by", "phase", "--json"], "Invalid value for --by: cpq cannot be split by phase"),
        (["--json", "--csv"], "choose one of --json and --csv"),
    ],
)
def test_bad_input_is_told_with_its_place(words: list[str], message: str) -> None:
    assert message in refused(*words)


def test_a_window_that_ends_before_it_begins_is_refused(url: str) -> None:
    words = ("--since", "2026-11-08", "--until", "2026-11-01", "--store-url", url)
    assert "Invalid value for --since: 2026-11-08T00:00:00+00:00 is not before the end" in refused(*words)


def test_without_a_store_it_says_how_to_start_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("empty")
    result = CliRunner().invoke(app, ["report", "--data", str(data)])
    assert result.exit_code == 1
    assert f"no store is running on {data}" in str(result.exception)


def test_the_store_of_the_configuration_is_read(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THINKMETER_STORE_URL", raising=False)
    config = tmp_path / "elsewhere.toml"
    config.write_text(f'[store]\nurl = "{url}"\n')
    wanted = json.loads(run("ttr", *WINDOW, "--json", "--store-url", url))["rows"]
    assert json.loads(run("ttr", *WINDOW, "--json", "--config", str(config)))["rows"] == wanted
    # a URL that is given holds over it, and without either the store of the data directory is meant
    config.write_text('[store]\nurl = "clickhouse://nowhere.invalid/none"\n')
    assert json.loads(run("ttr", *WINDOW, "--json", "--config", str(config), "--store-url", url))["rows"] == wanted
    config.write_text("")
    result = CliRunner().invoke(app, ["report", "--config", str(config), "--data", str(tmp_path)])
    assert f"no store is running on {tmp_path}" in str(result.exception)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_a_table_json_and_csv(url: str, metric: str) -> None:
    text = run(metric, *WINDOW, "--store-url", url)
    assert f"\n{METRICS[metric].title} ({metric}, " in text
    report = json.loads(run(metric, *WINDOW, "--json", "--store-url", url))
    assert (report["metric"], report["unit"]) == (metric, METRICS[metric].unit)
    for row in report["rows"]:
        assert row["value"] is None or row["state"] in ("ok", "inconclusive")
        assert row["value"] is not None or row["state"] != "ok"
        assert row["state"] != "inconclusive" or row["high"] is None
    lines = list(csv.DictReader(io.StringIO(run(metric, *WINDOW, "--csv", "--store-url", url))))
    assert len(lines) == len(report["rows"])


def test_curves_are_shown_where_one_metric_is_asked_for(url: str) -> None:
    text = run("overthinking", *WINDOW, "--task", "unpaired", "--store-url", url)
    assert "unpaired: accuracy by thinking tokens" in text
    assert "Hard tasks think longer" in text
    text = run("vrate", *WINDOW, "--task", "chosen", "--store-url", url)
    assert "what other thresholds would have given" in text
    assert "accuracy by thinking tokens" not in run(*WINDOW, "--store-url", url)


def test_quota_is_of_users_and_sessions(url: str) -> None:
    report = json.loads(run("quota", *WINDOW, "--json", "--store-url", url))
    assert {row["key"]["user"] for row in report["rows"]} == {"u0", "u1", "u2"}
    assert {row["state"] for row in report["rows"]} == {"ok"}


def test_the_cost_of_one_call_is_explained(url: str) -> None:
    with Reader(StoreAddress.from_url(url)) as reader:
        [request, *_] = reader.requests(Filters(SINCE, UNTIL, where={"task": "ok"}), order="thinking_tokens")
        call = reader.calls(Filters(SINCE, UNTIL, where={"task": "ok"}), limit=1000)
    [mine] = [one for one in call if one["request_id"] == request["request_id"] and one["thinking_tokens"]]
    told = json.loads(run("cost", "--explain", mine["span_id"], "--json", "--store-url", url))
    assert told["cost_usd"] == pytest.approx(sum(line["usd"] for line in told["lines"]))
    assert [line["bucket"] for line in told["lines"]] == ["input", "thinking", "answer"]
    assert told["price"]["source"] == "override"
    text = run("cost", "--explain", mine["span_id"], "--store-url", url)
    assert "price of override, valid always, recorded 2026-11-01 12:00 UTC" in text
    assert f"{mine['thinking_tokens']:,}" in text
    result = CliRunner().invoke(app, ["report", "cost", "--explain", "0" * 16, "--store-url", url])
    assert "no call of project default has the span id 0000" in str(result.exception)
    assert "say `report cost --explain SPAN_ID`" in refused("ttr", "--explain", "0" * 16)


def test_a_month_is_reviewed(url: str) -> None:
    hardware = ("--gpu-hour-usd", "2.8", "--gpus", "8", "--gpu-tokens-per-second", "2400")
    month = ("review", "--month", "2026-11", "--task", "two verifiers")
    text = run(*month, *hardware, "--store-url", url)
    assert "Review of 2026-11" in text
    assert "Cost per quality point" in text
    assert "verifier: how often answers of a score are correct" in text
    assert "Hardware of your own: $16,352 a month against" in text
    found = json.loads(run(*month, "--json", "--store-url", url))
    assert [task["task"] for task in found["tasks"]] == ["two verifiers"]
    assert len(found["tasks"][0]["metrics"]["vrate"]) == 2
    assert found["tasks"][0]["break_even"] is None
    assert "a review is of one month" in refused("review", "--since", "7d", "--store-url", url)
    assert "needs --gpu-tokens-per-second" in refused("review", "--gpu-hour-usd", "2", "--store-url", url)
