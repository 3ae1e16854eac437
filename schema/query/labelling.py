"""Spot checks: what a person should label, with what probability each was chosen; and who agrees with whom."""

import dataclasses
import datetime as dt
import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.metrics.statistics import Interval, wilson
from thinkmeter.schema.query.filters import Filters
from thinkmeter.schema.query.population import compiled, listed
from thinkmeter.schema.store.statement import statement

REQUESTS_AT_ONCE: Final = 500
BANDS: Final = {0: "no score", 1: "low", 2: "middle", 3: "high"}


@dataclasses.dataclass(frozen=True, slots=True)
class Drawn:
    """An attempt that was drawn for a spot check."""

    project: str
    request_id: str
    attempt: int
    task: str
    verdict: str
    """`pass`, `fail` or `none`."""
    band: str
    """Third of the scores of its task class and verdict."""
    stratum_size: int
    verifier: str
    score: float | None
    sampling_probability: float
    question: str = ""
    answer: str = ""


def draw(client: Client, filters: Filters, size: int, seed: int) -> list[Drawn]:
    """A stratified sample of attempts without a label, shuffled.

    Strata are task class x verdict x third of the scores; each gets as many as the others while it lasts, so that rare
    ones are looked at too. What was drawn from a stratum stands for all of it: its probability is drawn / size.

    Args:
        client: of the store; nothing is written.
        filters: which attempts, of requests that are settled.
        size: how many in all.
        seed: the same rows and seed give the same sample.

    Raises:
        ThinkmeterError: there are more strata than `size`: a stratum of which nothing is drawn would be left out.
    """
    rows, values = compiled(listed("attempts", filters))
    sql = f"WITH population AS (\n{rows}\n)\n{statement(__package__, 'label_sample')}"
    found = client.query(sql, parameters={**values, "size": size, "seed": seed}).result_rows
    strata: dict[tuple[str, str, int], list[tuple[str, str, int, int, str, float | None]]] = defaultdict(list)
    for project, request_id, attempt, task, verdict, band, stratum_size, verifier, score in found:
        strata[task, verdict, band].append((project, request_id, attempt, stratum_size, verifier, score))
    if len(strata) > size:
        raise ThinkmeterError(
            f"there are {len(strata)} strata (task class x verdict x score band): draw at least as many, or name a "
            "--task"
        )
    shares = allocate({stratum: members[0][3] for stratum, members in strata.items()}, size)
    drawn = [
        Drawn(project, request_id, attempt, *stratum[:2], BANDS[stratum[2]], whole, verifier, score, share / whole)
        for stratum, share in shares.items()
        for project, request_id, attempt, whole, verifier, score in strata[stratum][:share]
    ]
    random.Random(seed).shuffle(drawn)
    return _with_content(client, drawn)


Stratum = TypeVar("Stratum")


def allocate(sizes: Mapping[Stratum, int], total: int) -> dict[Stratum, int]:
    """How many to draw of each stratum: equally many, but none more than it has."""
    shares: dict[Stratum, int] = {}
    left = min(total, sum(sizes.values()))
    for position, (stratum, size) in enumerate(sorted(sizes.items(), key=lambda entry: entry[1])):
        share = min(size, left // (len(sizes) - position))
        shares[stratum] = share
        left -= share
    return shares


def _with_content(client: Client, drawn: Sequence[Drawn]) -> list[Drawn]:
    content: dict[tuple[str, str, int], tuple[str, str]] = {}
    for project, mine in itertools.groupby(sorted(drawn, key=lambda one: one.project), lambda one: one.project):
        names = sorted({one.request_id for one in mine})
        for begin in range(0, len(names), REQUESTS_AT_ONCE):
            asked = {"project": project, "requests": names[begin : begin + REQUESTS_AT_ONCE]}
            rows = client.query(statement(__package__, "recorded_content"), parameters=asked).result_rows
            content |= {(project, request, attempt): (question, answer) for request, attempt, question, answer in rows}
    return [
        dataclasses.replace(one, question=question, answer=answer)
        for one in drawn
        for question, answer in [content.get((one.project, one.request_id, one.attempt), ("", ""))]
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """How far two labelers agree on the attempts that both have labelled."""

    labelers: tuple[str, str]
    n: int
    agreed: int
    interval: Interval
    kappa: float | None
    """Cohen's: agreement beyond chance; None where one of them always says the same."""

    @property
    def share(self) -> float:
        """Share of attempts on which they agree."""
        return self.agreed / self.n


@dataclasses.dataclass(frozen=True, slots=True)
class Contested:
    """An attempt that some call correct and others do not."""

    request_id: str
    attempt: int
    said: Mapping[str, bool]
    """Labeler -> what they said last."""


def agreement(
    client: Client, *, since: dt.datetime, until: dt.datetime, project: str
) -> tuple[list[Agreement], list[Contested]]:
    """Who agrees with whom among labels given in [since, until), and on what they do not.

    A labeler without a name goes by the label's source.
    """
    values = {"since": since, "until": until, "project": project}
    rows = client.query(statement(__package__, "labels_by_labeler"), parameters=values).result_rows
    said: dict[tuple[str, int], dict[str, bool]] = defaultdict(dict)
    for request_id, attempt, labeler, correct in rows:
        said[request_id, attempt][labeler] = bool(correct)
    tables: dict[tuple[str, str], NDArray[Any]] = {}
    for answers in said.values():
        for pair in itertools.combinations(sorted(answers), 2):
            table = tables.setdefault(pair, np.zeros((2, 2), int))
            table[int(answers[pair[0]]), int(answers[pair[1]])] += 1
    pairs = [_agreement(pair, table) for pair, table in sorted(tables.items())]
    contested = [Contested(*key, answers) for key, answers in said.items() if len(set(answers.values())) > 1]
    return pairs, contested


def _agreement(pair: tuple[str, str], table: NDArray[Any]) -> Agreement:
    from statsmodels.stats.inter_rater import cohens_kappa  # takes a second to load, which other readers need not

    n, agreed = int(table.sum()), int(np.trace(table))
    varied = (table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all()
    kappa = float(cohens_kappa(table, return_results=False)) if varied else None
    return Agreement(pair, n, agreed, wilson(agreed / n, n), kappa)
