"""`thinkmeter reconcile`: what a provider billed beside what was counted, and what the difference may mean."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.commandline import Run
from tests.schema.rows import insert, price, span
from thinkmeter.collector.provider_exports import read_export
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.query.reconciliation import Billed, Counted, reconcile

DAY = dt.date(2026, 11, 1)
MIDNIGHT = int(dt.datetime(2026, 11, 1, tzinfo=dt.UTC).timestamp())
GPT, CLAUDE = "gpt-5-mini-2025-08-07", "claude-sonnet-4-5-20250929"


def openai(*results: dict[str, Any]) -> dict[str, Any]:
    bucket = {"object": "bucket", "start_time": MIDNIGHT, "end_time": MIDNIGHT + 86_400, "results": list(results)}
    return {"object": "page", "data": [bucket], "has_more": False}


def anthropic(*results: Any) -> dict[str, Any]:
    ends = {"starting_at": "2026-11-01T00:00:00Z", "ending_at": "2026-11-02T00:00:00Z"}
    return {"data": [{**ends, "results": list(results)}], "has_more": False, "next_page": None}


USAGE = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "output_tokens": 500,
    "input_cached_tokens": 800,
    "num_model_requests": 5,
    "model": GPT,
    "batch": False,
}
COST = {
    "object": "organization.costs.result",
    "amount": {"value": 0.06, "currency": "usd"},
    "line_item": f"{GPT}, cached input",
}
MESSAGES = {
    "uncached_input_tokens": 1500,
    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    "cache_read_input_tokens": 200,
    "output_tokens": 500,
    "model": CLAUDE,
    "service_tier": "batch",
}
CENTS = {"amount": "123.45", "currency": "USD", "cost_type": "tokens", "model": CLAUDE, "service_tier": "standard"}


@pytest.mark.parametrize(
    ("content", "billed"),
    [
        (openai(USAGE), Billed(DAY, "openai", GPT, 5, 1000, 800, None, 500)),
        (openai(COST), Billed(DAY, "openai", GPT, usd=0.06)),
        (anthropic(MESSAGES), Billed(DAY, "anthropic", CLAUDE, None, 3200, 200, 1500, 500, batch=True)),
        (anthropic(CENTS), Billed(DAY, "anthropic", CLAUDE, usd=1.2345)),
        (
            "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
            "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n"
            f"2026-11-01,{CLAUDE},1500,500,1000,200,500\n",
            Billed(DAY, "anthropic", CLAUDE, None, 3200, 200, 1500, 500),
        ),
        (
            "start_time,start_time_iso,amount_value,amount_currency,line_item\n"
            f'{MIDNIGHT},2026-11-01T00:00:00+00:00,"1,000.5",usd,"{GPT}, input"\n',
            Billed(DAY, "openai", GPT, usd=1000.5),
        ),
    ],
)  # fmt: skip
def test_exports_are_read_as_they_are_published(content: object, billed: Billed, tmp_path: Path) -> None:
    file = tmp_path / "export"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    assert read_export(file) == [billed]
    if not isinstance(content, str):
        file.write_text("\n".join([json.dumps(content)] * 2))  # pages, one a line
        assert read_export(file) == [billed] * 2


def test_columns_of_other_names_are_said(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text("Date,Spend\n2026-11-01,$2.50\n")
    with pytest.raises(ThinkmeterError, match="no column of a day with one of tokens or cost, only Date, Spend"):
        read_export(file)
    names = {"Date": "day", "Spend": "usd"}
    with pytest.raises(ThinkmeterError, match="does not tell whose export it is: --provider"):
        read_export(file, names=names)
    assert read_export(file, provider="openai", names=names) == [Billed(DAY, "openai", "", usd=2.5)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ('{"data": 1}', "no page of a usage or cost report"),
        ('{"data": [{"results": []}]}', "no stretch of time"),
        (json.dumps(openai({"object": "other"})), "neither usage nor cost"),
        (json.dumps(openai({**USAGE, "input_tokens": "1k"})), "2026-11-01: input_tokens is no count: '1k'"),
        (json.dumps(openai({**COST, "amount": {"currency": "usd"}})), "2026-11-01: amount is no number: None"),
        (json.dumps(anthropic({**CENTS, "amount": "NaN"})), "2026-11-01: amount is no number: 'NaN'"),
        (json.dumps(anthropic("tokens")), "neither usage nor cost"),
        ("date,cost_usd,model_version\nx,1,m\n", ":2: date is no day: 'x'"),
        ("date,cost_usd,model_version\n2026-11-01,$1.2.3,m\n", ":2: cost_usd is no number: '$1.2.3'"),
        (
            "date,input_tokens,model_version\n2026-11-01,5,m\n2026-11-02,1e999,m\n",
            ":3: input_tokens is no number: '1e999'",
        ),
        ("date,input_tokens,model_version\n2026-11-01,0.5,m\n", ":2: input_tokens is no count: '0.5'"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(content: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "export"
    file.write_text(content)
    with pytest.raises(ThinkmeterError, match=re.escape(reason)):
        read_export(file)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just([]), st.just({}))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([openai(USAGE), openai(COST), anthropic(MESSAGES), anthropic(CENTS)]), st.data())
def test_whatever_stands_in_an_export_is_read_or_one_sentence(
    tmp_path: Path, page: dict[str, Any], chance: st.DataObject
) -> None:
    page = json.loads(json.dumps(page))
    [bucket] = page["data"]
    for place in (bucket, bucket["results"][0]):
        for name in chance.draw(st.sets(st.sampled_from(sorted(place)), max_size=1)):
            place[name] = chance.draw(VALUES)
    file = tmp_path / "export"
    file.write_text(json.dumps(page))
    read, told = list[Billed](), str(file)
    try:
        read = read_export(file)
    except ThinkmeterError as error:
        told = str(error)
    assert told.startswith(str(file))
    assert all(value is None or value >= 0 for one in read for value in one[3:8])


def ours(**other: Any) -> Counted:
    same = {"calls": 5, "input_tokens": 1000, "cache_read_tokens": 800, "cache_write_tokens": 0}
    return Counted(
        **{"day": DAY, "provider": "openai", "model": GPT, **same, "output_tokens": 500, "usd": 0.06, **other}
    )


THEIRS = Billed(DAY, "openai", GPT, 5, 1000, 800, None, 500, 0.06)


@pytest.mark.parametrize(
    ("billed", "counted", "meaning"),
    [
        (THEIRS, ours(), ""),
        (THEIRS._replace(output_tokens=504), ours(), ""),
        (THEIRS, None, "The store has no call of it"),
        (THEIRS._replace(input_tokens=2000), ours(), "More was billed than was seen"),
        (THEIRS._replace(input_tokens=500), ours(), "More was seen than was billed"),
        (THEIRS._replace(usd=0.12), ours(), "The tokens agree and the money does not"),
        (THEIRS._replace(usd=0.12), ours(uncosted_calls=2), "2 of our calls have no price"),
        (THEIRS._replace(input_tokens=2000, batch=True), ours(), "They billed batches and we have none"),
        (THEIRS._replace(output_tokens=900), ours(unknown_calls=3), "3 of our calls have unknown token counts"),
        (THEIRS._replace(calls=9), ours(sampled_calls=4), "4 of our calls were sampled"),
    ],
)
def test_a_difference_is_told_what_it_may_mean(billed: Billed, counted: Counted | None, meaning: str) -> None:
    [row] = reconcile([billed], [counted] if counted else [])
    assert meaning in " ".join(row.meaning)
    assert bool(row.meaning) == bool(meaning)


def test_a_day_that_is_not_split_is_compared_as_a_whole() -> None:
    lines = [Billed(DAY, "openai", "", 12, 3000, 0, 0, 700), Billed(DAY, "openai", "", usd=1.0)]
    rows = [ours(), ours(model="o3", input_tokens=2000, usd=0.94)]
    [row] = reconcile(lines, rows)
    assert row.model == ""
    assert {name: (one.theirs, one.ours) for name, one in row.quantities.items()} == {
        "calls": (12, 10),
        "input_tokens": (3000, 3000),
        "cache_read_tokens": (0, 1600),
        "cache_write_tokens": (0, 0),
        "output_tokens": (700, 1000),
        "usd": (1.0, 1.0),
    }


def test_usage_and_cost_are_shown_beside_the_store(tmp_path: Path, run: Run, store_url: str, client: Client) -> None:
    insert(client, "prices", [price(provider="openai", model=GPT, thinking_per_mtok_usd=2.0)])
    call: dict[str, Any] = {"provider": "openai", "request_model": GPT, "response_model": GPT, "input_tokens": 200,
            "cache_read_tokens": 160, "output_tokens": 100, "thinking_tokens": 50}  # fmt: skip
    insert(client, "spans", [span(**call, request_id=f"r{n}") for n in range(5)])
    insert(client, "spans", [span(**call, request_id="later", at_s=86_400)])  # of a day that the export has not
    usd = 5 * (40 * 1 + 160 * 0.1 + 100 * 2) / 1e6
    usage, cost = tmp_path / "usage.json", tmp_path / "cost.json"
    usage.write_text(json.dumps(openai(USAGE)))
    cost.write_text(json.dumps(openai({**COST, "amount": {"value": usd}}, {**COST, "line_item": "web search"})))
    told = run("reconcile", str(usage), str(cost), "--json", "--store-url", store_url)
    assert told.code == 0, told.err
    model, search = json.loads(told.out)["rows"]
    assert (model["day"], model["model"], model["agrees"], model["meaning"]) == ("2026-11-01", GPT, True, [])
    assert model["output_tokens"] == {"theirs": 500, "ours": 500, "difference": 0, "share": 0}
    assert model["usd"]["ours"] == pytest.approx(usd)
    assert (search["model"], search["agrees"], search["usd"]["ours"]) == ("web search", False, 0)
    told = run("reconcile", str(usage), str(cost), "--store-url", store_url)
    assert told.code == 0, told.err
    assert "1 of 2 rows agree within 1 %" in told.out
    assert "2026-11-01 web search: The store has no call of it" in told.out
