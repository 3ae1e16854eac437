"""The metrics there are: each one's definition, read from the head of its SQL file, with its arithmetic."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final, Literal, get_args

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.accuracy import accuracy
from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.cost import cost
from thinkmeter.schema.metrics.coverage import coverage
from thinkmeter.schema.metrics.cpq import cost_per_quality_point
from thinkmeter.schema.metrics.escr import escalation_rate
from thinkmeter.schema.metrics.estimate import Estimate
from thinkmeter.schema.metrics.forecast import forecast
from thinkmeter.schema.metrics.latency import latency
from thinkmeter.schema.metrics.overthinking import overthinking
from thinkmeter.schema.metrics.plain import PLAIN
from thinkmeter.schema.metrics.quota import quota
from thinkmeter.schema.metrics.reflection import reflection
from thinkmeter.schema.metrics.routing import routing
from thinkmeter.schema.metrics.runaways import runaways
from thinkmeter.schema.metrics.strategies import strategies
from thinkmeter.schema.metrics.ttr import thinking_token_rate
from thinkmeter.schema.metrics.vrate import verifier_precision
from thinkmeter.schema.policy import Policy
from thinkmeter.schema.store.statement import statement

Source = Literal["calls", "attempts", "requests"]
Direction = Literal["lower", "higher"]
Computation = Callable[[Cells, Policy], Estimate]
Comparison = Callable[[Cells, Policy, Cells | None], Estimate]
"""Arithmetic that looks at the row that others are compared with, too; None where there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what it is called and means, the SQL that counts its ingredients, and its arithmetic."""

    name: str
    title: str
    unit: str
    direction: Direction
    """Which way is better."""
    why: str
    source: Source
    """The view whose rows are counted; the SQL reads it as `population`, which has the columns `key` and `task` too."""
    by: tuple[str, ...]
    """What it can be split by; `attr` stands for `attr:NAME`."""
    keys: tuple[str, ...]
    """Columns of the SQL that are always part of a row's key."""
    default: tuple[str, ...]
    """What it is split by unless said otherwise."""
    window: str
    """How far back it looks unless said otherwise, as `--since` takes it."""
    against: str
    """Value of the first of `keys` in the row that all others are compared with; '' where rows stand alone."""
    note: str
    """What has to be said wherever its numbers are shown; mostly nothing."""
    sql: str
    _compute: Computation | Comparison = dataclasses.field(repr=False)

    @property
    def computation(self) -> "Computation | Comparison":
        """The function that makes its estimates."""
        return self._compute

    def estimate(self, cells: Cells, policy: Policy, base: Cells | None = None) -> Estimate:
        """What the metric comes to over these cells; `base` is what `against` names."""
        arguments = (cells, policy, base) if self.against else (cells, policy)
        return self._compute(*arguments)


OPTIONAL: Final[Mapping[str, str]] = {
    "keys": "", "default": "task", "window": "7d", "against": "", "note": "", "estimate": ""
}  # fmt: skip
"""Fields of a head that may be absent, and what then holds; `default: nothing` is one row of all."""


def read(name: str, text: str, compute: Computation | Comparison | None = None) -> Metric:
    """Read a metric's file: a head of `-- field: value` lines, deeper indented ones going on, then the query.

    Args:
        name: of the file, and of the metric.
        text: what it holds.
        compute: arithmetic of its own; None: that of `PLAIN` which the head names as `estimate`.

    Raises:
        ThinkmeterError: a field is missing, unknown, stands twice or out of order, or has no allowed value.
    """
    place = f"metric {name}.sql"
    head = re.match(r"(?:--.*\n)+", text)
    if head is None:
        raise ThinkmeterError(f"{place} does not begin with its head")
    fields: dict[str, str] = {}
    for number, line in enumerate(head[0].splitlines(), 1):
        if more := re.fullmatch(r"--   (\S.*)", line):
            last = next(reversed(fields), None)
            if last is None:
                raise ThinkmeterError(f"{place}, line {number}: goes on, but nothing began")
            fields[last] += " " + more[1]
        elif begun := re.fullmatch(r"-- ([a-z]+): (\S.*)", line):
            if begun[1] in fields:
                raise ThinkmeterError(f"{place}, line {number}: {begun[1]} stands twice")
            fields[begun[1]] = begun[2]
        else:
            raise ThinkmeterError(f"{place}, line {number}: {line!r} is not of the form '-- field: value'")
    wanted = ["name", "title", "unit", "direction", "why", "source", "by"]
    if [field for field in fields if field not in OPTIONAL] != wanted:
        raise ThinkmeterError(f"{place}: the head has {', '.join(fields)}; it needs {', '.join(wanted)}, in this order")
    if fields["name"] != name:
        raise ThinkmeterError(f"{place}: its name is {fields['name']}, not that of the file")
    for field, allowed in (("source", get_args(Source)), ("direction", get_args(Direction))):
        if fields[field] not in allowed:
            raise ThinkmeterError(f"{place}: {field} is {fields[field]}, not one of {', '.join(allowed)}")
    optional = {**OPTIONAL, **fields}
    plain = optional.pop("estimate")
    if (compute is None) == (plain == "") or (plain and plain not in PLAIN):
        raise ThinkmeterError(
            f"{place}: estimate is {plain or 'absent'}; a metric without arithmetic of its own needs one of "
            f"{', '.join(PLAIN)}, and one that has it none"
        )
    listed = {field: tuple(re.findall(r"[^,\s]+", optional.pop(field))) for field in ("by", "keys", "default")}
    listed["default"] = tuple(name for name in listed["default"] if name != "nothing")
    return Metric(**optional, **listed, sql=text[head.end() :], _compute=compute or PLAIN[plain])  # type: ignore[arg-type]  # checked


_COMPUTATIONS: Final[Mapping[str, Computation | Comparison]] = {
    "cpq": cost_per_quality_point,
    "ttr": thinking_token_rate,
    "escr": escalation_rate,
    "vrate": verifier_precision,
    "cost": cost,
    "overthinking": overthinking,
    "strategies": strategies,
    "runaways": runaways,
    "quota": quota,
    "forecast": forecast,
    "latency": latency,
    "routing": routing,
    "reflection": reflection,
    "accuracy": accuracy,
    "coverage": coverage,
}

_sql = partial(statement, __package__)


def discover(folder: Traversable) -> dict[str, Metric]:
    """Metrics that are one SQL file: those of a folder whose head names a plain estimate, by name.

    Raises:
        ThinkmeterError: a head is not as it has to be.
    """
    texts = {entry.name.removesuffix(".sql"): entry for entry in folder.iterdir() if entry.name.endswith(".sql")}
    return {name: read(name, texts[name].read_text()) for name in sorted(texts.keys() - _COMPUTATIONS.keys())}


METRICS: Final = MappingProxyType(
    {name: read(name, _sql(name), run) for name, run in _COMPUTATIONS.items()} | discover(files(__package__))
)
"""Every metric by name, in the order in which they are shown."""

MAIN: Final = ("cpq", "ttr", "escr", "vrate")
"""The four that a report without a name shows."""
