"""The table of dialects as ClickHouse's expressions: from names and texts of attributes to what they mean.

In layers (see `layered`). A text that is not said is '', a number that is not said or not known is -1.
"""

from typing import Final

from thinkmeter.collector.dialects import DIALECTS, shown
from thinkmeter.collector.dialects import fields as f
from thinkmeter.collector.dialects.codes import (
    FIRST_NUMBER,
    NO_DIALECT,
    REPLY,
    THINKING,
    claiming,
    coded,
    number_of,
    opens,
)
from thinkmeter.collector.dialects.providers import HOSTS, PROVIDERS
from thinkmeter.collector.sql import Layer, all_of, any_of, listed, mapped, quoted

FAILED: Final = 2
"""OTLP's code of the status of a span that failed."""
IS_KNOWN: Final = all_of("number >= 0", "isFinite(number)")
"""Whether a `number` is one."""
MORE_IN_TOTAL: Final = ("input_count >= 0", "output_count >= 0", "total_count > input_count + output_count")
"""Conditions under which the total says of more tokens than input and output do."""


def reading() -> list[Layer]:
    """From `scope_name`, `keys` and `texts` to what the span says in its own dialect, and to `said_*` of usage.

    A column is made in the layer before the one that uses it, since handing it on costs planning in every layer.
    """
    return [
        {"coded": coded()},
        {"codes": "arrayMap(code -> toUInt32(code), coded)", "dialect_number": claiming()},
        # what the dialect reads: 0xFFRRPPPPPPPP with P for the place in the span, so that the best sorts first
        {
            "ranks": "arrayMap((code, value, place) ->"
            f" if({all_of('bitTest(code, dialect_number)', 'notEmpty(value)')},"
            " bitShiftLeft(toUInt64(bitShiftRight(code, 16)), 32) + place, 0), codes, texts, arrayEnumerate(keys))",
            "known_ranks": "arraySort(arrayFilter(rank -> rank != 0, ranks))",
            "known_texts": "arraySort((value, rank) -> rank, arrayFilter((value, rank) -> rank != 0, texts, ranks),"
            " arrayFilter(rank -> rank != 0, ranks))",
        },
        # numbers are read from their text; one that is none leaves its place to the next name of the field
        {
            "known_numbers": f"arrayMap((rank, value) -> if(bitShiftRight(rank, 40) >= {FIRST_NUMBER},"
            " toFloat64OrDefault(value, toFloat64(-1)), 0), known_ranks, known_texts)",
            "fields": f"arrayMap((rank, number) -> if({IS_KNOWN}, bitShiftRight(rank, 40), 0),"
            " known_ranks, known_numbers)",
            "numbers": "arrayPushFront(known_numbers, -1)",
        },
        said("usage", *f.USAGE),
    ]


def said(*names: str) -> Layer:
    """`said_*` of fields: as the span says them."""
    return {
        f"said_{field}": f"numbers[indexOf(fields, {number_of(field)}) + 1]"
        if field in f.NUMBERS
        else f"known_texts[indexOf(fields, {number_of(field)})]"
        for field in names
    }


def meaning() -> list[Layer]:
    """From there to `meant_*` and to the counts of tokens as METRICS means them."""
    kinds = {kind: span_class for kind, (span_class, _) in f.SPAN_KINDS.items()}
    implied = {kind: operation for kind, (_, operation) in f.SPAN_KINDS.items() if operation}
    counts = [field.removesuffix("_tokens") for field in f.USAGE]
    says_entity = all_of("dialect_number = 0", "said_entity IN ('request', 'attempt')")
    uncounted = all_of("field = 0", f"bitShiftRight(rank, 40) IN ({_counting()})")
    hides_thinking = all_of("thinking_count < 0", f"meant_provider IN ({listed(f.HIDDEN_IN_TOTAL)})", *MORE_IN_TOTAL)
    none, disabled = map(quoted, shown.OFF)
    off = f"lower(meant_effort) = {none}", f"lower(meant_switch) = {disabled}"
    switched_off = all_of("thinking_count < 0", any_of(*off, "budget_number = 0"))
    told_none = any_of("thinking_count = 0", switched_off)
    beside = all_of("said_api != 'responses'", _of_provider("thinking_outside"))
    shows_thinking = shown.shows_thinking_sql(REPLY, THINKING)
    events = f"hasAny(event_names, [{listed(shown.REPLY_EVENTS)}])"
    may_show = f"hasAny(codes, [{REPLY}, {THINKING}])", "has(opens, 1)", events
    all_beside = all_of(
        "thinking_count > 0", "cached > 0", "input_count + cached + output_count + thinking_count = total_count"
    )
    return [
        {"usage_numbers": _usage_numbers()},
        {
            "usage_told": _usage_told(),
            "usage_counts": f"arrayMap(number -> {count('number')}, arraySlice(usage_told, 1, {len(f.USAGE)}))",
            **said("budget_tokens", "operation", "span_kind", "provider", "service_tier", "effort"),
            **said("thinking_switch", "finish_reason", "parameters"),
        },
        {
            **said("entity", "host", "request_model", "response_model", "tool", "agent"),
            **{f"{name}_count": f"usage_counts[{place}]" for place, name in enumerate(counts, 1)},
            **{name: f"usage_told[{place}]" for place, name in enumerate(_counted(), 1) if place > len(counts)},
            "opens": opens(),
            "named_provider": mapped("lower(said_provider)", PROVIDERS, "lower(said_provider)"),
            "meant_operation": "if(said_operation != '',"
            f" {mapped('lower(said_operation)', f.RENAMED_OPERATIONS, 'said_operation')},"
            f" {mapped('lower(said_span_kind)', implied)})",
            "class_of_kind": mapped("lower(said_span_kind)", kinds),
            "meant_effort": _parameter("effort"),
            "meant_service_tier": _parameter("service_tier"),
            "meant_switch": _parameter("thinking_switch"),
            "meant_finish_reason": f"if(startsWith(said_finish_reason, '['), {_json_text('said_finish_reason', '1')},"
            " said_finish_reason)",
            "budget_number": _parameter_number("budget_tokens"),
        },
        {
            **said("api", "thinking_source", "cost"),
            "meant_provider": f"multiIf(dialect_number = {NO_DIALECT}, '', named_provider IN ('', 'openai'),"
            f" {mapped('lower(said_host)', HOSTS, 'named_provider')}, named_provider)",
            "class_of_operation": mapped("lower(meant_operation)", f.OPERATIONS),
            "meant_budget": count("budget_number"),
            # a count that is none differs from its number
            "odd_count": f"arrayExists((rank, field) -> {uncounted}, known_ranks, fields)"
            f" OR arraySlice(usage_told, 1, {len(counts)}) != usage_counts",
            # places are the lower half: what is left of them tells names
            "odd_repeat": "length(known_ranks)"
            " != length(arrayCompact(arrayMap(rank -> bitShiftRight(rank, 32), known_ranks)))",
            "cached": "greatest(cache_read_count, 0) + greatest(cache_write_count, 0)",
            "meant_class": f"multiIf({says_entity}, said_entity,"
            f" dialect_number = {NO_DIALECT}, 'other', {_silent()}, 'other', class_of_kind != '', class_of_kind,"
            " class_of_operation != '', class_of_operation, said_tool != '', 'tool',"
            f" (said_request_model != '' OR said_response_model != '') AND NOT ({_says_operation()}), 'inference',"
            " said_agent != '', 'agent', 'other')",
            # how the counts add up to the total: 0 not at all, 1 all inside, 2 thinking outside, 3 the cache, 4 both
            "shape": "multiIf(input_count < 0 OR output_count < 0 OR total_count < 0, 0,"
            " input_count + output_count = total_count, 1,"
            f" {all_of('thinking_count > 0', 'input_count + output_count + thinking_count = total_count')}, 2,"
            f" {all_of('cached > 0', 'input_count + cached + output_count = total_count')}, 3,"
            f" {all_beside}, 4, 0)",
            "hidden_thinking": f"if({hides_thinking}, total_count - input_count - output_count, -1)",
            "hidden_cache": all_of("cached = 0", _of_provider("cache_in_total"), *MORE_IN_TOTAL),
            "thinking_off": any_of(*off, "meant_budget = 0"),
            # what may be looked into is copied, so that it has to be few spans
            "shows_thinking": f"if({all_of(told_none, any_of(*may_show))}, {shows_thinking}, 0)",
        },
        {
            "cost_told": _documented_number("cost", f.COST),
            "thinking_outside": "if(shape = 0,"
            f" if(output_within >= 0, {all_of('thinking_within < 0', 'thinking_beside > 0')},"
            f" {beside}), shape IN (2, 4))",
            "cache_outside": "if(shape IN (0, 1),"
            f" if(input_within >= 0, {all_of('cache_read_within < 0', 'cache_write_within < 0')},"
            f" {_of_provider('cache_outside')}), shape IN (3, 4))",
            # 0 beside thinking that is shown is no count
            "thinking": "multiIf(thinking_count > 0, thinking_count, hidden_thinking >= 0, hidden_thinking,"
            f" shows_thinking, -1, {any_of('thinking_count = 0', 'thinking_off')}, 0, -1)",
            "source": "multiIf(thinking < 0, 'missing', thinking_count >= 0,"
            f" if(lower(said_thinking_source) IN ({listed(f.THINKING_SOURCES)}), lower(said_thinking_source),"
            " 'provider'), hidden_thinking >= 0, 'estimated', 'derived')",
            "output": "multiIf(output_count < 0, -1, hidden_thinking >= 0, output_count + hidden_thinking,"
            " NOT thinking_outside, output_count, thinking < 0, -1, output_count + thinking)",
            "input": "multiIf(input_count < 0, -1, hidden_cache, total_count - output_count,"
            " input_count + if(cache_outside, cached, 0))",
        },
    ]


def dialect_name() -> str:
    """What the column `dialect` says."""
    names = listed(dialect.name for dialect in DIALECTS)
    return f"[{names}][if(dialect_number = {NO_DIALECT}, 0, dialect_number + 1)]"


def count(number: str) -> str:
    """A count of the number: itself, or -1 if it is none or absurd."""
    return f"if({is_count(number)}, {number}, -1)"


def is_count(number: str) -> str:
    """Whether a number that is not negative is a count."""
    return all_of(f"{number} <= {f.MOST_TOKENS}", f"{number} = floor({number})")


def whole(number: str, least: int) -> str:
    """A whole number from `least` on, or NULL."""
    return f"if({all_of(f'{number} >= {least}', is_count(number))}, toUInt32({number}), NULL)"


def _says_operation() -> str:
    return f"dialect_number IN ({', '.join(str(n) for n, dialect in enumerate(DIALECTS) if dialect.says_operation)})"


def _counting() -> str:
    """Numbers of the fields that count tokens."""
    return ", ".join(str(number_of(field)) for field in f.USAGE)


def _silent() -> str:
    """Whether the span is of a kind that is no call where it neither counts nor fails."""
    silent = _of_dialect("lower(meant_operation)", "silent")
    return all_of("input_count < 0", "output_count < 0", f"status_code != {FAILED}", silent)


def _of_provider(which: str) -> str:
    return _of_dialect("meant_provider", which)


def _of_dialect(value: str, which: str) -> str:
    """Whether the span's dialect lists a value; one expression, since each costs planning."""
    pairs = [
        f"({number}, {quoted(word)})"
        for number, dialect in enumerate(DIALECTS)
        for word in sorted(getattr(dialect, which))
    ]
    return f"(dialect_number, {value}) IN ({', '.join(pairs)})"


def _parameter(field: str) -> str:
    found = ", ".join(_json_text("said_parameters", listed(path)) for path in f.PARAMETERS[field])
    told = any_of(f"said_{field} != ''", "said_parameters = ''")
    return f"if({told}, said_{field}, arrayFirst(value -> value != '', [{found}]))"


def _parameter_number(field: str) -> str:
    found = _documented_number("parameters", f.PARAMETERS[field])
    told = any_of(f"said_{field} >= 0", "said_parameters = ''")
    return f"if({told}, said_{field}, {found})"


def _documented_number(document: str, paths: f.Paths) -> str:
    """The number at the first of the paths that has one, in a JSON document; -1 if there is none."""
    found = ", ".join(
        f"toFloat64OrDefault(JSONExtractRaw(said_{document}, {listed(path)}), toFloat64(-1))" for path in paths
    )
    first = f"ifNull(arrayFirstOrNull(number -> {IS_KNOWN}, [{found}]), -1)"
    return f"if(said_{document} = '', -1, {first})"


def _usage_numbers() -> str:
    """The numbers at all paths of the document of counts, -1 for none; one expression, since each costs planning."""
    paths = [path for field in f.USAGE for path in (*f.USAGE[field], *f.USAGE_BESIDE.get(field, ()))]
    steps = "abcd"
    found = [
        f"{step} != '', JSONExtractRaw(said_usage, {', '.join(steps[: depth + 1])})" for depth, step in enumerate(steps)
    ]
    number = f"toFloat64OrDefault(multiIf({', '.join(reversed(found))}, ''), toFloat64(-1))"
    arrays = [f"[{listed(path[depth] if depth < len(path) else '' for path in paths)}]" for depth in range(len(steps))]
    read = f"arrayMap(({', '.join(steps)}) -> {number}, {', '.join(arrays)})"
    return f"if(said_usage = '', emptyArrayFloat64(), {read})"


def _usage_told() -> str:
    """The number of each count, as the document of counts has it or else an attribute, and where the document has it.

    In the order of `_counted`; -1 for none.
    """
    firsts, lengths = (", ".join(str(one[place]) for one in _counted().values()) for place in (0, 1))
    said = ", ".join(f"said_{field}" if field in f.USAGE else "-1" for field in _counted())
    number = f"arrayFirstOrNull(number -> {IS_KNOWN}, arraySlice(usage_numbers, first, length))"
    found = f"arrayMap((first, length, said) -> ifNull({number}, said), [{firsts}], [{lengths}], [{said}])"
    return f"if(empty(usage_numbers), [{said}], {found})"


def _counted() -> dict[str, tuple[int, int]]:
    """What is read of the document of counts: counts, then columns that say in which part of it one stands.

    Each with the place in `usage_numbers` at which its paths begin, and how many there are.
    """
    counts: dict[str, tuple[int, int]] = {}
    parts: dict[str, tuple[int, int]] = {}
    first = 1
    for field, within in f.USAGE.items():
        name, beside = field.removesuffix("_tokens"), f.USAGE_BESIDE.get(field, ())
        counts[field] = first, len(within) + len(beside)
        if name in ("input", "output", *(counted.removesuffix("_tokens") for counted in f.USAGE_BESIDE)):
            parts[f"{name}_within"] = first, len(within)
        if name == "thinking":
            parts[f"{name}_beside"] = first + len(within), len(beside)
        first += len(within) + len(beside)
    return counts | parts


def _json_text(document: str, path: str) -> str:
    """The text at a path of a JSON document, '' if there is none; the path is SQL."""
    return f"if(startsWith(JSONExtractRaw({document}, {path}), '\"'), JSONExtractString({document}, {path}), '')"
