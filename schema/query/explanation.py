"""The cost of one call, line by line: what the view `calls` computes, redone in the open."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from thinkmeter.schema.prices import Rate
from thinkmeter.schema.query.results import Row


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """Tokens of one bucket and what they cost; None where that is not known."""

    bucket: str
    tokens: int | None
    per_mtok_usd: float | None
    usd: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """How the cost of a call comes about.

    Attributes:
        call: its row of `calls`.
        rate: the price entry that holds for it; None where none does.
        recorded: when that entry came into the store.
        lines: one a bucket; they add up to `computed_usd`.
        computed_usd: by these rates; None where a line is not known.
        scale: what the lines are multiplied by, since the provider reported what it charged; None: it did not.
    """

    call: Row
    rate: Rate | None
    recorded: dt.datetime | None
    lines: Sequence[Line]
    computed_usd: float | None
    scale: float | None

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        names = (
            "request_id",
            "task",
            "attempt",
            "role",
            "provider",
            "model",
            "service_tier",
            "cost_source",
            "cost_usd",
        )
        return {
            "span_id": self.call["span_id"],
            "time": self.call["time"].isoformat(),
            **{name: self.call[name] for name in names},
            "price": None if self.rate is None else {**_plain(self.rate), "recorded": _iso(self.recorded)},
            "lines": [dataclasses.asdict(line) for line in self.lines],
            "computed_usd": self.computed_usd,
            "scale": self.scale,
        }


def explain(call: Row, book: Sequence[tuple[Rate, dt.datetime]]) -> Explanation:
    """Redo the cost of a call from the price book of its provider, model and service tier."""
    found = holding([rate for rate, _ in book], call["time"], call["input_tokens"] or 0)
    recorded = next((moment for rate, moment in book if rate is found), None)
    rate = found if found is not None and found.source else None
    lines = list(_lines(call, rate or Rate()))
    parts = [line.usd for line in lines]
    computed = None if None in parts else sum(part for part in parts if part is not None)
    scale = None
    if call["cost_source"] == "provider" and computed:
        scale = call["cost_usd"] / computed
    return Explanation(call, rate, recorded if rate else None, lines, computed, scale)


def holding(rates: Sequence[Rate], time: dt.datetime, input_tokens: int) -> Rate | None:
    """The rate that holds for a call of that time and length: of its instant, the highest bracket below it."""
    second = time.hour * 3600 + time.minute * 60 + time.second

    def daily(rate: Rate) -> bool:
        if rate.daily_from_s <= rate.daily_until_s:
            return rate.daily_from_s <= second < rate.daily_until_s
        return second >= rate.daily_from_s or second < rate.daily_until_s

    valid = [
        r for r in rates if r.valid_from <= time < r.valid_until and daily(r) and input_tokens > r.above_input_tokens
    ]
    return max(
        valid,
        key=lambda r: (r.above_input_tokens, r.valid_from, r.daily_until_s - r.daily_from_s < 86_400),
        default=None,
    )


def _lines(call: Mapping[str, Any], rate: Rate) -> Sequence[Line]:
    whole, read = call["input_tokens"], call["cache_read_tokens"] or 0
    write = call["cache_write_tokens"] or 0
    long = min(call["cache_write_1h_tokens"] or 0, write)
    fresh = None if whole is None else max(whole - read - write, 0)
    lines = [_line("input", fresh, rate.input_per_mtok_usd)]
    cached = (
        ("cache read", read, rate.cache_read_per_mtok_usd),
        ("cache write", write - long, rate.cache_write_per_mtok_usd),
        ("cache write, 1 h", long, rate.cache_write_1h_per_mtok_usd),
    )
    lines += [_line(*each) for each in cached if each[1]]
    thinking, output = call["thinking_tokens"], call["output_tokens"]
    if thinking is None:
        # not split: it has a price only where both cost the same
        same = rate.thinking_per_mtok_usd == rate.answer_per_mtok_usd
        return [*lines, _line("output, thinking unknown", output, rate.answer_per_mtok_usd if same else None)]
    answer = None if output is None else output - thinking
    return [
        *lines,
        _line("thinking", thinking, rate.thinking_per_mtok_usd),
        _line("answer", answer, rate.answer_per_mtok_usd),
    ]


def _line(bucket: str, tokens: int | None, rate: float | None) -> Line:
    return Line(bucket, tokens, rate, None if tokens is None or rate is None else tokens * rate / 1e6)


def _plain(rate: Rate) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, dt.datetime) else v for k, v in dataclasses.asdict(rate).items()}


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
