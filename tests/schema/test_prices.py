"""Prices: what genai-prices says, resolved at every window, and what the configuration puts over it."""

import datetime as dt

import pytest
from clickhouse_connect.driver.client import Client
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from tests.schema.rows import START, insert, select, span
from thinkmeter.collector.jobs.pricing import refresh_prices
from thinkmeter.schema.prices import BEGINNING, END, PriceOverride, PriceSettings, Rate, SelfHostedPrice, price_book

NONE = PriceSettings()
MODELS = [
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("openai", "gpt-5-nano"),
    ("openai", "o3-mini"),
    ("deepseek", "deepseek-reasoner"),
    ("gcp.gemini", "gemini-2.5-pro"),
]


def holding(book: list[Rate], at: dt.datetime, input_tokens: int) -> Rate:
    second = at.hour * 3600 + at.minute * 60 + at.second
    rates = [
        r
        for r in book
        if r.valid_from <= at < r.valid_until
        and r.daily_from_s <= second < r.daily_until_s
        and input_tokens > r.above_input_tokens
    ]
    return max(rates, key=lambda r: r.above_input_tokens)


@pytest.mark.parametrize("key", MODELS)
@given(
    at=st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2027, 1, 1)).map(lambda t: t.replace(tzinfo=dt.UTC)),
    fresh=st.integers(0, 400_000),
    read=st.integers(0, 100_000),
    thinking=st.integers(0, 50_000),
    answer=st.integers(0, 50_000),
)
def test_a_book_gives_what_the_library_gives(
    key: tuple[str, str], at: dt.datetime, fresh: int, read: int, thinking: int, answer: int
) -> None:
    rate = holding(price_book(*key, "standard", NONE), at, fresh + read)
    wanted = calc_price(
        Usage(
            input_tokens=fresh + read,
            cache_read_tokens=read,
            output_tokens=thinking + answer,
            output_reasoning_tokens=thinking,
        ),
        key[1],
        provider_id={"gcp.gemini": "google"}.get(key[0], key[0]),
        genai_request_timestamp=at,
    ).total_price
    assert rate.input_per_mtok_usd is not None
    assert rate.cache_read_per_mtok_usd is not None
    assert rate.thinking_per_mtok_usd is not None
    assert rate.answer_per_mtok_usd is not None
    got = (
        fresh * rate.input_per_mtok_usd
        + read * rate.cache_read_per_mtok_usd
        + thinking * rate.thinking_per_mtok_usd
        + answer * rate.answer_per_mtok_usd
    ) / 1e6
    assert got == pytest.approx(float(wanted), rel=1e-9, abs=1e-12)


def test_an_unknown_model_has_a_rate_of_nothing() -> None:
    assert price_book("acme", "acme-think-1", "standard", NONE) == [Rate()]


def test_a_service_tier_without_a_price_is_not_priced_as_standard() -> None:
    assert {r.answer_per_mtok_usd for r in price_book("openai", "gpt-5", "scale", NONE)} == {None}
    batch = price_book("anthropic", "claude-opus-4-5", "batch", NONE)
    standard = price_book("anthropic", "claude-opus-4-5", "standard", NONE)
    assert batch[-1].answer_per_mtok_usd == pytest.approx((standard[-1].answer_per_mtok_usd or 0) / 2)


def test_an_override_holds_within_its_window_only() -> None:
    since, until = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    own = PriceOverride(
        model="gpt-5-*", valid_from=since, valid_until=until, input_per_mtok_usd=9, answer_per_mtok_usd=9
    )
    book = price_book("openai", "gpt-5-nano", "standard", PriceSettings(override=(own,)))
    assert [(r.valid_from, r.valid_until) for r in book] == [(BEGINNING, since), (since, until), (until, END)]
    assert [r.source == "override" for r in book] == [False, True, False]


def test_an_override_says_what_it_leaves_out() -> None:
    own = PriceOverride(provider="acme", model="*", input_per_mtok_usd=1, answer_per_mtok_usd=8)
    [rate] = price_book("acme", "x", "standard", PriceSettings(override=(own,)))
    assert (rate.cache_read_per_mtok_usd, rate.cache_write_1h_per_mtok_usd, rate.thinking_per_mtok_usd) == (1, 1, 8)


def test_a_later_override_holds_over_an_earlier_one() -> None:
    first = PriceOverride(model="*", input_per_mtok_usd=1, answer_per_mtok_usd=1)
    second = PriceOverride(
        model="x", valid_from=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), input_per_mtok_usd=2, answer_per_mtok_usd=2
    )
    book = price_book("acme", "x", "standard", PriceSettings(override=(first, second)))
    assert [r.input_per_mtok_usd for r in book] == [1, 2]


def test_a_model_on_own_gpus_is_priced_by_the_hour() -> None:
    own = SelfHostedPrice(model="deepseek-r1*", gpu_hour_usd=2.80, gpus=8, output_tokens_per_second=2400)
    [rate] = price_book("vllm", "deepseek-r1-70b", "standard", PriceSettings(self_hosted=(own,)))
    assert rate.answer_per_mtok_usd == pytest.approx(2.80 * 8 / (3600 * 2400) * 1e6)
    assert (rate.input_per_mtok_usd, rate.source) == (0, "self_hosted")


def test_the_job_prices_every_key_once(client: Client) -> None:
    rows = [
        span(provider="openai", request_model="gpt-5-nano", input_tokens=1000, output_tokens=10, thinking_tokens=0),
        span(provider="openai", request_model="gpt-5-nano", service_tier="flex", at_s=1),
        span(request_model="nobody-knows", at_s=2, input_tokens=1, output_tokens=1, thinking_tokens=0),
    ]
    insert(client, "spans", rows)
    assert len(refresh_prices(client, NONE)) == 3
    assert refresh_prices(client, NONE) == []
    costs = select(client, "SELECT cost_usd, cost_source FROM calls ORDER BY time")
    assert costs[0] == {"cost_usd": pytest.approx(1000 * 0.05e-6 + 10 * 0.4e-6), "cost_source": "computed"}
    assert costs[2] == {"cost_usd": None, "cost_source": "unpriced"}


def test_a_changed_configuration_makes_a_new_record(client: Client) -> None:
    insert(client, "spans", [span(input_tokens=1_000_000, output_tokens=0, thinking_tokens=0)])
    own = PriceOverride(provider="acme", model="*", input_per_mtok_usd=7, answer_per_mtok_usd=7)
    refresh_prices(client, NONE)
    assert refresh_prices(client, PriceSettings(override=(own,))) == [("acme", "acme-think-1", "standard")]
    assert select(client, "SELECT cost_usd FROM calls") == [{"cost_usd": 7.0}]
    assert select(client, "SELECT count() AS n FROM prices") == [{"n": 2}]


def test_a_frequent_run_leaves_known_keys_alone(client: Client) -> None:
    insert(client, "spans", [span()])
    refresh_prices(client, NONE)
    own = PriceOverride(provider="acme", model="*", input_per_mtok_usd=7, answer_per_mtok_usd=7)
    assert refresh_prices(client, PriceSettings(override=(own,)), since=START - dt.timedelta(days=1)) == []
