"""Tables within the rows of a report: curves and thresholds, shown where one metric is asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from thinkmeter.schema.metrics.wording import NOTHING, rate, tokens
from thinkmeter.schema.query import Report

Form = Callable[[Any], str]

WITHIN: Final[Mapping[str, Sequence[tuple[str, str, Sequence[tuple[str, str, Form]]]]]] = {
    "overthinking": (
        (
            "bins",
            "accuracy by thinking tokens",
            (
                ("from", "from_tokens", tokens),
                ("below", "below_tokens", tokens),
                ("attempts", "attempts", "{:,}".format),
                ("labelled", "n", "{:,}".format),
                ("correct", "correct", rate),
                ("low", "low", rate),
                ("high", "high", rate),
                ("thinking", "thinking_tokens", tokens),
            ),
        ),
    ),
    "reflection": (
        (
            "bands",
            "accuracy and length by how much of the thinking reflects",
            (
                ("from", "from", rate),
                ("to", "to", rate),
                ("attempts", "attempts", "{:,}".format),
                ("labelled", "n", "{:,}".format),
                ("correct", "correct", rate),
                ("low", "low", rate),
                ("high", "high", rate),
                ("thinking each", "thinking_tokens", tokens),
            ),
        ),
    ),
    "routing": (
        (
            "calibration",
            "what requests needed that entered at a tier",
            (
                ("entered at", "entry_tier", str),
                ("labelled", "n", "{:,}".format),
                ("right there", "right_there", rate),
                ("low", "low", rate),
                ("high", "high", rate),
                ("needed a higher one", "needed_higher", rate),
                ("right nowhere", "right_nowhere", rate),
            ),
        ),
        (
            "accuracy_by_tier",
            "how often answers of a tier are correct",
            (
                ("tier", "tier", str),
                ("correct", "correct", rate),
                ("low", "low", rate),
                ("high", "high", rate),
                ("labelled", "n", "{:,}".format),
            ),
        ),
    ),
    "vrate": (
        (
            "reliability",
            "how often answers of a score are correct",
            (
                ("score", "score", "{:.2f}".format),
                ("correct", "correct", rate),
                ("low", "low", rate),
                ("high", "high", rate),
                ("labelled", "n", "{:,}".format),
            ),
        ),
        (
            "thresholds",
            "what other thresholds would have given",
            (
                ("threshold", "threshold", "{:.3g}".format),
                ("precision", "precision", rate),
                ("recall", "recall", rate),
                ("escalation rate", "escalation_rate", rate),
            ),
        ),
    ),
}
"""For each metric the lists in its detail: name, title, columns as heading, name and form."""


def print_within(console: Console, report: Report) -> None:
    """Print the lists in the rows of a report, row by row."""
    for name, title, columns in WITHIN.get(report.metric.name, ()):
        for row in report.rows:
            listed = row.detail.get(name)
            if not listed:
                continue
            of = ", ".join(str(part) for part in row.key.values() if part is not None)
            console.print(f"  {of}: {title}" if of else f"  {title}", markup=False, style="dim")
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            for heading, _, _ in columns:
                table.add_column(heading, justify="right", no_wrap=True)
            for entry in listed:
                known = [(entry[field], form) for _, field, form in columns]
                table.add_row(*(NOTHING if value is None else form(value) for value, form in known))
            console.print(table)
