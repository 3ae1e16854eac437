"""What a token costs: dated rates of one provider, model and service tier, from genai-prices and overrides."""

import dataclasses
import datetime as dt
import fnmatch
import itertools
from collections.abc import Iterable, Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Final, Self

from genai_prices import Usage, data_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

BEGINNING: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
END: Final = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)
DAY_S: Final = 86_400
STANDARD: Final = "standard"
BY_COMMAND: Final = "set"
"""Source of prices that `thinkmeter prices set` or `import` recorded."""
PRICE_SOURCE: Final = f"genai-prices {version('genai-prices')}"

PROVIDERS: Final = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
"""Provider name of the GenAI conventions -> id in genai-prices, where they differ."""

PROCESSING: Final = {"batch": ("processing", "batch"), "fast": ("speed", "fast")}
"""Service tiers that genai-prices knows under another key than `service_tier`; it ignores unknown keys silently."""

Usd = float


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens of each bucket within one window; None: no price is known."""

    valid_from: dt.datetime = BEGINNING
    valid_until: dt.datetime = END
    daily_from_s: int = 0
    daily_until_s: int = DAY_S
    above_input_tokens: int = -1
    input_per_mtok_usd: Usd | None = None
    cache_read_per_mtok_usd: Usd | None = None
    cache_write_per_mtok_usd: Usd | None = None
    cache_write_1h_per_mtok_usd: Usd | None = None
    thinking_per_mtok_usd: Usd | None = None
    answer_per_mtok_usd: Usd | None = None
    source: str = ""


class PriceOverride(BaseModel):
    """`[[prices.override]]`: a price of the user's own, in USD per million tokens; cache rates default to input's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    provider: str = Field(default="*", description="glob over provider names")
    model: str = Field(description="glob over model names")
    service_tier: str = Field(default="*", description="glob over service tiers")
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    above_input_tokens: int = Field(default=-1, ge=-1)
    input_per_mtok_usd: Usd = Field(ge=0)
    cache_read_per_mtok_usd: Usd | None = Field(default=None, ge=0)
    cache_write_per_mtok_usd: Usd | None = Field(default=None, ge=0)
    cache_write_1h_per_mtok_usd: Usd | None = Field(default=None, ge=0)
    thinking_per_mtok_usd: Usd | None = Field(default=None, ge=0, description="absent: as the answer")
    answer_per_mtok_usd: Usd = Field(ge=0)

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("the price ends before it begins: valid_until is not after valid_from")
        return self

    def matches(self, provider: str, model: str, service_tier: str) -> bool:
        """Whether this price speaks of that provider, model and service tier."""
        pairs = ((provider, self.provider), (model, self.model), (service_tier, self.service_tier))
        return all(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for name, pattern in pairs)

    def rate(self) -> Rate:
        """The same as a rate."""
        write = self.input_per_mtok_usd if self.cache_write_per_mtok_usd is None else self.cache_write_per_mtok_usd
        return Rate(
            valid_from=self.valid_from or BEGINNING,
            valid_until=self.valid_until or END,
            above_input_tokens=self.above_input_tokens,
            input_per_mtok_usd=self.input_per_mtok_usd,
            cache_read_per_mtok_usd=_first(self.cache_read_per_mtok_usd, self.input_per_mtok_usd),
            cache_write_per_mtok_usd=write,
            cache_write_1h_per_mtok_usd=_first(self.cache_write_1h_per_mtok_usd, write),
            thinking_per_mtok_usd=_first(self.thinking_per_mtok_usd, self.answer_per_mtok_usd),
            answer_per_mtok_usd=self.answer_per_mtok_usd,
            source="override",
        )


class SelfHostedPrice(BaseModel):
    """`[[prices.self_hosted]]`: a model on GPUs of one's own, priced by the hour per output token."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    provider: str = "*"
    model: str
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    gpu_hour_usd: Usd = Field(gt=0)
    gpus: int = Field(default=1, ge=1)
    output_tokens_per_second: float = Field(gt=0)

    def override(self) -> PriceOverride:
        """The same as a price: `gpu_hour_usd x gpus / (3600 x output_tokens_per_second)` per output token."""
        output = self.gpu_hour_usd * self.gpus / (3600 * self.output_tokens_per_second) * 1e6
        return PriceOverride(
            provider=self.provider,
            model=self.model,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            input_per_mtok_usd=0,
            answer_per_mtok_usd=output,
        )


class PriceSettings(BaseModel):
    """`[prices]`: what holds over the price list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    override: tuple[PriceOverride, ...] = ()
    self_hosted: tuple[SelfHostedPrice, ...] = ()

    def rates(self, provider: str, model: str, service_tier: str) -> list[Rate]:
        """Rates that the configuration sets for this key, in its order."""
        own = [(o, "override") for o in self.override] + [(s.override(), "self_hosted") for s in self.self_hosted]
        return self._matching(own, provider, model, service_tier)

    @staticmethod
    def _matching(own: Iterable[tuple[PriceOverride, str]], provider: str, model: str, service_tier: str) -> list[Rate]:
        return [
            dataclasses.replace(override.rate(), source=source)
            for override, source in own
            if override.matches(provider, model, service_tier)
        ]


class PriceList(PriceSettings):
    """The configuration's prices, and over them those that were set by command and are kept in the store."""

    by_command: tuple[PriceOverride, ...] = ()

    def rates(self, provider: str, model: str, service_tier: str) -> list[Rate]:
        """Rates that are set for this key, the ones that hold over the others last."""
        return super().rates(provider, model, service_tier) + self._matching(
            ((one, BY_COMMAND) for one in self.by_command), provider, model, service_tier
        )


def price_book(provider: str, model: str, service_tier: str, settings: PriceSettings) -> list[Rate]:
    """All rates of a key: windows do not overlap but for input brackets; overrides hold over the list.

    Never empty: a key without a price has one rate of Nones, so that it is looked up once and shown as unpriced.
    """
    book = _listed(provider, model, service_tier)
    # Brackets of one window belong together: an override with several replaces the window as one.
    own: dict[tuple[dt.datetime, dt.datetime], list[Rate]] = {}
    for rate in settings.rates(provider, model, service_tier):
        window = own.setdefault((rate.valid_from, rate.valid_until), [])
        window[:] = [r for r in window if r.above_input_tokens != rate.above_input_tokens] + [rate]
    for (start, end), rates in own.items():
        book = [part for rate in book for part in _outside(rate, start, end)] + rates
    return sorted(book or [Rate()], key=lambda r: (r.valid_from, r.daily_from_s, r.above_input_tokens))


def _outside(rate: Rate, start: dt.datetime, end: dt.datetime) -> Iterable[Rate]:
    """What is left of a rate's validity outside of [start, end)."""
    if rate.valid_from < min(start, rate.valid_until):
        yield dataclasses.replace(rate, valid_until=min(start, rate.valid_until))
    if max(end, rate.valid_from) < rate.valid_until:
        yield dataclasses.replace(rate, valid_from=max(end, rate.valid_from))


def _listed(provider: str, model: str, service_tier: str) -> list[Rate]:
    """Rates of genai-prices, resolved by its own rules at an instant of every window; empty for an unknown model."""
    try:
        owner, info = data_snapshot.get_snapshot().find_provider_model(
            model, None, PROVIDERS.get(provider, provider) or None, None
        )
    except LookupError:
        return []
    key, value = PROCESSING.get(service_tier, ("service_tier", service_tier))
    variants = [
        v for v in info.price_variants or () if service_tier != STANDARD and all(v.when.get(k) == value for k in v.when)
    ]
    book = []
    for start, end in _date_windows(info, variants):
        for daily_from_s, daily_until_s in _daily_windows(info, variants):
            at = start + dt.timedelta(seconds=daily_from_s)
            known = service_tier == STANDARD or any(v.constraint is None or v.constraint.active(at) for v in variants)
            prices = info.get_prices(at, {key: value} if service_tier != STANDARD else None)
            window = Rate(start, end, daily_from_s, daily_until_s)
            book += _brackets(window, prices, info, owner) if known else [window]
    return book


def _brackets(window: Rate, prices: ModelPrice, info: ModelInfo, owner: Provider) -> list[Rate]:
    starts = {tier.start for p in vars(prices).values() if isinstance(p, TieredPrices) for tier in p.tiers}
    return [_priced(dataclasses.replace(window, above_input_tokens=above), prices) for above in sorted({-1, *starts})]


def _priced(window: Rate, prices: ModelPrice) -> Rate:
    # The library itself says what a bucket costs, its fallbacks included (no cache price: billed as input). The
    # usage is just long enough to lie in the bracket, since a bracket's rate holds for the whole request.
    size = max(window.above_input_tokens + 1, 1)

    def per_mtok(side: str, tokens: int, **usage: int) -> Usd | None:
        price: Decimal = prices.calc_price(Usage(input_tokens=size, **usage))[side]  # type: ignore[literal-required]
        return float(price / tokens * 1_000_000)

    if getattr(prices, "input_mtok", None) is None and getattr(prices, "output_mtok", None) is None:
        return window
    return dataclasses.replace(
        window,
        input_per_mtok_usd=per_mtok("input_price", size),
        cache_read_per_mtok_usd=per_mtok("input_price", size, cache_read_tokens=size),
        cache_write_per_mtok_usd=per_mtok("input_price", size, cache_write_tokens=size),
        cache_write_1h_per_mtok_usd=per_mtok("input_price", size, cache_write_tokens=size, cache_write_1h_tokens=size),
        thinking_per_mtok_usd=per_mtok("output_price", 1, output_tokens=1, output_reasoning_tokens=1),
        answer_per_mtok_usd=per_mtok("output_price", 1, output_tokens=1),
        source=PRICE_SOURCE,
    )


def _constraints(info: ModelInfo, variants: Sequence[PriceVariant]) -> list[StartDateConstraint | TimeOfDateConstraint]:
    conditional = [] if isinstance(info.prices, ModelPrice) else info.prices
    return [c for c in [*(p.constraint for p in conditional), *(v.constraint for v in variants)] if c is not None]


def _date_windows(info: ModelInfo, variants: Sequence[PriceVariant]) -> list[tuple[dt.datetime, dt.datetime]]:
    starts = {
        dt.datetime.combine(c.start_date, dt.time(), dt.UTC)
        for c in _constraints(info, variants)
        if isinstance(c, StartDateConstraint)
    }
    edges = [BEGINNING, *sorted(starts - {BEGINNING}), END]
    return list(itertools.pairwise(edges))


def _daily_windows(info: ModelInfo, variants: Sequence[PriceVariant]) -> list[tuple[int, int]]:
    edges = {0, DAY_S}
    for constraint in _constraints(info, variants):
        if isinstance(constraint, TimeOfDateConstraint):
            edges |= {_second_of_day(constraint.start_time), _second_of_day(constraint.end_time)}
    ordered = sorted(edges)
    return list(itertools.pairwise(ordered))


def _second_of_day(time: dt.time) -> int:
    moment = dt.datetime.combine(dt.date(1970, 1, 2), time if time.tzinfo else time.replace(tzinfo=dt.UTC))
    utc = moment.astimezone(dt.UTC)
    return utc.hour * 3600 + utc.minute * 60 + utc.second


def _first(value: Usd | None, fallback: Usd) -> Usd:
    return fallback if value is None else value
