"""Usage and cost exports of providers, as what was billed per day and model.

The shapes of the JSON are those of the public references (November 2026): OpenAI's organization usage of completions
and costs, Anthropic's messages usage report and cost report, one page or several in a file. The CSV files of the
consoles are not documented; their columns are known by name, and `names` says what others mean.
"""

import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.query.reconciliation import Billed

CENTS: Final = 100
"""Anthropic's cost report counts in cents."""

COLUMNS: Final = {
    "day": ("start_time_iso", "usage_date_utc", "date", "day", "start_time", "starting_at", "timestamp"),
    "model": ("model", "model_version", "line_item"),
    "calls": ("num_model_requests", "requests", "request_count"),
    "input_tokens": ("input_tokens",),
    "fresh_input_tokens": ("uncached_input_tokens", "usage_input_tokens_no_cache"),
    "cache_read_tokens": (
        "input_cached_tokens", "cache_read_input_tokens", "usage_input_tokens_cache_read", "cached_input_tokens"
    ),
    "cache_write_tokens": ("input_cache_write_tokens", "cache_creation_input_tokens"),
    "cache_write_5m_tokens": ("usage_input_tokens_cache_write_5m", "ephemeral_5m_input_tokens"),
    "cache_write_1h_tokens": ("usage_input_tokens_cache_write_1h", "ephemeral_1h_input_tokens"),
    "output_tokens": ("output_tokens", "usage_output_tokens"),
    "usd": ("amount_value", "cost_usd", "amount", "cost"),
    "batch": ("batch", "service_tier", "usage_type"),
}  # fmt: skip
"""What a column of a CSV means -> its names, the likelier first."""
_OPENAI: Final = {"num_model_requests", "amount_value", "input_cached_tokens", "line_item"}
_ANTHROPIC: Final = {"usage_date_utc", "model_version", "uncached_input_tokens", "usage_input_tokens_no_cache"}


def read_export(path: Path, *, provider: str | None = None, names: Mapping[str, str] | None = None) -> list[Billed]:
    """What a provider's export says was billed, one entry a line of it.

    Args:
        path: JSON of a provider's API, as it came or several pages in lines, or a CSV.
        provider: whose it is, by the name that calls have; None: as the export tells.
        names: column of the CSV -> one of `COLUMNS`.

    Raises:
        ThinkmeterError: the file cannot be read, or is no export that is known.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ThinkmeterError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ThinkmeterError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise ThinkmeterError(f"{path} is empty")
    if text.lstrip()[0] in "{[":
        return [_of(billed, provider) for page in _pages(path, text) for billed in _page(path, page)]
    return list(_table(path, text, provider, names or {}))


def _of(billed: Billed, provider: str | None) -> Billed:
    return billed._replace(provider=provider) if provider else billed


def _pages(path: Path, text: str) -> list[Any]:
    try:
        whole = orjson.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except orjson.JSONDecodeError as failure:
        try:
            return [orjson.loads(line) for line in text.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise ThinkmeterError(f"{path} is not JSON: {failure}") from None


def _page(path: Path, page: Any) -> Iterator[Billed]:
    buckets = page.get("data") if isinstance(page, dict) else None
    if not isinstance(buckets, list):
        raise ThinkmeterError(f"{path} is no page of a usage or cost report: it has no list `data`")
    for bucket in buckets:
        try:
            day = _day(bucket.get("starting_at") or bucket["start_time"])
            results = [*bucket["results"]]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise ThinkmeterError(f"{path}: an entry of `data` is no stretch of time with `results`") from None
        for result in results:
            reader = _reader(result) if isinstance(result, Mapping) else None
            if reader is None:
                raise ThinkmeterError(
                    f"{path}: a result of {day} is neither usage nor cost of OpenAI or Anthropic: {str(result)[:120]}"
                )
            try:
                yield reader(day, result)
            except ValueError as error:
                raise ThinkmeterError(f"{path}: a result of {day}: {error}") from None


def _reader(result: Mapping[str, Any]) -> Callable[[dt.date, Mapping[str, Any]], Billed] | None:
    if result.get("object") == "organization.costs.result":
        return _openai_cost
    if str(result.get("object", "")).startswith("organization.usage."):
        return _openai_usage
    if "uncached_input_tokens" in result:
        return _anthropic_usage
    if "amount" in result and not isinstance(result["amount"], Mapping):
        return _anthropic_cost
    return None


def _openai_usage(day: dt.date, result: Mapping[str, Any]) -> Billed:
    return Billed(
        day,
        "openai",
        str(result.get("model") or ""),
        calls=_count(result, "num_model_requests"),
        input_tokens=_count(result, "input_tokens"),
        cache_read_tokens=_count(result, "input_cached_tokens"),
        cache_write_tokens=_count(result, "input_cache_write_tokens"),
        output_tokens=_count(result, "output_tokens"),
        batch=bool(result.get("batch")),
    )


def _openai_cost(day: dt.date, result: Mapping[str, Any]) -> Billed:
    """A cost: grouped by line item, its name begins with the model ("gpt-5-mini-2025-08-07, cached input")."""
    model = str(result.get("line_item") or "").partition(", ")[0]
    amount = result.get("amount")
    return Billed(day, "openai", model, usd=_usd(amount.get("value") if isinstance(amount, Mapping) else amount))


def _anthropic_usage(day: dt.date, result: Mapping[str, Any]) -> Billed:
    written = result.get("cache_creation")
    parts = written if isinstance(written, Mapping) else {}
    ephemeral = [_count(parts, f"ephemeral_{ttl}_input_tokens") or 0 for ttl in ("5m", "1h")]
    write, read = sum(ephemeral), _count(result, "cache_read_input_tokens") or 0
    return Billed(
        day,
        "anthropic",
        str(result.get("model") or ""),
        input_tokens=(_count(result, "uncached_input_tokens") or 0) + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=_count(result, "output_tokens"),
        batch=result.get("service_tier") == "batch",
    )


def _anthropic_cost(day: dt.date, result: Mapping[str, Any]) -> Billed:
    model = str(result.get("model") or (result.get("cost_type") if result.get("cost_type") != "tokens" else "") or "")
    batch = result.get("service_tier") == "batch"
    return Billed(day, "anthropic", model, usd=_usd(result["amount"]) / CENTS, batch=batch)


def _count(told: Mapping[str, Any], name: str) -> int | None:
    """A count by that name; None: it is not told.

    Raises:
        ValueError: it is none.
    """
    value = told.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"{name} is no count: {value!r}")


def _usd(value: object) -> float:
    """An amount, also one written as text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"amount is no number: {value!r}")
    return _number("amount", str(value))


def _number(name: str, text: str) -> float:
    """A finite number, dollars and thousands as consoles write them.

    Raises:
        ValueError: it is none.
    """
    try:
        number = float(text.replace("$", "", 1).replace(",", ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is no number: {text!r}")
    return number


def _table(path: Path, text: str, provider: str | None, names: Mapping[str, str]) -> Iterator[Billed]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = list(reader.fieldnames or ())
    if wrong := sorted(set(names.values()) - COLUMNS.keys()):
        raise ThinkmeterError(f"--map: {wrong[0]!r} is none of {', '.join(COLUMNS)}")
    meant = {ours: next((n for n in known if n in columns), None) for ours, known in COLUMNS.items()}
    meant |= {ours: theirs for theirs, ours in names.items() if theirs in columns}
    if meant["day"] is None or all(meant[name] is None for name in COLUMNS if name not in ("day", "model", "batch")):
        raise ThinkmeterError(
            f"{path} has no column of a day with one of tokens or cost, only {', '.join(columns)}: "
            f"say what they mean, --map theirs=ours, with ours one of {', '.join(COLUMNS)}"
        )
    whose = provider or ("anthropic" if _ANTHROPIC & {*columns} else "openai" if _OPENAI & {*columns} else None)
    if whose is None:
        raise ThinkmeterError(f"{path} does not tell whose export it is: --provider openai, or anthropic")
    for row in reader:
        found = {ours: (theirs, (row.get(theirs) or "").strip()) for ours, theirs in meant.items() if theirs}
        try:
            yield _billed(whose, found)
        except ValueError as error:
            raise ThinkmeterError(f"{path}:{reader.line_num}: {error}") from None


def _billed(provider: str, found: Mapping[str, tuple[str, str]]) -> Billed:
    """One row: what its columns mean -> the column's own name, and what stands there."""

    def number(name: str) -> float | None:
        column, text = found.get(name, ("", ""))
        return _number(column, text) if text else None

    def whole(name: str) -> int | None:
        value = number(name)
        if value is not None and (value < 0 or not value.is_integer()):
            raise ValueError(f"{found[name][0]} is no count: {found[name][1]!r}")
        return None if value is None else int(value)

    writes = [whole("cache_write_5m_tokens"), whole("cache_write_1h_tokens"), whole("cache_write_tokens")]
    write = sum(part for part in writes if part is not None) if any(part is not None for part in writes) else None
    read, fresh = whole("cache_read_tokens"), whole("fresh_input_tokens")
    column, model = found.get("model", ("", ""))
    return Billed(
        _day_in(*found["day"]),
        provider,
        model.partition(", ")[0] if column == "line_item" else model,
        calls=whole("calls"),
        input_tokens=whole("input_tokens") if fresh is None else fresh + (read or 0) + (write or 0),
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=whole("output_tokens"),
        usd=number("usd"),
        batch=found.get("batch", ("", ""))[1].lower() in ("true", "1", "batch"),
    )


def _day_in(column: str, text: str) -> dt.date:
    """The day that stands in that column.

    Raises:
        ValueError: there is none.
    """
    try:
        return _day(text)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{column} is no day: {text!r}") from None


def _day(value: object) -> dt.date:
    """The day in UTC of an instant: seconds since 1970, or RFC 3339."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        return dt.datetime.fromtimestamp(float(value), dt.UTC).date()
    time = dt.datetime.fromisoformat(str(value).removesuffix(" UTC"))
    return (time.astimezone(dt.UTC) if time.tzinfo else time).date()
