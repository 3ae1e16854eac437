"""`thinkmeter sql`: answers for people and scripts, and nothing that writes."""

import json

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

import thinkmeter.commands.sql  # noqa: F401  # joins the application
from tests.schema.rows import insert, span
from thinkmeter.commands.line import app
from thinkmeter.schema.store.client import StoreAddress


@pytest.fixture
def url(database: StoreAddress, client: Client) -> str:
    insert(client, "spans", [span(request_id="r", task="[b]sql[/b]", tier=1, thinking_tokens=7, output_tokens=9)])
    return f"http://{database.username}:{database.password}@{database.host}:{database.port}/{database.database}"


def ask(url: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["sql", *words, "--store-url", url])


def test_answers(url: str) -> None:
    query = "SELECT task, thinking_tokens, input_tokens, [1, 2] AS list FROM calls"
    table = ask(url, query)
    assert [line.split() for line in table.stdout.splitlines() if "[b]" in line] == [
        ["[b]sql[/b]", "7", "NULL", "[1,", "2]"]
    ]
    assert json.loads(ask(url, query, "--json").stdout) == [
        {"task": "[b]sql[/b]", "thinking_tokens": 7, "input_tokens": None, "list": [1, 2]}
    ]
    assert ask(url, query, "--csv").stdout.splitlines() == [
        '"task","thinking_tokens","input_tokens","list"',
        '"[b]sql[/b]",7,,"[1,2]"',
    ]
    assert json.loads(ask(url, "SELECT 1 AS one WHERE 0", "--json").stdout) == []
    assert "the first 1,000 rows" in ask(url, "SELECT number FROM numbers(1001)").stdout
    assert len(ask(url, "SELECT number FROM numbers(1001)", "--csv").stdout.splitlines()) == 1002

    for words in (["DROP TABLE spans"], ["INSERT INTO rules SELECT * FROM rules"], ["TRUNCATE TABLE spans", "--csv"]):
        refusal = ask(url, *words)
        assert refusal.exit_code == 1
        assert "readonly" in str(refusal.exception)
    mistake = ask(url, "SELECT nothing FROM calls")
    assert str(mistake.exception).startswith("the store refused the query: Unknown expression identifier `nothing`")
    assert ask(url, "SELECT 1", "--json", "--csv").exit_code == 2
