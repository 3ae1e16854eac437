"""A page of the documentation for each metric, made from its file.

`python -m thinkmeter.schema.metrics.page docs/metrics` writes them.
"""

import inspect
import sys
from pathlib import Path
from typing import Final

from thinkmeter.schema.metrics.catalogue import MAIN, METRICS, Metric

OVERVIEW: Final = "README"


def documented() -> dict[str, str]:
    """Name of each page -> what it says; all of them are listed on one of their own."""
    return {OVERVIEW: _overview(), **{name: _page(metric) for name, metric in METRICS.items()}}


def _overview() -> str:
    lines = ["# Metrics", "", "Made from the files in `schema/metrics/` by `python -m thinkmeter.schema.metrics.page`."]
    lines += ["How to add one: [adding a metric](../metrics.md); their intervals: [statistics](../statistics.md).", ""]
    lines += ["| metric | unit | better | why |", "|---|---|---|---|"]
    for name, metric in METRICS.items():
        title = f"**{metric.title}**" if name in MAIN else metric.title
        lines.append(f"| [{title}]({name}.md) | {metric.unit} | {metric.direction} | {metric.why} |")
    return "\n".join([*lines, ""])


def _page(metric: Metric) -> str:
    split = ", ".join(f"`{name}`" if name != "attr" else "`attr:NAME`" for name in metric.by)
    keys = f" (each row is of one {' and '.join(metric.keys)}, too)" if metric.keys else ""
    default = ", ".join(f"`{name}`" for name in metric.default) or "nothing: one row of all"
    lines = [
        f"# {metric.title}",
        "",
        metric.why,
        *(["", f"*{metric.note}*"] if metric.note else []),
        "",
        "| | |",
        "|---|---|",
        f"| unit | {metric.unit} |",
        f"| better | {metric.direction} |",
        f"| counted over | `{metric.source}` |",
        f"| split by | {split}{keys} |",
        f"| split by, unless said otherwise | {default} |",
        f"| window, unless said otherwise | {metric.window} |",
        *([f"| compared with | the row of `{metric.keys[0]}` {metric.against} |"] if metric.against else []),
        "",
        "```",
        f"thinkmeter report {metric.name} --since {metric.window}{_example(metric)}",
        "```",
        "",
        "## How it is computed",
        "",
        _told(metric),
        "",
        "Its ingredients are counted by",
        "",
        "```sql",
        metric.sql.strip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _told(metric: Metric) -> str:
    """What the docstring of its computation says, its arguments as a list."""
    lines: list[str] = []
    bullet = ""
    for line in inspect.cleandoc(metric.computation.__doc__ or "").splitlines():
        told = line.strip()
        if told in ("Args:", "Returns:"):
            bullet = "- " if told == "Args:" else ""
            lines += ["It is made from" if bullet else "It gives", ""]
        elif line.startswith("     "):
            lines.append(" " * len(bullet) + told)
        else:
            lines.append((bullet if line.startswith("    ") else "") + told)
    return "\n".join(lines)


def _example(metric: Metric) -> str:
    others = [name for name in metric.by if name not in (*metric.default, *metric.keys, "attr")]
    return f" --by {others[0]}" if others else ""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, text in documented().items():
        (folder / f"{name}.md").write_text(text)
