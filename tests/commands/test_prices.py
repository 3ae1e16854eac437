"""`thinkmeter prices` and `reprice`: what would change is what then changes."""

import csv
import datetime as dt
import io
import json
import random
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.commandline import Run
from tests.schema.rows import Row, insert, select, span
from thinkmeter.collector.jobs.pricing import refresh_prices
from thinkmeter.commands.price_file import read_price_file
from thinkmeter.commands.prices import warn_of_age
from thinkmeter.schema.price_list import newest_listed
from thinkmeter.schema.prices import PriceSettings

WINDOW = ("--since", "2026-10-30", "--until", "2026-11-08")


def traffic(client: Client) -> list[Row]:
    """Calls of a listed model and of one without a price; some of unknown thinking, some with a charged amount."""
    chance = random.Random(6)
    spans = []
    for n in range(60):
        listed = n % 3 == 0
        thinking, answer = chance.choice([None, 0, 900]), chance.randint(10, 500)
        spans.append(
            span(
                at_s=n * 3600,
                provider="openai" if listed else "acme",
                request_model="gpt-5" if listed else "acme-new",
                input_tokens=chance.randint(100, 3000),
                cache_read_tokens=chance.choice([None, 50]),
                output_tokens=(thinking or 0) + answer,
                thinking_tokens=thinking,
                reported_cost_usd=0.25 if n % 20 == 1 else None,
            )
        )
    insert(client, "spans", spans)
    refresh_prices(client, PriceSettings())
    return spans


def costs(client: Client) -> list[Row]:
    return select(
        client,
        "SELECT model, sum(cost_usd) AS usd, countIf(cost_source = 'unpriced') AS unpriced FROM calls "
        "GROUP BY model ORDER BY model",
    )


def test_what_a_set_price_would_change_is_what_it_then_changes(run: Run, store_url: str, client: Client) -> None:
    spans = traffic(client)
    store = ("--store-url", store_url)
    before = costs(client)
    told = run("prices", "list", *store)
    assert "gpt-5" in told.out
    assert "no price: thinkmeter prices set --provider 'acme' --model 'acme-new' --input USD --answer USD" in told.err
    told = run("prices", "set", "--provider", "acme", "--model", "acme-*", "--input", "2", "--answer", "10", *store)
    assert (told.code, told.out.splitlines()[0]) == (
        0,
        "set; 1 of the models that were called are concerned: see `thinkmeter prices diff`,",
    )
    assert costs(client) == before  # nothing is applied yet
    told = run("prices", "diff", *WINDOW, "--json", *store)
    [change] = json.loads(told.out)
    assert (change["model"], change["calls"]) == ("acme-new", 40)
    assert (change["now_unpriced_calls"], change["then_unpriced_calls"]) == (38, 0)
    mine = [one for one in spans if one["request_model"] == "acme-new"]
    wanted = sum(
        one["reported_cost_usd"] or (2 * one["input_tokens"] + 10 * one["output_tokens"]) / 1e6 for one in mine
    )
    assert change["then_usd"] == pytest.approx(wanted)
    assert change["now_usd"] == pytest.approx(0.25 * 2)
    assert change["difference_usd"] == pytest.approx(wanted - 0.5)
    told = run("reprice", *WINDOW, *store)
    assert told.code == 0, told.err
    assert told.out.startswith("1 price book changed")
    assert "1 more that stay" in told.out
    after = {row["model"]: row for row in costs(client)}
    assert after["acme-new"] == {"model": "acme-new", "usd": pytest.approx(wanted), "unpriced": 0}
    assert after["gpt-5"] == before[1]
    assert "nothing changes in 60 calls of 2 models" in run("prices", "diff", *WINDOW, *store).out
    # a job that starts later, without knowing of it, leaves it alone
    assert refresh_prices(client, PriceSettings()) == []


def test_a_price_of_a_window_changes_that_window_only(run: Run, store_url: str, client: Client) -> None:
    spans = traffic(client)
    store = ("--store-url", store_url)
    before = {row["span_id"]: row for row in select(client, "SELECT span_id, cost_usd, cost_source FROM calls")}
    valid = ("--from", "2026-11-02", "--until", "2026-11-03")
    run("prices", "set", "--model", "gpt-5", "--input", "1", "--thinking", "8", "--answer", "4", *valid, *store)
    [change] = json.loads(run("prices", "diff", *WINDOW, "--json", *store).out)
    run("reprice", *store)
    after = {row["span_id"]: row for row in select(client, "SELECT span_id, cost_usd, cost_source FROM calls")}
    moved = {one["span_id"] for one in spans if after[one["span_id"]] != before[one["span_id"]]}
    inside = {
        one["span_id"]
        for one in spans
        if one["request_model"] == "gpt-5" and one["time"].day == 2 and one["reported_cost_usd"] is None
    }
    assert moved == inside
    assert change["difference_usd"] == pytest.approx(
        sum((after[one]["cost_usd"] or 0) - (before[one]["cost_usd"] or 0) for one in moved)
    )
    # thinking and answer cost unlike each other there, so output of unknown thinking has no price
    assert change["then_unpriced_calls"] == sum(after[one]["cost_source"] == "unpriced" for one in moved)
    told = run("prices", "list", "--history", "--json", *store)
    entries = [row for row in json.loads(told.out) if row["model"] == "gpt-5"]
    assert [row["source"] == "set" for row in entries].count(True) == 1
    assert len(entries) >= 3
    told = run("prices", "set", "--model", "gpt-5", "--remove", *valid, *store)
    assert told.out.startswith("taken back")
    run("reprice", *store)
    again = {row["span_id"]: row for row in select(client, "SELECT span_id, cost_usd, cost_source FROM calls")}
    assert again == before
    told = run("prices", "set", "--model", "gpt-5", "--remove", *store)
    assert (told.code, told.err.startswith("thinkmeter: no such price was set")) == (1, True)


def test_a_file_of_prices_is_tried_then_imported(run: Run, store_url: str, client: Client, tmp_path: Path) -> None:
    traffic(client)
    store = ("--store-url", store_url)
    file = tmp_path / "prices.csv"
    file.write_text(
        "provider,model,input_per_mtok_usd,answer_per_mtok_usd\nacme,acme-new,1,2\nacme,acme-old,-1,2\nacme,,1,2\n"
    )
    told = run("prices", "diff", str(file), *WINDOW, "--csv", *store)
    assert told.code == 1
    assert told.err.endswith("2 rows of " + str(file) + " are not valid and were left out; mend them and try again\n")
    [line] = csv.DictReader(io.StringIO(told.out))
    assert (line["model"], line["then_unpriced_calls"]) == ("acme-new", "0")
    assert f"{file}:3: input_per_mtok_usd: Input should be greater than or equal to 0" in told.err
    assert select(client, "SELECT count() AS n FROM current_rules WHERE kind = 'price'") == [{"n": 0}]
    for _ in range(2):
        assert run("prices", "import", str(file), *store).code == 1
    assert select(client, "SELECT count() AS n FROM current_rules WHERE kind = 'price'") == [{"n": 1}]
    run("reprice", *store)
    assert costs(client)[0]["unpriced"] == 0


def test_what_a_new_list_does_to_a_window_is_told_whole(
    run: Run, store_url: str, client: Client, tmp_path: Path
) -> None:
    """All models of the window, what stays, what has no price by either, what is not concerned, and what overlaps."""
    traffic(client)
    file = tmp_path / "prices.jsonl"
    usual = {"input_per_mtok_usd": 1, "answer_per_mtok_usd": 2}
    rows = [
        {"model": "gpt-5", **usual, "valid_from": "2026-10-01T00:00:00Z", "valid_until": "2026-11-02T00:00:00Z"},
        {"model": "gpt-5", **usual, "input_per_mtok_usd": 3, "valid_from": "2026-11-01T12:00:00Z"},
        {"model": "gpt-4711", **usual},
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    told = run("prices", "diff", str(file), *WINDOW, "--store-url", store_url)
    assert told.code == 0
    assert "gpt-5: two prices hold from 2026-11-01 12:00 UTC to 2026-11-02 00:00 UTC; the later one counts" in told.err
    assert "* gpt-4711: no call of the window is concerned" in told.err
    assert "no price for 38 of 40 calls: thinkmeter prices set --provider 'acme' --model 'acme-new'" in told.err
    assert "1 more that stay" in told.out
    whole = json.loads(run("prices", "diff", str(file), *WINDOW, "--json", "--all", "--store-url", store_url).out)
    assert [(one["model"], one["calls"], one["then_unpriced_calls"]) for one in whole] == [
        ("gpt-5", 20, 0),
        ("acme-new", 40, 38),
    ]
    assert sum(one["now_usd"] for one in whole) == pytest.approx(sum(row["usd"] for row in costs(client)))
    assert whole[1]["difference_usd"] == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{broken", "not JSON"),
        ('["gpt-5"]', "not a JSON object"),
        (
            '{"model": "m", "input_per_mtok_usd": 1, "answer_per_mtok_usd": "inf"}',
            "answer_per_mtok_usd: Input should be a finite",
        ),
        (
            '{"model": "m", "input_per_mtok_usd": "NaN", "answer_per_mtok_usd": 1}',
            "input_per_mtok_usd: Input should be",
        ),
        ('{"model": "m", "input_per_mtok_usd": -1, "answer_per_mtok_usd": 1}', "greater than or equal to 0"),
        (
            '{"model": "m", "input_per_mtok_eur": 1, "answer_per_mtok_eur": 1}',
            "input_per_mtok_eur: there is no such column; prices are USD",
        ),
        (
            '{"model": "m", "input_per_mtok_usd": 1, "answer_per_mtok_usd": 1, "currency": "EUR"}',
            "currency: there is no such column",
        ),
        (
            '{"model": "m", "input_per_mtok_usd": 1, "answer_per_mtok_usd": 1, "valid_from": "2026-02-01T00:00:00Z",'
            ' "valid_until": "2026-01-01T00:00:00Z"}',
            "the price ends before it begins",
        ),
        (
            '{"model": "m", "input_per_mtok_usd": 1, "answer_per_mtok_usd": 1, "valid_from": "2026-02-01"}',
            "needs a time zone",
        ),
    ],
)
def test_a_row_that_is_no_price_is_told_with_its_reason(row: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.jsonl"
    file.write_text(f"{row}\n")
    read, [bad] = read_price_file(file)
    assert read == []
    assert bad.line == 1
    assert reason in bad.reason


def test_a_price_list_is_old_after_thirty_days(run: Run, store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = run("prices", "list", "--store-url", store_url)
    assert (told.code, told.out) == (0, "no model was called yet\n")
    newest = newest_listed(dt.date.max)
    assert newest_listed(newest - dt.timedelta(days=1)) < newest
    warn_of_age(newest + dt.timedelta(days=30))
    assert capsys.readouterr().err == ""
    warn_of_age(newest + dt.timedelta(days=31))
    assert f"its newest price took effect on {newest}, 31 days ago; update it with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("set", "--model", "m"), "a price needs at least --input and --answer"),
        (
            ("set", "--model", "m", "--input", "1", "--answer", "1", "--from", "7d"),
            "a time such as 2026-11-15 is needed",
        ),
        (
            ("set", "--model", "m", "--input", "1", "--answer", "1", "--from", "2026-02-01", "--until", "2026-01-01"),
            "ends before it begins",
        ),
        (("set", "--model", "m", "--input", "inf", "--answer", "1"), "finite number"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(
    run: Run, words: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    told = run("prices", *words)
    assert told.code == 2
    assert reason in told.err
