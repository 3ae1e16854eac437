"""A report as people read it: a table a metric, numbers in their own form, states in words."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thinkmeter.commands.report.within import print_within
from thinkmeter.schema.metrics.catalogue import Metric
from thinkmeter.schema.metrics.estimate import State
from thinkmeter.schema.metrics.wording import (
    NOTHING,
    interval,
    milliseconds,
    points,
    rate,
    state,
    tokens,
    usd,
    value,
)
from thinkmeter.schema.query import Report, ReportRow

Form = Callable[[Any], str]


def _mix(shares: list[float] | None) -> str:
    return NOTHING if shares is None else " / ".join(f"{100 * share:.0f}" for share in shares) + "%"


def _count(number: int) -> str:
    return f"{number:,}"


SIDE_FIGURES: Final[Mapping[str, Sequence[tuple[str, str, Form]]]] = {
    "cpq": (
        ("improvement", "improvement_pp", points),
        ("baseline", "baseline_kind", lambda kind: kind or NOTHING),
        ("thinking", "thinking_cost_usd", usd),
        ("per extra correct", "cost_per_extra_correct_usd", usd),
        ("cost of pass", "cost_of_pass_usd", usd),
    ),
    "ttr": (
        ("p50", "p50", tokens),
        ("p95", "p95", tokens),
        ("p99", "p99", tokens),
        ("left out", "left_out_share", rate),
    ),
    "escr": (
        ("target", "target", lambda share: f"< {rate(share)}"),
        ("tiers 1/2/3", "tier_mix", _mix),
        ("pre-routed", "pre_routed", _count),
        ("failed, stayed", "failed_not_escalated", _count),
        ("no verdict, climbed", "escalated_without_verdict", _count),
        ("rescued", "rescued_share", rate),
        ("per rescued", "usd_per_rescued", usd),
    ),
    "vrate": (
        ("target", "target", lambda share: f"> {rate(share)}"),
        ("recall", "recall", rate),
        ("false positives", "false_positive_rate", rate),
        ("calibration error", "expected_calibration_error", rate),
    ),
    "accuracy": (("requests", "requests", _count), ("labelled", "labelled_share", rate)),
    "cost": (
        ("input", "input_usd", usd),
        ("cache", "cache_usd", usd),
        ("thinking", "thinking_usd", usd),
        ("answer", "answer_usd", usd),
        ("not split", "unsplit_usd", usd),
        ("verifier", "verifier_usd", usd),
        ("router", "router_usd", usd),
        ("unpriced tokens", "unpriced_token_share", rate),
    ),
    "overthinking": (
        ("cap", "suggested_cap_tokens", tokens),
        ("cap from", "suggested_cap_low_tokens", tokens),
        ("cap to", "suggested_cap_high_tokens", tokens),
        ("wasted", "wasted_usd", usd),
        ("within requests", "within_gain_pp", points),
        ("budget used", "budget_use", rate),
        ("at the cap", "capped_share", rate),
        ("tokens per correct", "tokens_per_correct", tokens),
        ("E3", "e3", lambda score: f"{score:.3g}"),
    ),
    "strategies": (
        ("attempts", "attempts", _count),
        ("calls each", "calls_per_attempt", lambda calls: f"{calls:.1f}"),
        ("thinking each", "thinking_tokens_per_attempt", tokens),
        ("output each", "output_tokens_per_attempt", tokens),
        ("cost each", "cost_per_attempt_usd", usd),
        ("cost of pass", "cost_of_pass_usd", usd),
        ("over greedy", "gain_pp", points),
        ("from", "gain_low_pp", points),
        ("to", "gain_high_pp", points),
        ("per extra correct", "cost_per_extra_correct_usd", usd),
        ("gain is", "comparison_state", lambda reached: reached.replace("_", " ")),
    ),
    "runaways": (
        ("threshold", "threshold_tokens", tokens),
        ("times it", "times_threshold", lambda times: f"{times:.1f}"),
        ("baseline of", "baseline_task", str),
        ("its p95", "baseline_p95", tokens),
        ("cost", "cost_usd", usd),
        ("model", "model", str),
        ("began (UTC)", "began", lambda moment: moment[:19]),
        ("calls of unknown thinking", "unknown_calls", _count),
    ),
    "reflection": (
        ("right", "right", _count),
        ("wrong", "wrong", _count),
        ("right less wrong", "right_less_wrong", lambda gap: points(100 * gap)),
        ("from", "right_less_wrong_low", lambda gap: points(100 * gap)),
        ("to", "right_less_wrong_high", lambda gap: points(100 * gap)),
    ),
    "quota": (
        ("limit", "limit_tokens", tokens),
        ("used", "used_share", rate),
        ("over", "over", lambda over: "yes" if over else "no"),
        ("calls of unknown thinking", "unknown_calls", _count),
        ("calls of sampled traffic", "sampled_calls", _count),
    ),
    "forecast": (
        ("month", "month", str),
        ("so far", "month_to_date_usd", usd),
        ("to come", "rest_usd", usd),
        ("budget", "budget_usd", usd),
        ("of it", "budget_share", rate),
        ("over it", "over_budget", str),
        ("forecasts tried", "backtests", _count),
        ("their median error", "backtest_median_error", rate),
        ("without cost", "uncosted_calls", _count),
    ),
    "latency": (
        ("p50", "p50", milliseconds),
        ("target", "target_ms", lambda target: f"< {milliseconds(target)}"),
        ("within it", "within_target", rate),
    ),
    "routing": (
        ("as it was", "cost_usd", usd),
        ("all at tier 1", "all_tier_1_usd", usd),
        ("all at tier 2", "all_tier_2_usd", usd),
        ("all at tier 3", "all_tier_3_usd", usd),
        ("saved", "saved_usd", usd),
        ("a request", "cost_per_request_usd", usd),
        ("without cost", "uncosted_requests", _count),
    ),
    "coverage": (
        ("thinking unknown", "thinking_unknown_calls", _count),
        ("unpriced", "unpriced_calls", _count),
        ("usage unknown", "usage_unknown_calls", _count),
        ("repeats", "repeated_spans", _count),
        ("late", "late_calls", _count),
    ),
}
"""For each metric the columns beside its value: heading, name in `detail`, form."""

WITHOUT_INTERVAL: Final = ("cost", "coverage", "quota", "runaways")
EMPTY: Final = {
    "runaways": "runaways",
    "quota": "users or sessions",
    "forecast": "calls",
    "latency": "calls",
    "coverage": "calls",
    "vrate": "answers that a verifier judged",
    "strategies": "attempts",
    "reflection": "calls that tell how far their thinking reflects",
}
"""What there is none of where a report has no rows."""
SHOWN_ROWS: Final = {"quota": 40, "runaways": 100}
"""Of what may have very many rows, so many are shown, the highest."""
STYLES: Final = {State.OK: "", State.INSUFFICIENT_DATA: "dim", State.INCONCLUSIVE: "yellow"}
WIDTH: Final = 300
"""Of the table where the output is no terminal, in characters: nothing folds, so that lines can be searched."""
FOLDED: Final = 24
"""How narrow columns that fold may become, in characters."""


def show(reports: Sequence[Report], *, coverage: Report, alone: bool = False, console: Console | None = None) -> None:
    """Print reports of one window, and of how much of it they speak; on the terminal unless told otherwise.

    Args:
        reports: at least one.
        coverage: of the same window.
        alone: whether one metric was asked for, so that there is room for its tables within rows.
        console: where to.
    """
    console = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    first = reports[0]
    span = f"{first.since:%Y-%m-%d %H:%M} to {first.until:%Y-%m-%d %H:%M} UTC"
    console.print(f"{span}, as of {first.as_of:%Y-%m-%d %H:%M:%S} UTC", markup=False)
    for one in reports:
        console.print()
        console.print(_heading(one))
        if one.rows:
            _print_table(console, one)
        else:
            console.print(f"  no {EMPTY.get(one.metric.name, 'requests')} in this window", style="dim")
        if alone:
            print_within(console, one)
        if one.metric.name == "cost" and any(row.detail["unpriced_calls"] for row in one.rows):
            console.print(
                "  calls without a price: `thinkmeter prices list` says what to type", markup=False, style="dim"
            )
        if one.note:
            console.print(f"  {one.note}", markup=False, style="dim")
    opened = max((sum(row.detail.get("open_requests", 0) for row in one.rows) for one in reports), default=0)
    if opened:
        console.print(
            f"\n{opened:,} open requests are not counted yet: a request settles 5 minutes after its last call",
            markup=False,
        )
    console.print(f"\n{_coverage(coverage)}", markup=False)


def _coverage(one: Report) -> str:
    """One line on what the numbers do not speak of."""
    if not one.rows:
        return "Coverage: no calls"
    [row] = one.rows
    if not row.n:
        return "Coverage: all calls of the window failed before anything was generated, and were not billed"
    gaps = {
        "thinking unknown": "thinking_unknown_calls",
        "unpriced": "unpriced_calls",
        "no usage": "usage_unknown_calls",
    }
    parts = [f"{what} {rate(row.detail[name] / row.n)}" for what, name in gaps.items() if row.detail[name]]
    parts += [f"{row.detail['repeated_spans']:,} repeats taken out"] if row.detail["repeated_spans"] > 0 else []
    told = f"Coverage: {rate(row.value)} of {row.n:,} {'call' if row.n == 1 else 'calls'} have known thinking and cost"
    return "; ".join([told, *parts])


def _heading(one: Report) -> Text:
    metric = one.metric
    text = Text(f"{metric.title} ", style="bold")
    text.append(f"({metric.name}, {metric.unit}, {metric.direction} is better)", style="not bold dim")
    return text


def _print_table(console: Console, one: Report) -> None:
    """As many side figures as the terminal is wide for; task and state fold, numbers never do."""
    keys, numbers = list(one.rows[0].key), ["value", "95% interval", "n"]
    if one.metric.name in WITHOUT_INTERVAL:
        numbers.remove("95% interval")
    figures = SIDE_FIGURES.get(one.metric.name, ())
    names = [*keys, *numbers, *(heading for heading, _, _ in figures), "state"]
    rows = one.rows
    if len(rows) > SHOWN_ROWS.get(one.metric.name, len(rows)):
        rows = tuple(sorted(rows, key=lambda row: -(row.value or 0))[: SHOWN_ROWS[one.metric.name]])
    lines = [_cells(one.metric, row) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(names, *lines, strict=True)]
    folding = [*range(len(keys)), len(names) - 1]
    for position in folding:
        widths[position] = min(widths[position], FOLDED)
    shown = list(range(len(names)))
    optional = list(range(len(keys) + len(numbers), len(names) - 1))
    while optional and sum(widths[position] + 3 for position in shown) > console.width:
        shown.remove(optional.pop())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position in shown:
        if position in folding:
            table.add_column(names[position], overflow="fold", min_width=widths[position])
        else:
            table.add_column(names[position], justify="right", no_wrap=True, min_width=widths[position])
    for row, cells in zip(rows, lines, strict=True):
        table.add_row(*(Text(cells[position]) for position in shown), style=STYLES.get(row.state, "red"))
    console.print(table)
    if len(rows) < len(one.rows):
        console.print(f"  the highest {len(rows)} of {len(one.rows):,}; --json has all", style="dim")
    if len(shown) < len(names):
        console.print(f"  {len(names) - len(shown)} more columns on a wider terminal; --json has all", style="dim")


def _cells(metric: Metric, row: ReportRow) -> list[str]:
    known = _known(row)
    cells = [NOTHING if part is None else str(part) for part in row.key.values()]
    cells.append(value(metric, row.value))
    if metric.name not in WITHOUT_INTERVAL:
        cells.append(interval(metric, row.low, row.high))
    cells.append(f"{row.n:,}")
    figures = SIDE_FIGURES.get(metric.name, ())
    cells += [form(known[name]) if known.get(name) is not None else NOTHING for _, name, form in figures]
    return [*cells, state(row.state, row.detail, metric.name)]


def _known(row: ReportRow) -> dict[str, Any]:
    """Side figures as far as the sample bears them."""
    return {} if row.state is State.INSUFFICIENT_DATA and not row.n else row.detail
