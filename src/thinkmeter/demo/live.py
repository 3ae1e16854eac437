"""Live traffic: requests one after another, through the providers' real clients, sync and async, as they come."""

import asyncio
import datetime as dt
import itertools
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import thinkmeter
from thinkmeter.demo.clients import PROVIDER_ERRORS, AsyncClients, Clients
from thinkmeter.demo.plan import PlannedCall, PlannedLabel, PlannedRequest, PlannedVerdict
from thinkmeter.demo.tasks import TASKS
from thinkmeter.demo.truth import Truth
from thinkmeter.demo.workload import Workload

AT_ONCE: Final = 24
RUNAWAY_EVERY: Final = 250
"""Requests: one of so many thinks far more than is usual for its class."""


class LiveTraffic:
    """Sends requests at random times, `requests_per_s` on average, until it is stopped.

    Attributes:
        finished: how many requests are over.
    """

    def __init__(
        self, workload: Workload, truth: Truth, url: str, *, first_number: int, requests_per_s: float = 3.0
    ) -> None:
        """Requests of the workload from `first_number` on, to the server at `url`."""
        self._workload = workload
        self._truth = truth
        self._url = url
        self._numbers = itertools.count(first_number)
        self._requests_per_s = requests_per_s
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self.finished = 0

    def stop(self) -> None:
        """Begin no more requests; those on their way finish. To be called in the loop that runs this."""
        self._stopping.set()

    async def run(self) -> None:
        """Send until stopped.

        Raises:
            ExceptionGroup: a request went wrong in a way that its plan does not foresee; the others are ended.
        """
        pauses = random.Random(f"{self._workload.seed} pauses")
        with Clients(self._url) as clients:
            async with AsyncClients(self._url) as async_clients, asyncio.TaskGroup() as group:
                self._group, self._clients, self._async_clients = group, clients, async_clients
                for sent in itertools.count(1):
                    if self._stopping.is_set():
                        break
                    self.begin(runaway=sent % RUNAWAY_EVERY == 0)
                    await self._pause(pauses.expovariate(self._requests_per_s))

    def begin(self, task: str | None = None, *, runaway: bool = False) -> None:
        """Begin one request now, of any class or of the one named. To be called in the loop that runs this."""
        number, at = next(self._numbers), dt.datetime.now(dt.UTC)
        known = next((t for t in TASKS if t.name == task), None) or self._workload.live_task(number, at)
        self._group.create_task(self._send(number, self._workload.request(number, known, at, runaway=runaway)))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _send(self, number: int, planned: PlannedRequest) -> None:
        async with self._at_once:
            self._truth.write(planned, live=True)
            if number % 2:
                await _perform(planned, self._async_clients)
            else:
                await asyncio.to_thread(_perform_in_thread, planned, self._clients)
            for label in planned.labels:
                _tell(planned.request_id, label)
            self.finished += 1


async def _perform(planned: PlannedRequest, clients: AsyncClients) -> None:
    """The request by async clients; samples of one attempt at the same time."""
    async with thinkmeter.request(
        planned.task, user=planned.user, session=planned.session, request_id=planned.request_id
    ) as request:
        for tried in planned.attempts:
            async with request.attempt(tier=tried.tier, strategy=tried.strategy, effort=tried.effort) as attempt:

                async def one_after_another(calls: list[PlannedCall], attempt: thinkmeter.Attempt = attempt) -> None:
                    for call in calls:
                        with _marked(attempt, call), _as_planned(call):
                            await clients.send(call)

                await asyncio.gather(*(one_after_another(calls) for calls in _samples(tried.calls, "answer")))
                for calls in _samples(tried.calls, "verifier"):
                    await one_after_another(calls)
                _judge(attempt, tried.verdict)


def _perform_in_thread(planned: PlannedRequest, clients: Clients) -> None:
    """The request by sync clients."""
    with thinkmeter.request(
        planned.task, user=planned.user, session=planned.session, request_id=planned.request_id
    ) as request:
        for tried in planned.attempts:
            with request.attempt(tier=tried.tier, strategy=tried.strategy, effort=tried.effort) as attempt:
                for call in tried.calls:
                    with _marked(attempt, call), _as_planned(call):
                        clients.send(call)
                _judge(attempt, tried.verdict)


def _samples(calls: tuple[PlannedCall, ...], role: str) -> Iterator[list[PlannedCall]]:
    """The calls of that role, those of one sample together."""
    mine = (call for call in calls if call.role == role)
    return (list(group) for _, group in itertools.groupby(mine, key=lambda call: call.sample))


@contextmanager
def _marked(attempt: thinkmeter.Attempt, call: PlannedCall) -> Iterator[None]:
    with ExitStack() as marks:
        if call.role != "answer":
            marks.enter_context(attempt.role(call.role))
        if call.sample is not None:
            marks.enter_context(attempt.sample(call.sample))
        if call.phase is not None:
            marks.enter_context(attempt.phase(call.phase))
        yield


@contextmanager
def _as_planned(call: PlannedCall) -> Iterator[None]:
    """A failure is taken where the plan has one, as an application does that tries again."""
    try:
        yield
    except PROVIDER_ERRORS:
        if not call.error:
            raise


def _judge(attempt: thinkmeter.Attempt, verdict: PlannedVerdict | None) -> None:
    if verdict:
        attempt.verdict(verdict.verifier, score=verdict.score, threshold=verdict.threshold, version=verdict.version)


def _tell(request_id: str, label: PlannedLabel) -> None:
    thinkmeter.label(
        request_id,
        correct=label.correct,
        attempt=label.attempt,
        source=label.source,
        labeler=label.labeler,
        sampling_probability=label.sampling_probability,
    )
