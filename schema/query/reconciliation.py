"""What a provider says it billed, beside what the store counted: per day (UTC) and model."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.statement import statement

TOLERANCE: Final = 0.01
"""Up to this share of the larger side, two numbers agree."""
QUANTITIES: Final = ("calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "usd")


class Billed(NamedTuple):
    """One line of a provider's export; None: it does not say.

    Attributes:
        model: '' where the export is not split by model.
        input_tokens: all input, cache included.
        batch: whether it speaks of batches.
    """

    day: dt.date
    provider: str
    model: str
    calls: int | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None
    batch: bool = False


class Counted(NamedTuple):
    """What the store has of one day, provider and model; unknown counts and costs are left out, and counted."""

    day: dt.date
    provider: str
    model: str
    calls: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    usd: float
    unknown_calls: int = 0
    uncosted_calls: int = 0
    batch_calls: int = 0
    sampled_calls: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """One quantity of both sides.

    Attributes:
        theirs: of the export.
        ours: of the store.
    """

    theirs: float
    ours: float

    @property
    def difference(self) -> float:
        """Theirs less ours."""
        return self.theirs - self.ours

    @property
    def share(self) -> float | None:
        """The difference as a share of theirs; None where theirs is 0."""
        return self.difference / self.theirs if self.theirs else None

    @property
    def agrees(self) -> bool:
        """Whether both are the same within `TOLERANCE`."""
        return abs(self.difference) <= TOLERANCE * max(abs(self.theirs), abs(self.ours))


@dataclasses.dataclass(frozen=True, slots=True)
class Reconciled:
    """One day and model.

    Attributes:
        model: '' where the export is not split by model: then all models of the provider are ours.
        quantities: those of `QUANTITIES` that the export speaks of.
        meaning: what the difference may mean, a sentence each; empty where both agree.
    """

    day: dt.date
    provider: str
    model: str
    quantities: Mapping[str, Difference]
    meaning: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        sides = {
            name: {"theirs": one.theirs, "ours": one.ours, "difference": one.difference, "share": one.share}
            for name, one in self.quantities.items()
        }
        head = {"day": self.day.isoformat(), "provider": self.provider, "model": self.model or None}
        return {**head, **sides, "agrees": not self.meaning, "meaning": list(self.meaning)}


def daily_usage(client: Client, billed: Iterable[Billed], project: str | None = None) -> list[Counted]:
    """What the store has of the days and providers that an export speaks of; `project` None: of all projects."""
    days, providers = {one.day for one in billed}, sorted({one.provider for one in billed})
    if not days:
        raise ThinkmeterError("the export has no line: nothing was billed, or nothing was asked for")
    midnight = dt.time(tzinfo=dt.UTC)
    window = {
        "since": dt.datetime.combine(min(days), midnight),
        "until": dt.datetime.combine(max(days) + dt.timedelta(days=1), midnight),
    }
    rows = client.query(
        statement(__package__, "daily_usage"), parameters={**window, "providers": providers, "project": project or ""}
    ).result_rows
    return [counted for row in rows if (counted := Counted(*row)).day in days]


def reconcile(billed: Iterable[Billed], counted: Iterable[Counted]) -> list[Reconciled]:
    """Both sides, day by day and model by model; also what is on one side alone.

    A day of a provider that the export does not split by model is compared over all models. An export of usage and one
    of cost go together where both are given: each quantity is compared over the lines that speak of it.
    """
    theirs: dict[tuple[dt.date, str, str], list[Billed]] = {}
    for line in billed:
        theirs.setdefault((line.day, line.provider, line.model), []).append(line)
    spoken = {(line.provider, name) for lines in theirs.values() for line in lines for name in _spoken(line)}
    whole = {(day, provider) for day, provider, model in theirs if not model}
    ours: dict[tuple[dt.date, str, str], list[Counted]] = {}
    for row in counted:
        unsplit = (row.day, row.provider) in whole
        ours.setdefault((row.day, row.provider, "" if unsplit else row.model), []).append(row)
    for key in [key for key in theirs if key[2] and key[:2] in whole]:  # of a day that is compared as a whole
        theirs.setdefault((*key[:2], ""), []).extend(theirs.pop(key))
    found = []
    for key in sorted({*theirs, *ours}):
        lines, rows = theirs.get(key, []), ours.get(key, [])
        quantities = {
            name: Difference(
                sum(value for line in lines if (value := getattr(line, name)) is not None),
                sum(getattr(row, name) for row in rows),
            )
            for name in QUANTITIES
            if (key[1], name) in spoken
        }
        found.append(Reconciled(*key, quantities, tuple(_meaning(quantities, lines, rows))))
    return found


def _spoken(line: Billed) -> list[str]:
    return [name for name in QUANTITIES if getattr(line, name) is not None]


def _meaning(quantities: Mapping[str, Difference], lines: list[Billed], rows: list[Counted]) -> list[str]:
    if all(one.agrees for one in quantities.values()):
        return []
    told: list[str] = []
    tokens = [one for name, one in quantities.items() if name.endswith("_tokens")]
    usd = quantities.get("usd")
    if not rows:
        told.append(
            "The store has no call of it: an application or key that is not instrumented, spans that were refused, or "
            "something that is no model call (tools, storage)."
        )
    elif not lines:
        told.append(
            "The export does not have it: it is of other accounts, projects or keys, or the day is not closed yet; "
            "or the model has another name there."
        )
    elif any(not one.agrees and one.difference > 0 for one in tokens):
        told.append("More was billed than was seen: calls that are not instrumented, or spans that were lost.")
    elif any(not one.agrees for one in tokens):
        told.append("More was seen than was billed: the export is of fewer accounts or keys, or not closed yet.")
    if unknown := sum(row.unknown_calls for row in rows):
        told.append(f"{unknown} of our calls have unknown token counts (interrupted streams, servers that tell none).")
    if sampled := sum(row.sampled_calls for row in rows):
        told.append(f"{sampled} of our calls were sampled: what is compared is what was kept.")
    if any(line.batch for line in lines) and rows and not any(row.batch_calls for row in rows):
        told.append("They billed batches and we have none: `thinkmeter import` reads the results of batches.")
    if usd and not usd.agrees and rows and lines:
        if uncosted := sum(row.uncosted_calls for row in rows):
            told.append(f"{uncosted} of our calls have no price: `thinkmeter prices list` says what to type.")
        elif tokens and all(one.agrees for one in tokens):
            told.append(
                "The tokens agree and the money does not: a discount, credit or tier of theirs that our prices do not "
                "have (`thinkmeter prices set`), or tools that are billed beside tokens."
            )
    return told or ["Counts agree in sum and not in kind: both sides count the cache or its writes in another way."]
