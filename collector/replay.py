"""Recorded OTLP into the store, past the door and the spool; the same requests again change nothing."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from thinkmeter.collector.export import LOGS, METRICS, TRACES, Checked, Export
from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.otlp_files import Recorded
from thinkmeter.collector.quarantine import Origin, origin
from thinkmeter.collector.refusal import Reason, Refused
from thinkmeter.collector.segment import frame
from thinkmeter.schema.errors import PermanentError

SEGMENT_BYTES: Final = 8 * 1024 * 1024


class BadRequest(NamedTuple):
    """A request of a file that was left out, with its place in the file."""

    path: Path
    place: str
    reason: str


class Replay:
    """Puts recorded requests into the store, many an insert.

    Attributes:
        spans: how many were put there.
        log_records: how many were put there.
        metric_points: how many were left out, as none are stored.
        rejected: items that cannot be stored, by reason.
        bad_requests: requests that cannot be read, or that the store refuses.
    """

    def __init__(self, client: Client, insertion: Insertion, project: str = "default") -> None:
        """Requests go to `project`, those that were in quarantine to their own."""
        self._client = client
        self._insertion = insertion
        self._project = project
        self._started_unix_nano = time.time_ns()
        self.spans = self.log_records = self.metric_points = 0
        self.rejected: Counter[Reason] = Counter()
        self.bad_requests: list[BadRequest] = []

    def insert(self, path: Path, requests: Iterable[Recorded]) -> None:
        """Insert the requests of a file; what cannot be read of it goes to `bad_requests`.

        Raises:
            RetryableError: the store does not take them now; those before are in it.
        """
        of = origin(path) or Origin(self._project, self._started_unix_nano)
        waiting: dict[str, list[tuple[str, Checked]]] = {TRACES.name: [], LOGS.name: []}
        for place, export, body, problem in requests:
            if problem:
                self.bad_requests.append(BadRequest(path, place, problem))
                continue
            try:
                checked = export.check(body)
            except Refused as refused:
                self.bad_requests.append(BadRequest(path, place, str(refused)))
                continue
            if export is METRICS:
                self.metric_points += checked.rejected[Reason.NOT_STORED]
                continue
            self.rejected.update(checked.rejected)
            if checked.items:
                batch = waiting[export.name]
                batch.append((place, checked))
                if sum(len(kept.body) for _, kept in batch) >= SEGMENT_BYTES:
                    self._insert(path, export, batch, of)
                    batch.clear()
        for export in (TRACES, LOGS):
            if waiting[export.name]:
                self._insert(path, export, waiting[export.name], of)

    def _insert(self, path: Path, export: Export, batch: list[tuple[str, Checked]], of: Origin) -> None:
        assert export.signal is not None
        token = _token(of.project, *(kept.body for _, kept in batch))
        frames = [frame(kept.body, of.project, of.received_unix_nano) for _, kept in batch]
        try:
            self._insertion.insert_segment(self._client, export.signal, frames, token)
        except PermanentError:
            tokens = [_token(of.project, kept.body) for _, kept in batch]
            self._insert_one_by_one(path, export, batch, frames, tokens)
        else:
            self._count(export, sum(kept.items for _, kept in batch))

    def _insert_one_by_one(
        self, path: Path, export: Export, batch: list[tuple[str, Checked]], frames: list[bytes], tokens: list[str]
    ) -> None:
        assert export.signal is not None
        for (place, kept), framed, token in zip(batch, frames, tokens, strict=True):
            try:
                self._insertion.insert_frame(self._client, export.signal, framed, token)
            except PermanentError as refused:
                self.bad_requests.append(BadRequest(path, place, str(refused)))
            else:
                self._count(export, kept.items)

    def _count(self, export: Export, items: int) -> None:
        if export is TRACES:
            self.spans += items
        else:
            self.log_records += items


def _token(project: str, *bodies: bytes) -> str:
    """Of what is inserted and nothing else, so that the store knows it again."""
    content = hashlib.sha256(project.encode())
    for body in bodies:
        content.update(hashlib.sha256(body).digest())
    return f"replay-{content.hexdigest()}"
