"""Files of labels as rows of facts: checked row by row, and once each, however often a file is imported."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from thinkmeter.collector.labels import BadRow, Label
from thinkmeter.schema.store.statement import statement

ITEM: Final = "item"
AT_ONCE: Final = 500
_Identity = tuple[str, int | None, str, str, str, str, str]


class LabelFile:
    """The labels of one file.

    Attributes:
        labels: the valid ones.
        bad_rows: the others, with line and reason.
        open_items: rows of a spot check that nobody has labelled yet.
    """

    def __init__(self, key: Mapping[str, Mapping[str, Any]] | None = None, shown: Collection[str] = ()) -> None:
        """Read rows of labels, or of a spot check.

        Args:
            key: of a spot check, what each item is and with what probability it was drawn.
            shown: columns of a spot check that are only there to be read.
        """
        self._key = key
        self._shown = shown
        self.labels: list[Label] = []
        self.bad_rows: list[BadRow] = []
        self.open_items = 0

    def add(self, line: int, values: Mapping[str, Any]) -> None:
        """Take a row; empty cells are absent."""
        said = {name: value for name, value in values.items() if value not in (None, "")}
        if self._key is not None:
            item = str(said.pop(ITEM, ""))
            if item not in self._key:
                self.bad_rows.append(BadRow(line, f"item {item!r} is not in the key of the spot check"))
                return
            if "correct" not in said:
                self.open_items += 1
                return
            names = ("request_id", "attempt", "sampling_probability")
            said = {name: value for name, value in said.items() if name not in (*self._shown, *names)}
            said |= {name: self._key[item][name] for name in names}
        try:
            self.labels.append(Label.model_validate(said))
        except ValidationError as error:
            self.bad_rows.append(BadRow(line, "; ".join(_sentence(problem) for problem in error.errors())))

    def insert(self, client: Client, project: str) -> int:
        """Put into the store what it does not have yet; how many that were.

        A label with a time is there where one of that time is; one without where the labeler's last word is the same.
        """
        now = dt.datetime.now(dt.UTC)
        last, times = _known(client, project, self.labels)
        rows = []
        for number, label in enumerate(self.labels):
            identity = _identity(label)
            # rows of one file follow each other
            time = label.time or now + dt.timedelta(microseconds=number)
            if (identity, time) in times if label.time else last.get(identity) == label.correct:
                continue
            last[identity] = label.correct
            times.add((identity, time))
            rows.append(
                {
                    "project": project,
                    "received": now,
                    "time": time,
                    **label.model_dump(exclude={"time"}),
                    "trace_id": label.trace_id.lower(),
                    "span_id": label.span_id.lower(),
                }
            )
        if rows:
            client.insert("labels", [list(row.values()) for row in rows], column_names=list(rows[0]))
        return len(rows)


def unknown_answers(client: Client, project: str, labels: Iterable[Label]) -> list[str]:
    """Names of the answers that these labels speak of and the store has no calls of, which may yet come."""
    said = sorted(
        {
            (label.request_id, label.attempt or 0, label.trace_id.lower(), label.span_id.lower(), label.response_id)
            for label in labels
        }
    )
    unknown = []
    for begin in range(0, len(said), AT_ONCE):
        some = said[begin : begin + AT_ONCE]
        asked = {
            "project": project,
            "said_of": some,
            "requests": sorted({one[0] for one in some if one[0]}),
            "responses": sorted({one[4] for one in some if one[4]}),
            "traces": sorted({one[2] for one in some if one[2]}),
        }
        for request_id, attempt, span_id, response_id in client.query(
            statement(__package__, "unknown_answers"), parameters=asked
        ).result_rows:
            of_attempt = f"{request_id} attempt {attempt}" if attempt else request_id
            unknown.append(of_attempt or response_id or f"span {span_id}")
    return unknown


def _known(
    client: Client, project: str, labels: Iterable[Label]
) -> tuple[dict[_Identity, bool | None], set[tuple[_Identity, dt.datetime]]]:
    """What the store has of the answers that these labels speak of: each labeler's last word, and all times."""
    last: dict[_Identity, bool | None] = {}
    times: set[tuple[_Identity, dt.datetime]] = set()
    names = sorted({(label.request_id, label.span_id.lower(), label.response_id) for label in labels})
    for some in _batches(names):
        asked = {"project": project, "said_of": some}
        for *identity, time, correct in client.query(
            statement(__package__, "known_labels"), parameters=asked, tz_mode="aware"
        ).result_rows:
            key: _Identity = tuple(identity)
            last[key] = correct
            times.add((key, time))
    return last, times


def _batches(names: list[tuple[str, str, str]]) -> Iterator[list[tuple[str, str, str]]]:
    for begin in range(0, len(names), AT_ONCE):
        yield names[begin : begin + AT_ONCE]


def _identity(label: Label) -> _Identity:
    trace_id, span_id = label.trace_id.lower(), label.span_id.lower()
    return label.request_id, label.attempt, trace_id, span_id, label.response_id, label.source, label.labeler


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else str(said)
