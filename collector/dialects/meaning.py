"""The table of dialects in Python: from the attributes of a span to what they mean. `expressions` says it in SQL."""

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from typing import Final, TypeVar

import orjson

from thinkmeter.collector.dialects import UNCLAIMED, candidates, claimed
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.dialects.dialect import Dialect
from thinkmeter.collector.dialects.otel_genai import OURS
from thinkmeter.collector.dialects.providers import HOSTS, PROVIDERS
from thinkmeter.collector.dialects.shown import Attributes, shows_thinking

V = TypeVar("V")

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as METRICS means them; None for unknown."""

    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    thinking_source: str = ""


class Said:
    """What a span says, read by its dialect."""

    def __init__(
        self,
        scope: str,
        attributes: Attributes,
        failed: bool = False,
        events: Sequence[tuple[str, Attributes]] = (),
    ) -> None:
        """Find the dialect of the span, which may have failed, and has these events by name."""
        self.attributes = attributes
        self._events = events
        self._failed = failed
        self._values: dict[str, list[str]] = {}
        for name, value in attributes:
            self._values.setdefault(name, []).append(value)
        self.dialect = claimed(scope, self._values)

    def text(self, field: str) -> str:
        """The text of a field, '' for none."""
        for name in self.dialect.names.get(field, ()):
            for value in self._values.get(name, ()):
                if value:
                    return value
        return ""

    def number(self, field: str) -> float | None:
        """The number of a field, never negative."""
        for name in self.dialect.names.get(field, ()):
            for value in self._values.get(name, ()):
                if (read := number(value)) is not None and read >= 0:
                    return read
        return None

    def count(self, field: str) -> int | None:
        """The number of a field where it is a count; the document of counts stands before the field's attributes."""
        return count(self._counted(field))

    def _counted(self, field: str) -> float | None:
        found = self._within(field)
        if found is None:
            found = self._beside(field)
        return self.number(field) if found is None else found

    def _within(self, field: str) -> float | None:
        return _number_at(self._usage, f.USAGE.get(field, ()))

    def _beside(self, field: str) -> float | None:
        return _number_at(self._usage, f.USAGE_BESIDE.get(field, ()))

    def parameter(self, field: str) -> str:
        """The text of a field, or of the parameter that stands for it."""
        if own := self.text(field):
            return own
        found = (_at(self._parameters, path) for path in f.PARAMETERS[field])
        return next((value for value in found if isinstance(value, str) and value), "")

    def parameter_count(self, field: str) -> int | None:
        """The count of a field, or of the parameter that stands for it."""
        own = self.number(field)
        if own is None:
            own = _number_at(self._parameters, f.PARAMETERS[field])
        return count(own)

    @property
    def kept(self) -> dict[str, str]:
        """Attributes without a column in which they stand as they were sent."""
        return first_of_each(
            (name, value) for name, value in self.attributes if name not in verbatim_names(self.dialect)
        )

    @cached_property
    def _parameters(self) -> object:
        return _json(self.text("parameters"))

    @cached_property
    def _usage(self) -> object:
        return _json(self.text("usage"))

    @cached_property
    def provider(self) -> str:
        """Who was called."""
        if self.dialect is UNCLAIMED:
            return ""
        named = lower(self.text("provider"))
        named = PROVIDERS.get(named, named)
        return HOSTS.get(lower(self.text("host")), named) if named in ("", "openai") else named

    @cached_property
    def operation(self) -> str:
        """What was done."""
        if own := self.text("operation"):
            return f.RENAMED_OPERATIONS.get(lower(own), own)
        return f.SPAN_KINDS.get(lower(self.text("span_kind")), ("", ""))[1]

    @cached_property
    def span_class(self) -> str:
        """What the span is."""
        entity = self.text("entity")
        if self.dialect is OURS and entity in ("request", "attempt"):
            return entity
        if self.dialect is UNCLAIMED:
            return "other"
        if (
            lower(self.operation) in self.dialect.silent
            and not self._failed
            and self.count("input_tokens") is None
            and self.count("output_tokens") is None
        ):
            return "other"
        if of_kind := f.SPAN_KINDS.get(lower(self.text("span_kind"))):
            return of_kind[0]
        if of_operation := f.OPERATIONS.get(lower(self.operation)):
            return of_operation
        if self.text("tool"):
            return "tool"
        if (self.text("request_model") or self.text("response_model")) and not self.dialect.says_operation:
            return "inference"
        return "agent" if self.text("agent") else "other"

    @property
    def finish_reason(self) -> str:
        """Why the first candidate ended."""
        said = self.text("finish_reason")
        if not said.startswith("["):
            return said
        listed = _json(said)
        return listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], str) else ""

    @property
    def reported_cost_usd(self) -> float | None:
        """What the provider says it costs."""
        ticks = self.number("reported_cost_ticks")
        told = self.number("reported_cost_usd")
        if told is None and ticks is not None:
            return ticks / f.TICKS_PER_USD
        return told if told is not None else _number_at(_json(self.text("cost")), f.COST)

    @property
    def odd_count(self) -> bool:
        """Whether it says a count that is none."""
        for field in f.USAGE:
            said = [value for name in self.dialect.names.get(field, ()) for value in self._values.get(name, ())]
            if any(value and ((read := number(value)) is None or read < 0) for value in said):
                return True
            if self._counted(field) is not None and self.count(field) is None:
                return True
        return False

    @property
    def odd_repeat(self) -> bool:
        """Whether an attribute that is read says something twice."""
        read = {name for names in self.dialect.names.values() for name in names}
        return any(sum(map(bool, values)) > 1 and name in read for name, values in self._values.items())

    @cached_property
    def odd_thinking(self) -> bool:
        """Whether it says that nothing was thought, and shows thinking."""
        told = self.count("thinking_tokens")
        is_none = self._thinking_off if told is None else told == 0
        return is_none and self.span_class == "inference" and shows_thinking(self.attributes, self._events)

    @property
    def usage(self) -> Usage:
        """The tokens; none where the span is no call, since what an agent sums up over its calls is no call's."""
        if self.span_class != "inference":
            return Usage()
        said, out = self.count("input_tokens"), self.count("output_tokens")
        thinking, total = self.count("thinking_tokens"), self.count("total_tokens")
        read, write = self.count("cache_read_tokens"), self.count("cache_write_tokens")
        cached = (read or 0) + (write or 0)
        thinking_outside, cache_outside = self._outside
        estimate = None
        if said is not None and out is not None and total is not None:
            match _addends(total - said - out, thinking or 0, cached):
                case ():
                    thinking_outside = False
                case addends if addends:
                    thinking_outside, cache_outside = "thinking" in addends, "cache" in addends
            if thinking is None and self.provider in f.HIDDEN_IN_TOTAL and total > said + out:
                estimate = total - said - out
            if not cached and self.provider in self.dialect.cache_in_total and total > said + out:
                said = total - out
        source = lower(self.text("thinking_source"))
        if thinking is not None:
            source = source if source in f.THINKING_SOURCES else "provider"
        elif estimate is not None:
            thinking, source = estimate, "estimated"
        elif self._thinking_off:
            thinking, source = 0, "derived"
        else:
            source = "missing"
        if thinking == 0 and self.odd_thinking:
            thinking, source = None, "missing"
        if out is not None:
            if estimate is not None:
                out += estimate
            elif thinking_outside:
                out = None if thinking is None else out + thinking
        return Usage(
            input_tokens=said if said is None or not cache_outside else said + cached,
            cache_read_tokens=read,
            cache_write_tokens=write,
            cache_write_1h_tokens=self.count("cache_write_1h_tokens"),
            output_tokens=out,
            thinking_tokens=thinking,
            thinking_source=source,
        )

    @property
    def _outside(self) -> tuple[bool, bool]:
        """Whether thinking and cache stand outside output and input, as far as no total shows it."""
        thinking = self.provider in self.dialect.thinking_outside and self.text("api") != "responses"
        cache = self.provider in self.dialect.cache_outside
        if self._within("output_tokens") is not None:
            thinking = self._within("thinking_tokens") is None and bool(self._beside("thinking_tokens"))
        if self._within("input_tokens") is not None:
            cache = self._within("cache_read_tokens") is None and self._within("cache_write_tokens") is None
        return thinking, cache

    @property
    def _thinking_off(self) -> bool:
        return (
            lower(self.parameter("effort")) == "none"
            or self.parameter_count("budget_tokens") == 0
            or lower(self.parameter("thinking_switch")) == "disabled"
        )


@cache
def verbatim_names(dialect: Dialect) -> frozenset[str]:
    """Names of attributes that stand in their column as they were sent."""
    return frozenset(candidates(field)[0] for field in f.VERBATIM) & {n for own in dialect.names.values() for n in own}


def _addends(missing: int, thinking: int, cached: int) -> tuple[str, ...] | None:
    """Which counts stand outside input and output, given what these lack of the total; None: nothing explains it."""
    if missing == 0:
        return ()
    if thinking and missing == thinking:
        return ("thinking",)
    if cached and missing == cached:
        return ("cache",)
    if thinking and cached and missing == thinking + cached:
        return ("thinking", "cache")
    return None


def number(text: str) -> float | None:
    """A finite number written in ASCII digits."""
    if not NUMBER.fullmatch(text):
        return None
    read = float(text)
    return read if math.isfinite(read) else None


def count(value: float | None) -> int | None:
    """A count of the number, if it is one and not absurd."""
    return int(value) if value is not None and 0 <= value <= f.MOST_TOKENS and value == math.floor(value) else None


def lower(text: str) -> str:
    """ASCII letters in lower case, the rest as it is."""
    return text.encode().lower().decode()


def first_of_each(pairs: Iterable[tuple[str, V]]) -> dict[str, V]:
    """A mapping in which the first of equal names counts."""
    kept: dict[str, V] = {}
    for name, value in pairs:
        kept.setdefault(name, value)
    return kept


def _json(text: str) -> object:
    """The document, None if it is none; of equal keys the first counts, as it does for the store."""
    if not text:
        return None
    try:
        orjson.loads(text)
        return json.loads(text, object_pairs_hook=first_of_each)
    except (ValueError, RecursionError):
        return None


def _number_at(document: object, paths: f.Paths) -> float | None:
    """The number at the first of the paths that has one; never negative."""
    if document is None:
        return None
    for path in paths:
        found = _at(document, path)
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < math.inf:
            return float(found)
    return None


def _at(document: object, path: Sequence[str]) -> object:
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document
